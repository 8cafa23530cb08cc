"""What each measure is counted in, and which figures it can have."""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.ranges import Range, at_least, between
from prober.outcome import Measure, Unit

UNITS: Mapping[Measure, Unit] = {
    Measure.RPS: Unit.PER_SECOND,
    Measure.LATENCY_P95: Unit.SECONDS,
    Measure.LATENCY_P99: Unit.SECONDS,
    Measure.ERROR_RATE: Unit.RATE,
    Measure.WIN_RATE: Unit.RATE,
    Measure.RACE_CONDITIONS: Unit.RATE,
    Measure.RACE_TIME: Unit.SECONDS,
    Measure.BACKLOG: Unit.JOBS,
    Measure.RECOVERY_TIME: Unit.SECONDS,
    Measure.SUCCESS_DURING: Unit.RATE,
    Measure.SUCCESS_AFTER: Unit.RATE,
    Measure.ROLLBACKS: Unit.RATE,
    Measure.DATABASE_P99: Unit.SECONDS,
    Measure.QUEUE_P99: Unit.SECONDS,
    Measure.CACHE_MISS_P99: Unit.SECONDS,
    Measure.TYPICAL_WAIT_DURING: Unit.SECONDS,
    Measure.WAIT_DURING: Unit.SECONDS,
    Measure.NOT_KEPT_DURING: Unit.RATE,
}


def domain(measure: Measure) -> Range:
    """Every figure that the measure can have: rates 0..1, everything else from 0 on, finite."""
    return between(0.0, 1.0) if UNITS[measure] is Unit.RATE else at_least(0.0)


def checked(measure: Measure, value: float) -> float:
    """The figure itself; ValueError for one that this measure cannot have: whoever measured it is at fault."""
    if value not in domain(measure):
        expected = "0 to 1" if UNITS[measure] is Unit.RATE else "a finite number from 0 on"
        raise ValueError(f"{measure}: expected {expected} ({UNITS[measure]}), got {value!r}")
    return value
