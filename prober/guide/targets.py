"""The guide's thirteen production targets as data, each met or missed.

Source: "Performance Benchmarks (Target)", "Production Targets". `500+` means at least 500, `100%` and `0%` exactly
that; the others are strict.
"""

from __future__ import annotations

from dataclasses import dataclass

from prober.guide.figures import Figures
from prober.guide.judgement import TargetVerdict
from prober.guide.ranges import Range, above, at_least, at_most, below
from prober.outcome import Measure, Suite


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the guide's list."""

    suite: Suite
    measure: Measure
    text: str  # as the guide writes it
    range: Range
    group: str  # the guide's heading

    @property
    def source(self) -> str:
        """Where the guide says it."""
        return f"Production Targets, {self.group}"


_WEBHOOK = "Webhook Endpoint"
_RACE = "Vendor Race"
_REDIS = "Redis Failure Resilience"
_DATABASE = "Database Restart"

TARGETS: tuple[Target, ...] = (
    Target(Suite.WEBHOOK_LOAD, Measure.RPS, "500+ RPS sustained", at_least(500.0), _WEBHOOK),
    Target(Suite.WEBHOOK_LOAD, Measure.LATENCY_P95, "p95 latency < 200ms", below(0.2), _WEBHOOK),
    Target(Suite.WEBHOOK_LOAD, Measure.LATENCY_P99, "p99 latency < 500ms", below(0.5), _WEBHOOK),
    Target(Suite.WEBHOOK_LOAD, Measure.ERROR_RATE, "Error rate < 0.1%", below(0.001), _WEBHOOK),
    Target(Suite.VENDOR_RACE, Measure.WIN_RATE, "100% win rate accuracy", at_least(1.0), _RACE),
    Target(Suite.VENDOR_RACE, Measure.RACE_TIME, "< 100ms average race time", below(0.1), _RACE),
    Target(Suite.VENDOR_RACE, Measure.RACE_CONDITIONS, "0% race conditions", at_most(0.0), _RACE),
    Target(Suite.REDIS_FAILURE, Measure.ERROR_RATE, "< 1% error rate during outage", below(0.01), _REDIS),
    Target(Suite.REDIS_FAILURE, Measure.BACKLOG, "Queue backlog < 100 during outage", below(100.0), _REDIS),
    Target(Suite.REDIS_FAILURE, Measure.RECOVERY_TIME, "Recovery time < 5 seconds", below(5.0), _REDIS),
    Target(Suite.DB_RESTART, Measure.SUCCESS_AFTER, "> 99% recovery success", above(0.99), _DATABASE),
    Target(Suite.DB_RESTART, Measure.RECOVERY_TIME, "Recovery time < 10 seconds", below(10.0), _DATABASE),
    Target(Suite.DB_RESTART, Measure.ROLLBACKS, "0% transaction rollbacks", at_most(0.0), _DATABASE),
)


def answer_targets(suite: Suite, figures: Figures) -> tuple[TargetVerdict, ...]:
    """The suite's targets, in the guide's order."""
    return tuple(_answer(target, figures) for target in TARGETS if target.suite is suite)


def _answer(target: Target, figures: Figures) -> TargetVerdict:
    value = figures.judged(target.measure)
    return TargetVerdict(
        measure=target.measure,
        text=target.text,
        value=figures.measured(target.measure),
        met=None if value is None else value in target.range,
        source=target.source,
        why_not=figures.why_not(target.measure),
    )
