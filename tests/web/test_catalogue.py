"""The catalogue is complete: the operators' names, the guide's thresholds, every enum member, the document."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

from prober.outcome import WEBHOOK_VIOLATIONS, Outcome, ProbeName, RaceOutcome, Violation
from prober.web.catalogue import METRICS, delivery, stores
from prober.web.catalogue.probing import OUTAGE_DURATION
from prober.web.labels import OUTAGE_PROBES, OUTCOMES_OF, RACE_KIND
from prober.web.metric import Kind, Metric
from prober.web.metrics_doc import markdown, plain

# The chapter "Prometheus Metrics to Track" of the guide.
GUIDE = {
    "whatsapp_webhook_requests_total",
    "whatsapp_webhook_duration_seconds",
    "whatsapp_webhook_errors_total",
    "vendor_routing_races_total",
    "vendor_routing_win_rate",
    "vendor_routing_response_time_seconds",
    "redis_connection_errors_total",
    "redis_queue_backlog",
    "redis_recovery_time_seconds",
    "db_connection_pool_usage",
    "db_recovery_time_seconds",
    "db_transaction_rollbacks_total",
}


def test_the_guide_s_names_are_all_there() -> None:
    assert {metric.name for metric in METRICS} >= GUIDE


def test_every_name_is_there_once() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("metric", "edges"),
    [
        (delivery.WEBHOOK_DURATION, {0.1, 0.2, 0.5, 1, 2, 5}),
        (delivery.RACE_DURATION, {0.1, 0.5, 1}),
        (delivery.RESPONSE_TIME, {0.1, 0.5, 1}),
        (stores.REDIS_OPERATION, {0.05, 0.1, 0.2}),
        (stores.DATABASE_OPERATION, {0.05, 0.1, 0.2}),
        (OUTAGE_DURATION, {5, 10, 30}),
    ],
)
def test_thresholds_of_the_guide_are_edges(metric: Metric, edges: set[float]) -> None:
    assert edges <= set(metric.buckets)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_row_is_well_formed(metric: Metric) -> None:
    assert metric.help.endswith(".")
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
    assert all(low < high for low, high in pairwise((0.0, *metric.buckets, math.inf)))
    assert all(label.values or label.configured for label in metric.labels)
    for unit in ("seconds", "bytes"):
        if metric.name.removesuffix("_total").endswith(unit):
            assert metric.unit == unit == metric.name_unit


def test_every_outcome_can_come_from_some_probe() -> None:
    assert set(OUTCOMES_OF) == set(ProbeName)
    assert {outcome for outcomes in OUTCOMES_OF.values() for outcome in outcomes} == set(Outcome)


def test_every_violation_belongs_to_exactly_one_counter() -> None:
    of_races = {Violation(value) for value in RACE_KIND.values}
    assert of_races | set(WEBHOOK_VIOLATIONS) == set(Violation)
    assert not of_races & set(WEBHOOK_VIOLATIONS)
    assert {RaceOutcome(kind).is_violation for kind in of_races} == {True}


def test_probes_with_an_outage_are_those_of_the_specification() -> None:
    assert set(OUTAGE_PROBES) == {
        ProbeName.WEBHOOK,
        ProbeName.REDIS,
        ProbeName.DATABASE,
        ProbeName.DATABASE_POOLED,
    }


def test_the_document_is_current() -> None:
    document = Path(__file__).parents[2] / "docs" / "metrics.md"
    expected = markdown()
    assert document.read_text() == expected, "run: python -m prober.web.metrics_doc > docs/metrics.md"
    for metric in METRICS:
        assert f"| `{metric.name}` | " in expected


def test_the_list_for_a_terminal_has_every_metric_with_its_labels_and_meaning() -> None:
    lines = plain().splitlines()
    assert len(lines) == 2 * len(METRICS)
    where = lines.index("redis_queue_backlog{queue} (gauge)")
    assert lines[where + 1] == f"    {stores.REDIS_BACKLOG.help}"
