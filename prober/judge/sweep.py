"""What a sweep may remove: never a run in flight, never what a living prober follows, never evidence too early.

Ages are seconds by the database's own clock where something of ours has a mark there.
"""

from __future__ import annotations

from dataclasses import dataclass

from prober.outcome import Leftover

# A run that hangs is cut off half a minute after its timeout, and then removes what it made (seconds).
BESIDE_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How old (seconds) something is before it may go.

    `in_flight`: what is older than that cannot belong to a run in flight. `deadline`: a message that may have
    reached the target is processed by then. `orphan_age`: whoever made it does not come back for it.
    """

    in_flight: float
    deadline: float
    orphan_age: float

    @classmethod
    def of(cls, *, longest_timeout: float, deadline: float, orphan_age: float) -> Limits:
        """From what the config says."""
        return cls(in_flight=longest_timeout + BESIDE_TIMEOUT, deadline=deadline, orphan_age=orphan_age)

    def widened(self, other: Limits) -> Limits:
        """The longer ones: after a reload something that began under the ones before may be under way."""
        return Limits(
            in_flight=max(self.in_flight, other.in_flight),
            deadline=max(self.deadline, other.deadline),
            orphan_age=max(self.orphan_age, other.orphan_age),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is known of something of ours in the target.

    `own`: of this instance. `dead`: its run ended without removing it, as our journal and the lock on it tell.
    `followed`: a prober that lives will see to it. `evidence`: a message that was accepted, and what became of it
    is not settled yet.
    """

    kind: Leftover
    own: bool
    age: float
    dead: bool = False
    followed: bool = False
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class SweepVerdict:
    """Whether it may go, and why in words that follow its name."""

    goes: bool
    why: str


def may_go(trace: Trace, limits: Limits) -> SweepVerdict:
    """Decide on one thing."""
    if trace.followed:
        return SweepVerdict(False, "followed by a prober that runs")
    if trace.age > limits.orphan_age:
        return SweepVerdict(True, "older than orphan_age")
    if not trace.own:
        return SweepVerdict(False, "of another prober, which may be alive")
    if trace.kind is Leftover.MESSAGES:
        return _message_may_go(trace, limits)
    if trace.dead:
        return SweepVerdict(True, "of a run that is dead")
    if trace.age > limits.in_flight:
        return SweepVerdict(True, "older than any run")
    return SweepVerdict(False, "perhaps of a run in flight")


def _message_may_go(trace: Trace, limits: Limits) -> SweepVerdict:
    if trace.evidence:
        return SweepVerdict(False, "accepted and not settled: the next start decides whether it was lost")
    # A claim that is gone before the target has looked for it would be none, and what is still on its way would
    # leave its rows after we had removed them: death of the run alone is not enough.
    alive = 0.0 if trace.dead else limits.in_flight
    if trace.age > alive + limits.deadline:
        return SweepVerdict(True, "of a run that is dead" if trace.dead else "older than any run")
    return SweepVerdict(False, "perhaps still on its way through the target")
