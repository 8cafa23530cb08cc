"""What holds of the metrics whatever events come in whatever order."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from prober.event import Event, Started
from prober.outcome import ProbeName
from prober.web.catalogue import METRICS
from prober.web.exposition import Exposition, Format
from prober.web.metric import OTHER, Kind
from tests.web.event_samples import Scraped, started
from tests.web.random_events import events

BY_NAME = {metric.name: metric for metric in METRICS}
Series = tuple[str, frozenset[tuple[str, str]]]
SUFFIXES = ("_bucket", "_count", "_sum")

sequences = st.lists(events, max_size=8)
# Each example renders all series several times over: a few sequences of many kinds, and no time limit on a
# machine that others use as well.
frugal = settings(max_examples=50, deadline=None)
# Any set of probes may be switched off, and its events may come all the same.
starts = st.builds(
    lambda probes: started(probes=dict.fromkeys(probes, 1.0)), st.sets(st.sampled_from(ProbeName), min_size=1)
)


def family_of(sample_name: str) -> str:
    for suffix in SUFFIXES:
        if sample_name.removesuffix(suffix) in BY_NAME:
            return sample_name.removesuffix(suffix)
    return sample_name


@frugal
@given(start=starts, sequence=sequences)
def test_what_only_rises_never_falls(start: Started, sequence: list[Event]) -> None:
    scraped = Scraped(start)
    before: dict[Series, float] = {}
    for event in (*sequence, start):
        scraped.metrics.record(event)
        after = {
            key: value
            for key, value in scraped.samples().items()
            if BY_NAME[family_of(key[0])].kind in (Kind.COUNTER, Kind.HISTOGRAM)
        }
        assert all(after.get(key, -1.0) >= value for key, value in before.items())
        before = after


@frugal
@given(start=starts, sequence=sequences)
def test_label_values_stay_inside_their_closed_sets(start: Started, sequence: list[Event]) -> None:
    scraped = Scraped(start, *sequence)
    for name, labels in scraped.samples():
        metric = BY_NAME[family_of(name)]
        values = dict(labels)
        values.pop("le", None)
        assert set(values) == set(metric.label_names)
        for label in metric.labels:
            if metric.kind is not Kind.INFO:
                allowed = label.values or label.at_start(start)
                assert values[label.name] in {*allowed, OTHER}


@frugal
@given(start=starts, sequence=sequences)
def test_values_are_numbers_and_never_below_zero(start: Started, sequence: list[Event]) -> None:
    for value in Scraped(start, *sequence).samples().values():
        assert math.isfinite(value)
        assert value >= 0


@frugal
@given(sequence=sequences)
def test_webhook_errors_never_outnumber_requests(sequence: list[Event]) -> None:
    totals = {"whatsapp_webhook_requests_total": 0.0, "whatsapp_webhook_errors_total": 0.0}
    for (name, _), value in Scraped(started(), *sequence).samples().items():
        if name in totals:
            totals[name] += value
    assert totals["whatsapp_webhook_errors_total"] <= totals["whatsapp_webhook_requests_total"]


@frugal
@given(sequence=sequences)
def test_both_formats_can_be_read_and_say_the_same(sequence: list[Event]) -> None:
    exposition = Exposition(Scraped(started(), *sequence).metrics.series, prober_pid=1)
    plain = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(exposition.text(Format.PROMETHEUS).decode())
        for sample in family.samples
        if "process_" not in sample.name
    }
    open_metrics = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_openmetrics(exposition.text(Format.OPENMETRICS).decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if "process_" not in sample.name
    }
    assert plain == open_metrics
    assert len(plain) > 500
