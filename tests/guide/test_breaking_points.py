"""Every row on both sides of each of its edges and on it; and every figure falls to exactly one row."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.guide.breaking_points import GAPS, GUIDE, RANK, BreakingPoint, bands, edges, measures_of, read, worst
from prober.guide.units import UNITS, domain
from prober.outcome import Comparison, Measure, Suite, Unit, Verdict

LOAD, RACE, REDIS, DATABASE = Suite.WEBHOOK_LOAD, Suite.VENDOR_RACE, Suite.REDIS_FAILURE, Suite.DB_RESTART
REDIS_GAP = "above 0% and under 1%"
DATABASE_GAP = "above 0% and under 1% success"

# suite, measure, edge, and the rows just below it, on it, and just above it; None: the measure ends there.
EDGES: list[tuple[Suite, Measure, float, str | None, str, str | None]] = [
    (LOAD, Measure.RPS, 0.0, None, "< 100", "< 100"),
    (LOAD, Measure.RPS, 100.0, "< 100", "100-500", "100-500"),
    (LOAD, Measure.RPS, 500.0, "100-500", "500-1000", "500-1000"),
    (LOAD, Measure.RPS, 1000.0, "500-1000", "500-1000", "> 1000"),
    (LOAD, Measure.LATENCY_P99, 0.0, None, "< 500ms", "< 500ms"),
    (LOAD, Measure.LATENCY_P99, 0.5, "< 500ms", "500-2000ms", "500-2000ms"),
    (LOAD, Measure.LATENCY_P99, 2.0, "500-2000ms", "500-2000ms", "> 2000ms"),
    (LOAD, Measure.LATENCY_P99, 5.0, "> 2000ms", "> 2000ms", "> 5000ms"),
    (LOAD, Measure.ERROR_RATE, 0.0, None, "< 0.1%", "< 0.1%"),
    (LOAD, Measure.ERROR_RATE, 0.001, "< 0.1%", "0.1-1%", "0.1-1%"),
    (LOAD, Measure.ERROR_RATE, 0.01, "0.1-1%", "0.1-1%", "1-5%"),
    (LOAD, Measure.ERROR_RATE, 0.05, "1-5%", "1-5%", "> 5%"),
    (LOAD, Measure.ERROR_RATE, 1.0, "> 5%", "> 5%", None),
    (RACE, Measure.WIN_RATE, 0.0, None, "< 80%", "< 80%"),
    (RACE, Measure.WIN_RATE, 0.80, "< 80%", "80-95%", "80-95%"),
    (RACE, Measure.WIN_RATE, 0.95, "80-95%", "95-99%", "95-99%"),
    (RACE, Measure.WIN_RATE, 0.99, "95-99%", "95-99%", "> 99%"),
    (RACE, Measure.WIN_RATE, 1.0, "> 99%", "> 99%", None),
    (RACE, Measure.RACE_CONDITIONS, 0.0, None, "0%", "0-1%"),
    (RACE, Measure.RACE_CONDITIONS, 0.01, "0-1%", "0-1%", "> 1%"),
    (RACE, Measure.RACE_CONDITIONS, 1.0, "> 1%", "> 1%", None),
    (RACE, Measure.RACE_TIME, 0.0, None, "< 100ms", "< 100ms"),
    (RACE, Measure.RACE_TIME, 0.1, "< 100ms", "100-500ms", "100-500ms"),
    (RACE, Measure.RACE_TIME, 0.5, "100-500ms", "100-500ms", "500-1000ms"),
    (RACE, Measure.RACE_TIME, 1.0, "500-1000ms", "500-1000ms", "> 1000ms"),
    (REDIS, Measure.ERROR_RATE, 0.0, None, "0%", REDIS_GAP),
    (REDIS, Measure.ERROR_RATE, 0.01, REDIS_GAP, "1-20%", "1-20%"),
    (REDIS, Measure.ERROR_RATE, 0.20, "1-20%", "1-20%", "20-50%"),
    (REDIS, Measure.ERROR_RATE, 0.50, "20-50%", "20-50%", "> 50%"),
    (REDIS, Measure.ERROR_RATE, 1.0, "> 50%", "> 50%", None),
    (REDIS, Measure.BACKLOG, 0.0, None, "< 100", "< 100"),
    (REDIS, Measure.BACKLOG, 100.0, "< 100", "100-1000", "100-1000"),
    (REDIS, Measure.BACKLOG, 1000.0, "100-1000", "100-1000", "> 1000"),
    (REDIS, Measure.RECOVERY_TIME, 0.0, None, "< 5s", "< 5s"),
    (REDIS, Measure.RECOVERY_TIME, 5.0, "< 5s", "5-30s", "5-30s"),
    (REDIS, Measure.RECOVERY_TIME, 30.0, "5-30s", "5-30s", "> 30s"),
    (DATABASE, Measure.SUCCESS_DURING, 0.0, None, "0% success", DATABASE_GAP),
    (DATABASE, Measure.SUCCESS_DURING, 0.01, DATABASE_GAP, "1-10% success", "1-10% success"),
    (DATABASE, Measure.SUCCESS_DURING, 0.10, "1-10% success", "1-10% success", "> 10% success"),
    (DATABASE, Measure.SUCCESS_DURING, 1.0, "> 10% success", "> 10% success", None),
    (DATABASE, Measure.SUCCESS_AFTER, 0.0, None, "< 95%", "< 95%"),
    (DATABASE, Measure.SUCCESS_AFTER, 0.95, "< 95%", "95-99%", "95-99%"),
    (DATABASE, Measure.SUCCESS_AFTER, 0.99, "95-99%", "95-99%", "> 99%"),
    (DATABASE, Measure.SUCCESS_AFTER, 1.0, "> 99%", "> 99%", None),
    (DATABASE, Measure.RECOVERY_TIME, 0.0, None, "< 5s", "< 5s"),
    (DATABASE, Measure.RECOVERY_TIME, 5.0, "< 5s", "5-10s", "5-10s"),
    (DATABASE, Measure.RECOVERY_TIME, 10.0, "5-10s", "5-10s", "10-30s"),
    (DATABASE, Measure.RECOVERY_TIME, 30.0, "10-30s", "10-30s", "> 30s"),
]

JUDGED = [(suite, measure) for suite in Suite for measure in measures_of(suite)]
HOLDS: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.BELOW: lambda value, edge: value < edge,
    Comparison.AT_MOST: lambda value, edge: value <= edge,
    Comparison.ABOVE: lambda value, edge: value > edge,
    Comparison.AT_LEAST: lambda value, edge: value >= edge,
}


@pytest.mark.parametrize(("suite", "measure", "edge", "below", "on", "above"), EDGES)
def test_a_figure_below_on_and_above_an_edge(
    suite: Suite, measure: Measure, edge: float, below: str | None, on: str, above: str | None
) -> None:
    assert read(suite, measure, edge).row == on
    for value, row in ((math.nextafter(edge, -math.inf), below), (math.nextafter(edge, math.inf), above)):
        if row is None:
            with pytest.raises(ValueError, match=measure):
                read(suite, measure, value)
        else:
            assert read(suite, measure, value).row == row


def test_the_table_above_has_every_edge_of_every_row_and_reaches_every_row() -> None:
    tested = {(suite, measure, edge) for suite, measure, edge, *_ in EDGES}
    ends = {(each.suite, each.measure, end) for each in (*GUIDE, *GAPS) for end in each.range.ends}
    assert ends <= tested
    reached = {(suite, measure, row) for suite, measure, _, *rows in EDGES for row in rows if row is not None}
    assert reached == {(each.suite, each.measure, each.row) for each in (*GUIDE, *GAPS)}


@pytest.mark.parametrize(("part", "whole", "row"), [(1, 1000, "0.1-1%"), (1, 100, "0.1-1%"), (5, 100, "1-5%")])
def test_a_rate_computed_from_counts_is_the_edge_itself(part: int, whole: int, row: str) -> None:
    assert read(LOAD, Measure.ERROR_RATE, part / whole).row == row


def figures(measure: Measure) -> st.SearchStrategy[float]:
    near = [
        value
        for each in (*GUIDE, *GAPS)
        if each.measure is measure
        for end in each.range.ends
        for value in (math.nextafter(end, -math.inf), end, math.nextafter(end, math.inf))
        if value in domain(measure)
    ]
    top = 1.0 if UNITS[measure] is Unit.RATE else None
    return st.one_of(
        st.sampled_from(near), st.floats(0.0, top, allow_nan=False, allow_infinity=False), st.floats(0.0, 1.0)
    )


@settings(deadline=None)
@given(st.data())
def test_every_figure_falls_to_exactly_one_row(data: st.DataObject) -> None:
    suite, measure = data.draw(st.sampled_from(JUDGED))
    value = data.draw(figures(measure))
    point = read(suite, measure, value)
    assert [band.point for band in bands(suite, measure) if value in band.range] == [point]
    matching = [each for each in (*GUIDE, *GAPS) if (each.suite, each.measure) == (suite, measure)]
    assert value in point.range
    assert sum(value in each.range for each in matching) >= 1
    # A gap is one: no row of the guide's matches there.
    assert not point.gap or not any(value in each.range for each in matching if not each.gap)


@settings(deadline=None)
@given(st.data())
def test_a_figure_past_an_edge_is_at_least_as_bad_as_the_edge_says(data: st.DataObject) -> None:
    suite, measure = data.draw(st.sampled_from(JUDGED))
    value = data.draw(figures(measure))
    found = read(suite, measure, value)
    past = [edge for edge in edges(measure, suite) if HOLDS[edge.comparison](value, edge.value)]
    best = min((each.point for each in bands(suite, measure)), key=lambda each: RANK[each.verdict])
    assert found == (past[-1].point if past else best)


@pytest.mark.parametrize(("suite", "measure"), JUDGED)
def test_the_edges_go_from_good_to_bad(suite: Suite, measure: Measure) -> None:
    ranks = [RANK[edge.verdict] for edge in edges(measure, suite)]
    assert ranks == sorted(ranks)
    assert ranks[-1] == RANK[Verdict.CRITICAL]


def test_the_edges_that_alerts_are_made_of() -> None:
    assert [(each.verdict, each.comparison, each.value) for each in edges(Measure.LATENCY_P99, LOAD)] == [
        (Verdict.WARNING, ">=", 0.5),
        (Verdict.CRITICAL, ">", 2.0),
        (Verdict.CRITICAL, ">", 5.0),
    ]
    assert [(each.verdict, each.comparison, each.value) for each in edges(Measure.WIN_RATE, RACE)] == [
        (Verdict.GOOD, "<=", 0.99),
        (Verdict.WARNING, "<", 0.95),
        (Verdict.CRITICAL, "<", 0.8),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, -1e-300])
@pytest.mark.parametrize(("suite", "measure"), JUDGED)
def test_what_no_measurement_gives_is_an_error(suite: Suite, measure: Measure, value: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        read(suite, measure, value)


def test_a_rate_above_1_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        read(REDIS, Measure.ERROR_RATE, 1.5)


def test_a_measure_without_a_row_is_an_error() -> None:
    with pytest.raises(LookupError, match="vendor-race"):
        read(RACE, Measure.RPS, 1.0)


def test_the_worst_of_none_is_none() -> None:
    assert worst([]) is None
    assert worst([Verdict.GOOD, Verdict.CRITICAL, Verdict.EXCELLENT]) is Verdict.CRITICAL


def test_every_measure_has_a_unit() -> None:
    assert set(UNITS) == set(Measure)


def test_rows_are_values() -> None:
    assert len({*GUIDE, *GAPS}) == 45
    assert all(isinstance(each, BreakingPoint) for each in GUIDE)
