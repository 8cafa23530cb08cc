"""The current values of every metric, as a collector: counters from 0, gauges only while they are fresh."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Counter, Histogram, disable_created_metrics
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from prober.event import Started
from prober.web.catalogue import METRICS
from prober.web.metric import OTHER, Kind, Label, Metric

# The text format has no place for them and would show each as one more gauge.
disable_created_metrics()  # type: ignore[no-untyped-call]

# OpenMetrics 1.0 allows 128 characters for names and values of an exemplar's labels together.
_EXEMPLAR_ROOM = 128 - len("trace_id")


class Series(Collector):
    """Values by metric and label values.

    Counters and histograms exist at 0 from `begin` on. Gauges exist from their first value until
    `fresh_until` on the monotonic `clock`; prometheus_client's own would export 0 before anything is known.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._gauges: dict[str, dict[tuple[str, ...], tuple[float, float]]] = {}
        self._computed: dict[tuple[str, tuple[str, ...]], Callable[[float], float | None]] = {}
        self._configured: dict[Label, frozenset[str]] = {}  # all that were ever configured
        self._known: dict[Label, frozenset[str]] = {}  # that can occur now
        self._existing: frozenset[str] | None = None  # names; None before the start

    def begin(self, started: Started) -> None:
        """Make all series that can be known. What was counted stays; gauges of what is not there any more go."""
        self._existing = frozenset(metric.name for metric in METRICS if metric.exists(started))
        for metric in METRICS:
            for label in metric.labels:
                if label.known is not None:
                    self._known[label] = frozenset(label.at_start(started))
                if label.known is not None and not label.values:
                    self._configured[label] = self._configured.get(label, frozenset()) | self._known[label]
            self._forget_gauges(metric)
            if not metric.exists(started):
                continue
            for values in metric.combinations(started):
                if metric.kind is Kind.COUNTER:
                    self._counter(metric, values)
                elif metric.kind is Kind.HISTOGRAM:
                    self._histogram(metric, values)

    def add(self, metric: Metric, *labels: str, amount: float = 1, trace_id: str = "") -> None:
        """Raise a counter."""
        self._counter(metric, self._closed(metric, labels)).inc(amount, _exemplar(trace_id))

    def count(self, metric: Metric, *labels: str) -> float:
        """Read a counter."""
        child = self._counter(metric, self._closed(metric, labels))
        return next(sample.value for family in child.collect() for sample in family.samples)

    def observe(self, metric: Metric, value: float, *labels: str, trace_id: str = "") -> None:
        """Add a sample to a histogram."""
        child = self._histogram(metric, self._closed(metric, labels))
        child.observe(max(0.0, value), _exemplar(trace_id))

    def put(self, metric: Metric, value: float | None, *labels: str, fresh_until: float = math.inf) -> None:
        """Set a gauge; None, not observable, makes it absent."""
        values, closed = self._gauges.setdefault(metric.name, {}), self._closed(metric, labels)
        if value is None:
            values.pop(closed, None)
        elif self._can_occur(metric, closed):
            values[closed] = (float(value), fresh_until)

    def compute(self, metric: Metric, *labels: str, by: Callable[[float], float | None]) -> None:
        """Let a gauge be computed at each scrape, from the monotonic time of it; None makes it absent."""
        closed = self._closed(metric, labels)
        if self._can_occur(metric, closed):
            self._computed[metric.name, closed] = by

    def collect(self) -> Iterator[Family]:
        """Yield the families that have a value now, in the order of the catalogue."""
        now = self._clock()
        for metric in METRICS:
            for family in self._families(metric, now):
                if family.samples:
                    yield family

    def _families(self, metric: Metric, now: float) -> Iterable[Family]:
        match metric.kind:
            case Kind.COUNTER:
                counter = self._counters.get(metric.name)
                return () if counter is None else counter.collect()
            case Kind.HISTOGRAM:
                histogram = self._histograms.get(metric.name)
                return () if histogram is None else histogram.collect()
            case Kind.GAUGE | Kind.INFO:
                return (self._gauge_family(metric, now),)

    def _can_occur(self, metric: Metric, values: tuple[str, ...]) -> bool:
        """Whether a gauge can have a value: a run that a reload found under way tells of what is gone by then."""
        if self._existing is not None and metric.name not in self._existing:
            return False
        return all(
            value == OTHER or value in self._known.get(label, (value,))
            for label, value in zip(metric.labels, values, strict=True)
        )

    def _forget_gauges(self, metric: Metric) -> None:
        gauges = self._gauges.get(metric.name, {})
        for values in [values for values in gauges if not self._can_occur(metric, values)]:
            del gauges[values]
        for name, values in list(self._computed):
            if name == metric.name and not self._can_occur(metric, values):
                del self._computed[name, values]

    def _gauge_family(self, metric: Metric, now: float) -> Family:
        current = {
            labels: value
            for labels, (value, fresh_until) in self._gauges.get(metric.name, {}).items()
            if now <= fresh_until
        }
        for (name, labels), by in self._computed.items():
            value = by(now) if name == metric.name else None
            if value is not None:
                current[labels] = value
        if metric.kind is Kind.INFO:
            info = InfoMetricFamily(metric.name.removesuffix("_info"), metric.help, labels=metric.label_names)
            for labels in current:
                info.add_metric(labels, {})
            return info
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names, unit=metric.name_unit)
        for labels, value in current.items():
            family.add_metric(labels, value)
        return family

    def _counter(self, metric: Metric, values: tuple[str, ...]) -> Counter:
        family = self._counters.get(metric.name)
        if family is None:
            family = Counter(metric.name, metric.help, metric.label_names, registry=None)
            self._counters[metric.name] = family
        return family.labels(*values) if values else family

    def _histogram(self, metric: Metric, values: tuple[str, ...]) -> Histogram:
        family = self._histograms.get(metric.name)
        if family is None:
            family = Histogram(
                metric.name,
                metric.help,
                metric.label_names,
                unit=metric.name_unit,
                buckets=metric.buckets,
                registry=None,
            )
            self._histograms[metric.name] = family
        return family.labels(*values) if values else family

    def _closed(self, metric: Metric, values: tuple[str, ...]) -> tuple[str, ...]:
        """Keep label values inside their closed sets, whatever a target or a bug hands us."""
        return tuple(
            str(value) if self._belongs(label, value) else OTHER
            for label, value in zip(metric.labels, values, strict=True)
        )

    def _belongs(self, label: Label, value: str) -> bool:
        if label.known is None and not label.values:
            return True  # what the program says of itself
        return value in (label.values or self._configured.get(label, ()))


def _exemplar(trace_id: str) -> dict[str, str] | None:
    return {"trace_id": trace_id} if 0 < len(trace_id) <= _EXEMPLAR_ROOM else None
