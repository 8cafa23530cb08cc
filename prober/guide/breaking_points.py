"""The guide's breaking points: the 43 rows of its tables as data, two gaps as we read them, and who falls where.

Source: "Breaking Points Reference". Figures are in base units: seconds, rates 0..1, requests a second, jobs. `<`
and `>` are strict and ranges include both ends; where two rows share an edge the better one wins, and of two rows
that both match the more specific (SPEC 8). Edges are written as decimals (0.001) and not computed (0.1 / 100), so
that a rate of 1 in 1000 is the edge itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from prober.guide.ranges import Range, above, below, between, exactly, inside
from prober.guide.units import checked, domain
from prober.outcome import Comparison, Measure, Suite, Verdict

RANK: Mapping[Verdict, int] = {verdict: rank for rank, verdict in enumerate(Verdict)}  # 0 is the best
BAD = frozenset({Verdict.WARNING, Verdict.CRITICAL})


@dataclass(frozen=True, slots=True)
class BreakingPoint:
    """One row."""

    suite: Suite
    measure: Measure
    name: str  # as the guide writes it: "p99 Latency"
    row: str  # as the guide writes it: "500-2000ms"
    range: Range
    verdict: Verdict
    action: str
    source: str
    gap: bool = False  # a reading of ours, where the guide's table says nothing


@dataclass(frozen=True, slots=True)
class Band:
    """The figures that in the end fall to one row; the bands of a measure neither overlap nor leave a gap."""

    range: Range
    point: BreakingPoint


@dataclass(frozen=True, slots=True)
class Edge:
    """From here on it is at least this bad: a figure that compares so with `value` has this verdict or worse."""

    verdict: Verdict
    comparison: Comparison
    value: float
    point: BreakingPoint


_E, _G, _W, _C = Verdict.EXCELLENT, Verdict.GOOD, Verdict.WARNING, Verdict.CRITICAL
_Row = tuple[str, Range, Verdict, str]


def _rows(suite: Suite, table: str, measure: Measure, name: str, *rows: _Row) -> tuple[BreakingPoint, ...]:
    source = f"Breaking Points Reference, {table}"
    return tuple(BreakingPoint(suite, measure, name, *row, source) for row in rows)


_WEBHOOK = (Suite.WEBHOOK_LOAD, "Webhook Endpoint Breaking Points")
_RACE = (Suite.VENDOR_RACE, "Vendor Race Condition Breaking Points")
_REDIS = (Suite.REDIS_FAILURE, "Redis Failure Breaking Points")
_DATABASE = (Suite.DB_RESTART, "Database Restart Breaking Points")

GUIDE: tuple[BreakingPoint, ...] = (
    *_rows(
        *_WEBHOOK, Measure.RPS, "RPS",
        ("> 1000", above(1000.0), _E, "N/A"),
        ("500-1000", between(500.0, 1000.0), _G, "Monitor"),
        ("100-500", between(100.0, 500.0), _W, "Optimize"),
        ("< 100", below(100.0), _C, "Immediate action"),
    ),
    *_rows(
        *_WEBHOOK, Measure.LATENCY_P99, "p99 Latency",
        ("< 500ms", below(0.5), _G, "N/A"),
        ("500-2000ms", between(0.5, 2.0), _W, "Database bottleneck"),
        ("> 2000ms", above(2.0), _C, "Severe bottleneck"),
        ("> 5000ms", above(5.0), _C, "Queue saturation"),
    ),
    *_rows(
        *_WEBHOOK, Measure.ERROR_RATE, "Error Rate",
        ("< 0.1%", below(0.001), _G, "N/A"),
        ("0.1-1%", between(0.001, 0.01), _W, "Investigate"),
        ("1-5%", between(0.01, 0.05), _C, "Immediate action"),
        ("> 5%", above(0.05), _C, "System instability"),
    ),
    *_rows(
        *_RACE, Measure.WIN_RATE, "Win Rate",
        ("> 99%", above(0.99), _E, "N/A"),
        ("95-99%", between(0.95, 0.99), _G, "Monitor"),
        ("80-95%", between(0.80, 0.95), _W, "Review constraints"),
        ("< 80%", below(0.80), _C, "Fix locking strategy"),
    ),
    *_rows(
        *_RACE, Measure.RACE_CONDITIONS, "Race Conditions",
        ("0%", exactly(0.0), _E, "N/A"),
        ("0-1%", between(0.0, 0.01), _W, "Investigate"),
        ("> 1%", above(0.01), _C, "Data integrity risk"),
    ),
    *_rows(
        *_RACE, Measure.RACE_TIME, "Race Time",
        ("< 100ms", below(0.1), _E, "N/A"),
        ("100-500ms", between(0.1, 0.5), _G, "N/A"),
        ("500-1000ms", between(0.5, 1.0), _W, "Check DB latency"),
        ("> 1000ms", above(1.0), _C, "Transaction log review"),
    ),
    *_rows(
        *_REDIS, Measure.ERROR_RATE, "Error Rate",
        ("0%", exactly(0.0), _E, "Fallback working"),
        ("1-20%", between(0.01, 0.20), _W, "Partial fallback"),
        ("20-50%", between(0.20, 0.50), _C, "No fallback"),
        ("> 50%", above(0.50), _C, "System unusable"),
    ),
    *_rows(
        *_REDIS, Measure.BACKLOG, "Queue Backlog",
        ("< 100", below(100.0), _G, "N/A"),
        ("100-1000", between(100.0, 1000.0), _W, "Increase workers"),
        ("> 1000", above(1000.0), _C, "Scale workers"),
    ),
    *_rows(
        *_REDIS, Measure.RECOVERY_TIME, "Recovery Time",
        ("< 5s", below(5.0), _E, "N/A"),
        ("5-30s", between(5.0, 30.0), _G, "Acceptable"),
        ("> 30s", above(30.0), _C, "Optimize startup"),
    ),
    *_rows(
        *_DATABASE, Measure.SUCCESS_DURING, "During Failure",
        ("0% success", exactly(0.0), _C, "Implement failover"),
        ("1-10% success", between(0.01, 0.10), _W, "Add caching"),
        ("> 10% success", above(0.10), _G, "Fallback working"),
    ),
    *_rows(
        *_DATABASE, Measure.SUCCESS_AFTER, "Recovery Success",
        ("> 99%", above(0.99), _E, "N/A"),
        ("95-99%", between(0.95, 0.99), _G, "Monitor connections"),
        ("< 95%", below(0.95), _C, "Connection pool issue"),
    ),
    *_rows(
        *_DATABASE, Measure.RECOVERY_TIME, "Recovery Time",
        ("< 5s", below(5.0), _E, "N/A"),
        ("5-10s", between(5.0, 10.0), _G, "Acceptable"),
        ("10-30s", between(10.0, 30.0), _W, "Optimize warmup"),
        ("> 30s", above(30.0), _C, "Add failover"),
    ),
)  # fmt: skip


def _gap(suite: Suite, table: str, measure: Measure, name: str, *row: *_Row) -> BreakingPoint:
    source = f"SPEC 8; the guide's table ({table}) leaves a gap here"
    return BreakingPoint(suite, measure, name, *row, source, gap=True)


# What the tables leave open, and how it is read here.
GAPS: tuple[BreakingPoint, ...] = (
    _gap(*_REDIS, Measure.ERROR_RATE, "Error Rate", "above 0% and under 1%", inside(0.0, 0.01), _G, "Monitor"),
    _gap(
        *_DATABASE, Measure.SUCCESS_DURING, "During Failure",
        "above 0% and under 1% success", inside(0.0, 0.01), _W, "Add caching",
    ),
)  # fmt: skip


@cache
def measures_of(suite: Suite) -> tuple[Measure, ...]:
    """The measures that the suite's table judges, in the order of the table."""
    return tuple(dict.fromkeys(point.measure for point in GUIDE if point.suite is suite))


@cache
def points_of(suite: Suite, measure: Measure) -> tuple[BreakingPoint, ...]:
    """The rows of one measure, the guide's first; LookupError where the suite's table has none."""
    points = tuple(point for point in (*GUIDE, *GAPS) if point.suite is suite and point.measure is measure)
    if not points:
        raise LookupError(f"the guide's table of {suite} has no row for {measure}")
    return points


def read(suite: Suite, measure: Measure, value: float) -> BreakingPoint:
    """The row that a figure falls into; ValueError for a figure that the measure cannot have."""
    points = points_of(suite, measure)
    checked(measure, value)
    matching = [point for point in points if value in point.range]
    specific = [
        point
        for point in matching
        if not any(point.range != other.range and point.range.covers(other.range) for other in matching)
    ]
    return min(specific, key=lambda point: RANK[point.verdict])


@cache
def bands(suite: Suite, measure: Measure) -> tuple[Band, ...]:
    """The whole domain of the measure, cut into the figures of each row; from low to high."""
    found: list[Band] = []
    for piece, value in _pieces(suite, measure):
        point = read(suite, measure, value)
        if found and found[-1].point is point:
            last = found.pop().range
            piece = Range(last.low, piece.high, last.with_low, piece.with_high)
        found.append(Band(piece, point))
    return tuple(found)


def _pieces(suite: Suite, measure: Measure) -> list[tuple[Range, float]]:
    """Every edge, and every stretch between two, each with a figure out of it."""
    whole = domain(measure)
    cuts = {edge for point in points_of(suite, measure) for edge in point.range.ends if edge in whole}
    marks = [*sorted(cuts | set(whole.ends)), *([math.inf] if whole.high == math.inf else [])]
    pieces: list[tuple[Range, float]] = []
    for low, high in zip(marks, [*marks[1:], None], strict=True):
        if low in whole:
            pieces.append((exactly(low), low))
        if high is not None:
            pieces.append((inside(low, high), low + 1.0 if high == math.inf else (low + high) / 2))
    return pieces


@cache
def edges(measure: Measure, suite: Suite) -> tuple[Edge, ...]:
    """Where it gets worse, from the mildest edge to the worst, as numbers for alerts and dashboards."""
    parts = bands(suite, measure)
    if RANK[parts[0].point.verdict] <= RANK[parts[-1].point.verdict]:
        return tuple(
            Edge(
                band.point.verdict,
                Comparison.AT_LEAST if band.range.with_low else Comparison.ABOVE,
                band.range.low,
                band.point,
            )
            for band in parts[1:]
        )
    return tuple(
        Edge(
            band.point.verdict,
            Comparison.AT_MOST if band.range.with_high else Comparison.BELOW,
            band.range.high,
            band.point,
        )
        for band in reversed(parts[:-1])
    )


def worst(verdicts: list[Verdict]) -> Verdict | None:
    """The worst of them; None for none."""
    return max(verdicts, key=RANK.__getitem__, default=None)
