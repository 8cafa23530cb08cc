"""What the gauges say of outages: is one under way, and the recovery time that the guide's alerts read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from prober.event import Outage, OutageChanged
from prober.outcome import OutageState


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageHistory:
    """The outages of one service within `hold` seconds, and until when that knowledge is fresh (monotonic).

    `began` is the beginning of the outage under way; `past` are end and length of those that are over.
    """

    hold: float
    began: float | None = None
    past: tuple[tuple[float, float], ...] = ()
    fresh_until: float | None = None

    @classmethod
    def restored(cls, outages: Iterable[Outage], hold: float) -> OutageHistory:
        """Take up what the journal remembers of before a restart."""
        history = cls(hold=hold)
        for outage in outages:
            history = history._with(outage)
        return history

    def changed(self, change: OutageChanged) -> OutageHistory:
        """Take a change of the state machine into account."""
        if change.state is OutageState.UP and change.outage is None:
            return replace(self, began=None)
        return self if change.outage is None else self._with(change.outage)

    def seen(self, fresh_until: float) -> OutageHistory:
        """Note that the probe ran: what is known is true until then."""
        return replace(self, fresh_until=fresh_until)

    def under_way(self, now: float) -> bool | None:
        """Say whether an outage is under way; None when no run is fresh enough to tell."""
        if self.began is not None:
            return True
        return False if self.fresh_until is not None and now <= self.fresh_until else None

    def age(self, now: float) -> float | None:
        """Give the length so far of the outage under way, 0 without one; None when it is not known."""
        if self.began is not None:
            return max(0.0, now - self.began)
        return None if self.under_way(now) is None else 0.0

    def recovery_time(self, now: float) -> float | None:
        """Give the recovery time in seconds (SPEC 7), None when it is not known.

        It grows during an outage, then is the longest that ended within `hold`, then 0.
        """
        if self.began is not None:
            return max(0.0, now - self.began)
        longest = max((length for ended, length in self.past if now - ended <= self.hold), default=0.0)
        # An outage that is remembered stays true while nobody looks; that there was none does not.
        return longest if longest or self.under_way(now) is not None else None

    def _with(self, outage: Outage) -> OutageHistory:
        if outage.ended is None or outage.duration is None:
            return replace(self, began=outage.began.mono)
        over = (outage.ended.mono, max(0.0, outage.duration))
        kept = tuple(past for past in self.past if over[0] - past[0] <= self.hold and past != over)
        return replace(self, began=None, past=(*kept, over))
