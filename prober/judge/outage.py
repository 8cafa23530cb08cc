"""The outage state machine of one service: `up → failing → down → recovering → up`, a pure function.

Three facts drive it: a run of the probe ended, the connection held open closed, a good run found another
server identity than before. Out come the next tracking value and the changes to publish, each with a
sentence that says what was decided and why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from prober.clock import Instant
from prober.event import Outage, OutageChanged
from prober.outcome import OutageState, Outcome, ProbeName

# What says nothing about whether the service is up: the target limits our rate, or our own role, password or
# schema is not right. Such a run is no success, but it must not page for an outage either.
INCONCLUSIVE = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.AUTH,
        Outcome.DENIED,
        Outcome.MISSING_SCHEMA,
        Outcome.FORGED_ACCEPTED,
        Outcome.SETUP_FAILED,
        Outcome.NOT_KNOWN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One run of the probe, as the state machine sees it.

    `restarted` says that this good run found another server than the one before (run_id, start time).
    """

    sent: Instant
    answered: Instant
    outcome: Outcome
    detail: str = ""
    restarted: bool = False

    @property
    def ok(self) -> bool:
        """Whether the service did what was asked."""
        return self.outcome is Outcome.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What is known of one service between two facts.

    `closed` is a connection that closed while all seemed well: a suspicion, not yet an outage. `first_good`
    and `successes` belong to the streak of good runs under way while recovering.
    """

    probe: ProbeName
    state: OutageState = OutageState.UP
    outage: Outage | None = None
    closed: Instant | None = None
    first_good: Instant | None = None
    successes: int = 0
    last_bad: Instant | None = None
    last_good: Instant | None = None

    @property
    def urgent(self) -> bool:
        """Whether to probe at `down_interval` now."""
        return self.state is not OutageState.UP or self.closed is not None


Step = tuple[Tracking, tuple[OutageChanged, ...]]


def connection_closed(tracking: Tracking, at: Instant) -> Step:
    """Take note of a connection that closed; whether that is an outage the next run will tell.

    A server that is still the same one has merely dropped a connection, and that is no outage.
    """
    if tracking.state is not OutageState.UP or tracking.closed is not None:
        return tracking, ()
    return replace(tracking, closed=at), ()


def observe(tracking: Tracking, seen: Observation, *, recovery_successes: int) -> Step:
    """Take one run of the probe into account."""
    if seen.outcome in INCONCLUSIVE:
        return replace(tracking, closed=None), ()
    if seen.ok:
        return _good(tracking, seen, recovery_successes)
    return _bad(tracking, seen)


def given_up(tracking: Tracking, at: Instant) -> Step:
    """Watch the service no longer, from `at` on: of an outage under way nobody will see the end.

    The outage in the next tracking value has ended by then, since when is not known; the change that is published
    carries none, so that its length is not taken for one that was measured.
    """
    if tracking.outage is None:
        return Tracking(probe=tracking.probe), ()
    began = tracking.outage.began
    seen_down = tracking.last_bad or began
    ended = replace(
        tracking.outage,
        ended=at,
        uncertainty=max(0.0, at.mono - seen_down.mono),
        detail=f"{tracking.outage.detail}; not watched to its end",
    )
    sentence = (
        f"{tracking.probe}: not watched any more; down for at least {seen_down.mono - began.mono:.3f} s, "
        "and nobody sees the end"
    )
    change = OutageChanged(probe=tracking.probe, state=OutageState.UP, at=at, outage=None, sentence=sentence)
    return Tracking(probe=tracking.probe, outage=ended), (change,)


def _bad(tracking: Tracking, seen: Observation) -> Step:
    outage = tracking.outage
    if outage is None:
        began = _earlier(tracking.closed, seen.sent)
        outage = Outage(
            id=outage_id(tracking.probe, began),
            probe=tracking.probe,
            began=began,
            cause=seen.outcome,
            detail=seen.detail,
        )
        state = OutageState.FAILING
        why = "the connection closed and" if tracking.closed is not None else "all was well until"
        sentence = f"{tracking.probe}: {why} a probe failed ({_said(seen)})"
    else:
        outage = replace(outage, failures=outage.failures + 1)
        state = OutageState.DOWN
        sentence = f"{tracking.probe}: still failing after {outage.failures} probes ({_said(seen)})"
        if tracking.state is OutageState.RECOVERING:
            sentence = f"{tracking.probe}: failed again after {tracking.successes} good probes ({_said(seen)})"
    after = replace(
        tracking,
        state=state,
        outage=outage,
        closed=None,
        first_good=None,
        successes=0,
        last_bad=seen.sent,
    )
    return after, _changed(tracking, after, seen.answered, sentence)


def _good(tracking: Tracking, seen: Observation, recovery_successes: int) -> Step:
    opening: tuple[OutageChanged, ...] = ()
    outage = tracking.outage
    if outage is None:
        if not seen.restarted:
            return replace(tracking, closed=None, last_good=seen.answered), ()
        outage = _short_restart(tracking, seen)
        opening = (_answers_again(outage, seen, "restarted between two probes, answers again"),)
    first_good = tracking.first_good or seen.answered
    after = replace(
        tracking,
        state=OutageState.RECOVERING,
        outage=outage,
        closed=None,
        first_good=first_good,
        successes=tracking.successes + 1,
        last_good=seen.answered,
    )
    if not opening and tracking.state is not OutageState.RECOVERING:
        opening = (_answers_again(outage, seen, f"answers again, 1 of {recovery_successes} good probes"),)
    if after.successes < recovery_successes:
        return after, opening
    # It was still down when the last bad probe was sent; without one, it went and came back unseen.
    last_seen_down = tracking.last_bad or outage.began
    gap = max(0.0, first_good.mono - last_seen_down.mono)
    ended = replace(outage, ended=first_good, uncertainty=gap)
    sentence = f"{outage.probe}: up again after {ended.duration:.3f} s (known to within {gap:.3f} s)"
    up = OutageChanged(probe=outage.probe, state=OutageState.UP, at=seen.answered, outage=ended, sentence=sentence)
    return Tracking(probe=outage.probe, last_good=seen.answered), (*opening, up)


def _short_restart(tracking: Tracking, seen: Observation) -> Outage:
    """Tell of an outage that no probe saw failing: the server is another one than before."""
    began = tracking.closed or tracking.last_good or seen.sent
    return Outage(
        id=outage_id(tracking.probe, began),
        probe=tracking.probe,
        began=began,
        cause=Outcome.CLOSED,
        detail="the server restarted between two probes",
        failures=0,
    )


def _answers_again(outage: Outage, seen: Observation, what: str) -> OutageChanged:
    return OutageChanged(
        probe=outage.probe,
        state=OutageState.RECOVERING,
        at=seen.answered,
        outage=outage,
        sentence=f"{outage.probe}: {what}",
    )


def outage_id(probe: ProbeName, began: Instant) -> str:
    """Name an outage by its probe and the wall time it began, in milliseconds."""
    return f"{probe}-{int(began.wall * 1000)}"


def _earlier(closed: Instant | None, sent: Instant) -> Instant:
    return sent if closed is None or sent.mono < closed.mono else closed


def _said(seen: Observation) -> str:
    return f"{seen.outcome}: {seen.detail}" if seen.detail else str(seen.outcome)


def _changed(before: Tracking, after: Tracking, at: Instant, sentence: str) -> tuple[OutageChanged, ...]:
    """Publish only what changed the state; a hundred failing probes are one outage."""
    if before.state is after.state:
        return ()
    return (OutageChanged(probe=after.probe, state=after.state, at=at, outage=after.outage, sentence=sentence),)
