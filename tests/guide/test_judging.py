"""What the guide says of a scenario's figures: verdicts, targets, budgets, the tree; and what it does not say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.guide.breaking_points import measures_of
from prober.guide.judgement import Judgement
from prober.guide.judging import judge
from prober.guide.targets import TARGETS
from prober.guide.units import UNITS
from prober.outcome import Measure, Suite, Unit, Verdict

GOOD_LOAD: dict[Measure, float | None] = {
    Measure.RPS: 812.0,
    Measure.LATENCY_P95: 0.12,
    Measure.LATENCY_P99: 0.31,
    Measure.ERROR_RATE: 0.0,
    Measure.DATABASE_P99: 0.012,
    Measure.QUEUE_P99: 0.06,
}


def verdicts(judged: Judgement) -> dict[Measure, Verdict | None]:
    return {row.measure: row.verdict for row in judged.breaking_points}


def test_a_good_load() -> None:
    judged = judge(Suite.WEBHOOK_LOAD, GOOD_LOAD)
    assert judged.verdict is Verdict.GOOD
    assert [(row.name, row.row, row.action) for row in judged.breaking_points] == [
        ("RPS", "500-1000", "Monitor"),
        ("p99 Latency", "< 500ms", "N/A"),
        ("Error Rate", "< 0.1%", "N/A"),
    ]
    assert [target.met for target in judged.targets] == [True, True, True, True]
    assert [budget.met for budget in judged.budgets] == [True, True, False, None]
    assert judged.budgets[3].why_not is not None
    assert judged.decisions[0].answer is False
    assert judged.decisions[0].path == (
        "Does webhook RPS < 100: no, RPS is 812 /s",
        "Check p99 latency: < 500ms, p99 latency is 310 ms",
        "OK, monitor only",
    )
    assert judged.advice == ()


@pytest.mark.parametrize("suite", Suite)
def test_no_samples_no_verdict(suite: Suite) -> None:
    judged = judge(suite, {})
    assert judged.verdict is None
    for row in judged.breaking_points:
        assert [row.verdict, row.row, row.action, row.value] == [None] * 4
    assert all(row.why_not for row in judged.breaking_points)
    assert all(target.met is None and target.why_not for target in judged.targets)
    assert all(budget.met is None and budget.why_not for budget in judged.budgets)
    assert judged.decisions[0].answer is None
    assert len(judged.decisions[0].path) == 1
    assert judged.advice == ()
    assert judge(suite, dict.fromkeys(Measure)) == judged


def test_a_figure_that_says_nothing_of_the_target_is_shown_and_not_judged() -> None:
    reason = "the target limits to 200 requests a minute, which says nothing of its capacity"
    judged = judge(Suite.WEBHOOK_LOAD, {**GOOD_LOAD, Measure.RPS: 3.3}, {Measure.RPS: reason})
    row = judged.breaking_points[0]
    assert (row.value, row.verdict, row.why_not) == (3.3, None, reason)
    assert (judged.targets[0].value, judged.targets[0].met, judged.targets[0].why_not) == (3.3, None, reason)
    assert judged.budgets[0].met is None
    assert judged.decisions[0].answer is None
    assert judged.decisions[0].path == (f"RPS: not answered, because {reason}",)
    assert judged.advice == ()
    assert judged.verdict is Verdict.GOOD  # of what could be judged


@pytest.mark.parametrize(
    ("suite", "measures", "verdict"),
    [
        (Suite.WEBHOOK_LOAD, {Measure.RPS: 5000.0, Measure.LATENCY_P99: 6.0}, Verdict.CRITICAL),
        (Suite.VENDOR_RACE, {Measure.WIN_RATE: 1.0, Measure.RACE_CONDITIONS: 0.0}, Verdict.EXCELLENT),
        (Suite.VENDOR_RACE, {Measure.WIN_RATE: 1.0, Measure.RACE_CONDITIONS: 0.001}, Verdict.WARNING),
        (Suite.REDIS_FAILURE, {Measure.ERROR_RATE: 0.005}, Verdict.GOOD),
        (Suite.DB_RESTART, {Measure.SUCCESS_DURING: 0.0, Measure.SUCCESS_AFTER: 1.0}, Verdict.CRITICAL),
        (Suite.DB_RESTART, {Measure.SUCCESS_DURING: 0.005, Measure.SUCCESS_AFTER: 1.0}, Verdict.WARNING),
    ],
)
def test_the_verdict_is_the_worst(suite: Suite, measures: dict[Measure, float], verdict: Verdict) -> None:
    assert judge(suite, measures).verdict is verdict


# measure, a figure that meets the target by as little as can be, one that misses it by as little.
JUST = {
    "500+ RPS sustained": (500.0, math.nextafter(500.0, 0)),
    "p95 latency < 200ms": (math.nextafter(0.2, 0), 0.2),
    "p99 latency < 500ms": (math.nextafter(0.5, 0), 0.5),
    "Error rate < 0.1%": (math.nextafter(0.001, 0), 0.001),
    "100% win rate accuracy": (1.0, math.nextafter(1.0, 0)),
    "< 100ms average race time": (math.nextafter(0.1, 0), 0.1),
    "0% race conditions": (0.0, math.nextafter(0.0, 1)),
    "< 1% error rate during outage": (math.nextafter(0.01, 0), 0.01),
    "Queue backlog < 100 during outage": (99.0, 100.0),
    "Recovery time < 5 seconds": (math.nextafter(5.0, 0), 5.0),
    "> 99% recovery success": (math.nextafter(0.99, 1), 0.99),
    "Recovery time < 10 seconds": (math.nextafter(10.0, 0), 10.0),
    "0% transaction rollbacks": (0.0, math.nextafter(0.0, 1)),
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.text)
def test_a_target_is_met_or_missed_by_a_hair(target: object) -> None:
    wanted = next(each for each in TARGETS if each is target)
    for value, met in zip(JUST[wanted.text], (True, False), strict=True):
        judged = judge(wanted.suite, {wanted.measure: value})
        assert [each.met for each in judged.targets if each.text == wanted.text] == [met]


@pytest.mark.parametrize(
    ("suite", "measures", "answer", "end"),
    [
        (Suite.WEBHOOK_LOAD, {Measure.RPS: 99.0}, True, "If still low: Implement webhook queuing"),
        (Suite.WEBHOOK_LOAD, {Measure.RPS: 500.0, Measure.LATENCY_P99: 2.1}, False, "Add database indexing"),
        (Suite.WEBHOOK_LOAD, {Measure.RPS: 500.0, Measure.LATENCY_P99: 2.0}, False, "Review slow queries"),
        (Suite.WEBHOOK_LOAD, {Measure.RPS: 500.0, Measure.LATENCY_P99: 0.5}, False, "Review slow queries"),
        (Suite.WEBHOOK_LOAD, {Measure.RPS: 500.0, Measure.LATENCY_P99: 0.1}, False, "OK, monitor only"),
        (Suite.VENDOR_RACE, {Measure.RACE_CONDITIONS: 0.02}, True, "If persists: Enable pessimistic locking"),
        (Suite.VENDOR_RACE, {Measure.RACE_CONDITIONS: 0.0}, False, "OK, monitor acceptance time"),
        (Suite.REDIS_FAILURE, {Measure.ERROR_RATE: 0.21}, True, "Monitor backlog and scale workers"),
        (Suite.REDIS_FAILURE, {Measure.ERROR_RATE: 0.0}, False, "OK, system resilient"),
        (Suite.DB_RESTART, {Measure.RECOVERY_TIME: 31.0}, True, "Monitor recovery logs"),
        (Suite.DB_RESTART, {Measure.RECOVERY_TIME: 10.0}, False, "OK, acceptable recovery time"),
    ],
)
def test_the_way_through_the_tree(suite: Suite, measures: dict[Measure, float], answer: bool, end: str) -> None:
    decision = judge(suite, measures).decisions[0]
    assert decision.answer is answer
    assert decision.path[-1] == end


@pytest.mark.parametrize(
    ("suite", "measure", "edge", "below", "on", "above"),
    [
        (Suite.WEBHOOK_LOAD, Measure.RPS, 100.0, True, False, False),
        (Suite.VENDOR_RACE, Measure.RACE_CONDITIONS, 0.0, None, False, True),
        (Suite.REDIS_FAILURE, Measure.ERROR_RATE, 0.2, False, False, True),
        (Suite.DB_RESTART, Measure.RECOVERY_TIME, 30.0, False, False, True),
    ],
)
def test_the_tree_s_questions_at_their_edges(
    suite: Suite, measure: Measure, edge: float, below: bool | None, on: bool, above: bool
) -> None:
    assert judge(suite, {measure: edge}).decisions[0].answer is on
    assert judge(suite, {measure: math.nextafter(edge, math.inf)}).decisions[0].answer is above
    if below is not None:
        assert judge(suite, {measure: math.nextafter(edge, 0.0)}).decisions[0].answer is below


def test_the_tree_stops_where_nothing_was_measured() -> None:
    path = judge(Suite.WEBHOOK_LOAD, {Measure.RPS: 700.0}).decisions[0].path
    assert path[-1].startswith("p99 latency: not answered, because")


def test_an_ok_of_the_tree_that_the_breaking_points_contradict_says_so() -> None:
    path = judge(Suite.REDIS_FAILURE, {Measure.ERROR_RATE: 0.15, Measure.BACKLOG: 4000}).decisions[0].path
    assert path[1:] == (
        "OK, system resilient",
        "But by the breaking points Error Rate 15 % is warning (1-20%: Partial fallback)",
        "But by the breaking points Queue Backlog 4000 jobs is critical (> 1000: Scale workers)",
    )


@pytest.mark.parametrize("suite", Suite)
def test_only_the_load_suite_answers_the_budget_of_an_endpoint(suite: Suite) -> None:
    budget = judge(suite, {Measure.RPS: 20.0}).budgets[0]
    assert budget.met is (False if suite is Suite.WEBHOOK_LOAD else None)
    assert (budget.why_not is None) is (suite is Suite.WEBHOOK_LOAD)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.1])
def test_a_figure_that_cannot_be_is_an_error(value: float) -> None:
    with pytest.raises(ValueError, match="error_rate: expected 0 to 1"):
        judge(Suite.WEBHOOK_LOAD, {Measure.ERROR_RATE: value})


@settings(deadline=None)
@given(st.data())
def test_whatever_was_measured_is_judged_and_written(data: st.DataObject) -> None:
    suite = data.draw(st.sampled_from(list(Suite)))
    measures: dict[Measure, float | None] = {
        measure: data.draw(st.none() | st.floats(0.0, 1.0 if UNITS[measure] is Unit.RATE else 1e6))
        for measure in Measure
    }
    judged = judge(suite, measures)
    assert [row.measure for row in judged.breaking_points] == list(measures_of(suite))
    for row in judged.breaking_points:
        assert (row.verdict is None) is (measures[row.measure] is None) is (row.why_not is not None)
    bad = [row for row in judged.breaking_points if row.verdict in {Verdict.WARNING, Verdict.CRITICAL}]
    # Beside what bad rows call for there is only what a clue calls for, and only drills have those.
    assert judged.advice or not bad
    assert bad or not judged.advice or suite in {Suite.REDIS_FAILURE, Suite.DB_RESTART}
    assert Judgement.model_validate_json(judged.model_dump_json()) == judged
