"""Every metric that prober exports, once: the registry, docs/metrics.md and the tests are made from these rows."""

from __future__ import annotations

from types import ModuleType

from prober.web.catalogue import delivery, probing, stores, suites
from prober.web.metric import Metric


def _rows(chapter: ModuleType) -> list[Metric]:
    return [row for row in vars(chapter).values() if isinstance(row, Metric)]


METRICS: tuple[Metric, ...] = (*_rows(delivery), *_rows(stores), *_rows(suites), *_rows(probing))
