"""Whether a violation that was found pages, is known, or is over. All times are Unix seconds."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from prober.clock import Instant
from prober.event import StandingViolation, ViolationFound, ViolationsStand
from prober.outcome import Standing, Violation

# So many of each kind are counted, the newest. Only an acknowledged kind that is found for days on end has more.
MOST_OF_A_KIND = 2_000
# So many of each kind are told with their sentences, of those that are open and of those that are known.
NEWEST_OF_A_KIND = 3
# What is over is kept for so long (seconds): an acknowledgement made just before that end is read just after it.
GRACE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """An acknowledgement: `what`, the id of a violation or a kind, does not page from `began` to `ends`."""

    what: str
    began: float
    ends: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one violation if nothing else happens: known, then open, then over."""

    known_until: float = -math.inf
    open_until: float
    reason: str = ""

    def standing(self, now: float) -> Standing:
        """What it is at `now`."""
        if now < self.known_until:
            return Standing.KNOWN
        return Standing.OPEN if now < self.open_until else Standing.OVER

    def changes(self, now: float) -> float:
        """When it will be something else than it is at `now`; infinity: never."""
        return next((moment for moment in (self.known_until, self.open_until) if now < moment), math.inf)


def fate(last_seen: float, suspensions: Iterable[Suspension], hold: float) -> Fate:
    """Say what becomes of a violation under the acknowledgements of it and of its kind.

    It is open for `hold` seconds after it was last seen. An acknowledgement made in that time suspends it; when
    that has ended it is open for `hold` seconds once more, or an acknowledgement would be a way to forget.
    One that came when it was over already does not bring it back.
    """
    known_until, open_until, reason = -math.inf, last_seen + hold, ""
    for one in sorted(suspensions, key=lambda one: one.began):
        if one.began > open_until:
            break
        if one.ends > known_until:
            known_until, reason = one.ends, one.reason
        open_until = max(open_until, one.ends + hold)
    return Fate(known_until=known_until, open_until=open_until, reason=reason)


def renewed(before: Suspension | None, after: Suspension, hold: float) -> Suspension:
    """Let an acknowledgement that takes the place of another cover what that one covered.

    Without this, renewing one of a month ago would come too late for a violation of that time.
    """
    if before is None or after.began > before.ends + hold:
        return after
    return replace(after, began=min(before.began, after.began))


_OfKind = dict[str, tuple[ViolationFound, Fate]]  # by id, in the order in which they were found


class StandingViolations:
    """The violations that are open or known. Nothing in it reads a clock."""

    def __init__(
        self, hold: float, found: Iterable[ViolationFound] = (), suspensions: Sequence[Suspension] = ()
    ) -> None:
        self._hold = hold
        self._suspensions: Mapping[str, list[Suspension]] = {}
        self._found: dict[Violation, _OfKind] = {kind: {} for kind in Violation}
        self.suspend(suspensions)
        for violation in found:
            self.find(violation)

    def find(self, violation: ViolationFound) -> None:
        """Take one in that was found, or found again."""
        of_kind = self._found[violation.kind]
        before = of_kind.pop(violation.id, None)
        if before is not None and before[0].at.wall > violation.at.wall:
            violation = before[0]
        of_kind[violation.id] = (violation, self._fate(violation))
        if len(of_kind) > MOST_OF_A_KIND:
            del of_kind[next(iter(of_kind))]

    def suspend(self, suspensions: Sequence[Suspension]) -> None:
        """Judge all anew under these acknowledgements; they take the place of all before."""
        by_what: dict[str, list[Suspension]] = {}
        for one in suspensions:
            by_what.setdefault(one.what, []).append(one)
        self._suspensions = by_what
        self._judge_anew()

    def _judge_anew(self) -> None:
        for of_kind in self._found.values():
            for id_, (violation, _) in of_kind.items():
                of_kind[id_] = (violation, self._fate(violation))

    def hold_for(self, hold: float) -> None:
        """Judge all anew with another hold (seconds); what was over by the one before stays over."""
        self._hold = hold
        self._judge_anew()

    def stand(self, now: Instant) -> ViolationsStand:
        """What pages and what is known at `now`."""
        counts: dict[Standing, Counter[Violation]] = {standing: Counter() for standing in Standing}
        newest: list[StandingViolation] = []
        for kind, of_kind in self._found.items():
            by_standing = self._by_standing(of_kind, now.wall)
            for standing in (Standing.OPEN, Standing.KNOWN):
                if found := by_standing[standing]:
                    counts[standing][kind] = len(found)
                    newest += [
                        StandingViolation(
                            found=violation, standing=standing, until_wall=its.changes(now.wall), reason=its.reason
                        )
                        for violation, its in heapq.nlargest(NEWEST_OF_A_KIND, found, key=_last_seen)
                    ]
        return ViolationsStand(
            at=now,
            open=dict(counts[Standing.OPEN]),
            known=dict(counts[Standing.KNOWN]),
            newest=tuple(sorted(newest, key=lambda one: one.found.at.wall, reverse=True)),
        )

    def next_change(self, now: float) -> float:
        """When the stand will be another by the passing of time alone; infinity: never."""
        fates = (its for of_kind in self._found.values() for _, its in of_kind.values())
        return min((its.changes(now) for its in fates), default=math.inf)

    def _by_standing(self, of_kind: _OfKind, now: float) -> dict[Standing, list[tuple[ViolationFound, Fate]]]:
        by_standing: dict[Standing, list[tuple[ViolationFound, Fate]]] = {standing: [] for standing in Standing}
        for id_, (violation, its) in list(of_kind.items()):
            if now >= its.open_until + GRACE:
                del of_kind[id_]
            else:
                by_standing[its.standing(now)].append((violation, its))
        return by_standing

    def _fate(self, violation: ViolationFound) -> Fate:
        suspensions = (*self._suspensions.get(violation.id, ()), *self._suspensions.get(violation.kind, ()))
        return fate(violation.at.wall, suspensions, self._hold)


def _last_seen(one: tuple[ViolationFound, Fate]) -> float:
    return one[0].at.wall
