"""Whether an accepted webhook had its effect in time, is late, or is lost. Not known is not lost.

What is older than `orphan_age` may be removed by anybody's sweep, rows and mark together: that its effect is not
there proves nothing any more, unless its mark stands.

The deadline runs on *service time*: seconds during which both Redis and the database were up by our own
probes. What stood still with an outage is late because of it and not lost; a loss is what a working system
did not do within `processing_deadline`.
"""

from __future__ import annotations

from dataclasses import dataclass

from prober.outcome import Settlement

# A message that was called lost is looked for this much longer (seconds), then its rows are removed for good.
LOOKED_FOR = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What the database said of one message: how many effects, and whether its processing is done.

    `mark_gone`: it was looked for after the effect, and is not there.
    """

    effects: int
    done: bool
    mark_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How long a message has been waited for, in seconds since its answer.

    `elapsed` by the clock; `service_time` without the outages; `absent_until` is when (elapsed) the database
    last said that the effect was not there yet, None if it never could be asked before. `age` is since the message
    was made, and `marked` says that its mark is known to have been written. `ours`: no other replica may have
    removed its rows.
    """

    elapsed: float
    service_time: float
    absent_until: float | None
    age: float = 0.0
    marked: bool = False
    ours: bool = True


@dataclass(frozen=True, slots=True)
class LossVerdict:
    """How the wait ended, and why in a sentence."""

    settlement: Settlement
    sentence: str


def overdue(waited: Waited, seen: Sighting, *, deadline: float, already_lost: bool) -> bool:
    """Whether the effect should be there and is not: before anything is said the mark has to be looked for."""
    return not seen.done and not already_lost and waited.service_time >= deadline


def settle(
    waited: Waited, seen: Sighting | None, *, deadline: float, orphan_age: float, already_lost: bool
) -> LossVerdict | None:
    """Decide on one message; None means: go on waiting.

    `seen` is None when the database could not be asked just now. `already_lost` says that it has been called
    lost before, so that an effect found now corrects that.
    """
    if seen is None:
        return None
    if seen.done:
        return _found(waited, deadline, already_lost)
    if not overdue(waited, seen, deadline=deadline, already_lost=already_lost):
        return None
    if not waited.ours:
        return LossVerdict(
            Settlement.NOT_KNOWN,
            f"no effect after {waited.elapsed:.1f} s, but the lease has passed meanwhile: whoever holds it may "
            "have removed the rows",
        )
    if seen.mark_gone and (waited.marked or waited.age > orphan_age):
        return LossVerdict(
            Settlement.NOT_KNOWN,
            f"accepted, but when its effect was looked for after {waited.elapsed:.1f} s its mark was gone too: "
            "a sweep may have removed both",
        )
    return LossVerdict(
        Settlement.LOST,
        f"accepted, but no effect after {waited.elapsed:.1f} s ({waited.service_time:.1f} s of them with "
        f"Redis and the database up; allowed {deadline:g} s)",
    )


def _found(waited: Waited, deadline: float, already_lost: bool) -> LossVerdict:
    if already_lost:
        return LossVerdict(
            Settlement.LATE,
            f"called lost, but its effect appeared after {waited.elapsed:.1f} s (allowed {deadline:g} s)",
        )
    if waited.elapsed > deadline and waited.absent_until is None:
        return LossVerdict(
            Settlement.NOT_KNOWN,
            f"its effect was there when the database could be asked, {waited.elapsed:.1f} s after the answer; "
            "when it appeared is not known",
        )
    if waited.elapsed > deadline:
        return LossVerdict(
            Settlement.LATE,
            f"its effect appeared between {waited.absent_until or 0:.1f} and {waited.elapsed:.1f} s after the "
            f"answer (allowed {deadline:g} s; an outage lay in between)",
        )
    return LossVerdict(Settlement.DONE, f"its effect was there {waited.elapsed:.3f} s after the answer")
