"""What a row of the metric catalogue says: name, kind, labels with their closed sets, unit, meaning, buckets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from prober.event import Started
from prober.outcome import ProbeName

OTHER = "other"


class Kind(StrEnum):
    """The Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"  # a gauge that is always 1; OpenMetrics has a type of its own for it


class Group(StrEnum):
    """The chapters of docs/metrics.md."""

    WEBHOOK = "Webhook"
    RACE = "Vendor routing"
    REDIS = "Redis"
    DATABASE = "Database"
    HEALTH = "Health pages and routes"
    PROBES = "Probes and outages"
    SUITES = "Suites"
    PROBER = "The prober itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label and the closed set of its values.

    `values` is the whole set, or empty where the config decides: then `configured` says in words what does
    and `known` picks the values from the start event. Where `values` are given, `known` picks those of them
    that can occur with this config. A value outside of the set is exported as `other`.
    """

    name: str
    values: tuple[str, ...] = ()
    configured: str = ""
    known: Callable[[Started], Iterable[str]] | None = None

    def at_start(self, started: Started) -> tuple[str, ...]:
        """Give the values that can occur with this config."""
        return self.values if self.known is None else tuple(str(value) for value in self.known(started))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row. `probes` are those that feed it: without any of them it does not exist; empty means always.

    `children` overrides which label combinations exist at 0 from the start; by default all of them.
    """

    name: str
    kind: Kind
    group: Group
    help: str
    unit: str = ""
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    probes: frozenset[ProbeName] = frozenset()
    children: Callable[[Started], Iterable[tuple[str, ...]]] | None = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels, in the order in which values are given."""
        return tuple(label.name for label in self.labels)

    @property
    def name_unit(self) -> str:
        """The unit where the name ends with it, as OpenMetrics wants of `# UNIT`; else empty."""
        return self.unit if self.unit and self.name.removesuffix("_total").endswith(f"_{self.unit}") else ""

    def exists(self, started: Started) -> bool:
        """Whether a probe that feeds it runs."""
        return not self.probes or not self.probes.isdisjoint(started.probes)

    def combinations(self, started: Started) -> Iterable[tuple[str, ...]]:
        """Give the label values that can be known at the start."""
        if self.children is not None:
            return self.children(started)
        return itertools.product(*(label.at_start(started) for label in self.labels))
