"""How often what measures no recovery is asked of a target in trouble: less and less, until it answers well.

It counts turns of the schedule and no time: of a probe in trouble every second turn is run, then every fourth,
then every eighth, but it is never
stretched beyond `LONGEST` seconds. Pure: a turn or a run goes in, a state comes
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prober.outcome import Outcome, ProbeName, RaceOutcome
from prober.result import RaceResult, Result

MOST_FOLD = 8
LONGEST = 600.0  # seconds

# What measures how long a recovery takes is asked at its own pace, whatever the trouble.
RECOVERY_PROBES = frozenset({ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED, ProbeName.WEBHOOK})
_RACE_TROUBLE = frozenset({RaceOutcome.UNAVAILABLE, RaceOutcome.SETUP_FAILED, RaceOutcome.RATE_LIMITED})


@dataclass(frozen=True, slots=True)
class Backoff:
    """`fold`: only every `fold`-th turn is run. `to_skip`: how many are still left out before the next run."""

    fold: int = 1
    to_skip: int = 0


def turn(backoff: Backoff) -> tuple[Backoff, bool]:
    """One turn of the schedule has come: the state after it, and whether to run."""
    if backoff.to_skip <= 0:
        return backoff, True
    return replace(backoff, to_skip=backoff.to_skip - 1), False


def after_run(backoff: Backoff, *, trouble: bool, interval: float) -> Backoff:
    """The state after a run: stretched once more in trouble, at once back to normal without."""
    if not trouble:
        return Backoff()
    most = max(1, min(MOST_FOLD, int(LONGEST // interval)))
    fold = min(2 * backoff.fold, most)
    return Backoff(fold=fold, to_skip=fold - 1)


def in_trouble(result: Result, down: Mapping[ProbeName, object]) -> bool:
    """Whether a result says that the target is in trouble, or its webhook path is down by our own probes.

    A page that answers with the wrong status answers: that is somebody's mistake, and no sign of weakness.
    """
    if ProbeName.WEBHOOK in down:
        return True
    if isinstance(result, RaceResult):
        return result.race_outcome in _RACE_TROUBLE
    return result.outcome not in (Outcome.OK, Outcome.UNEXPECTED_STATUS)
