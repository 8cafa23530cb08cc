"""Whether an accepted webhook had its effect in time, is late, or is lost. Not known is not lost.

The deadline runs on *service time*: seconds during which both Redis and the database were up by our own
probes. What stood still with an outage is late because of it and not lost; a loss is what a working system
did not do within `processing_deadline`.
"""

from __future__ import annotations

from dataclasses import dataclass

from prober.outcome import Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What the database said of one message: how many effects, and whether its processing is done."""

    effects: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """How long a message has been waited for, in seconds since its answer.

    `elapsed` by the clock; `service_time` without the outages; `absent_until` is when (elapsed) the database
    last said that the effect was not there yet, None if it never could be asked before. `ours`: no other replica
    may have removed its rows.
    """

    elapsed: float
    service_time: float
    absent_until: float | None
    ours: bool = True


@dataclass(frozen=True, slots=True)
class LossVerdict:
    """How the wait ended, and why in a sentence."""

    settlement: Settlement
    sentence: str


def settle(waited: Waited, seen: Sighting | None, *, deadline: float, already_lost: bool) -> LossVerdict | None:
    """Decide on one message; None means: go on waiting.

    `seen` is None when the database could not be asked just now. `already_lost` says that it has been called
    lost before, so that an effect found now corrects that.
    """
    if seen is None:
        return None
    if seen.done:
        return _found(waited, deadline, already_lost)
    if already_lost or waited.service_time < deadline:
        return None
    if not waited.ours:
        return LossVerdict(
            Settlement.NOT_KNOWN,
            f"no effect after {waited.elapsed:.1f} s, but the lease has passed meanwhile: whoever holds it may "
            "have removed the rows",
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
