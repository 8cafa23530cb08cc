"""The text of a scrape: Prometheus text or OpenMetrics, as the Accept header wants it (RFC 9110, section 12.5)."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from enum import StrEnum

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest as prometheus_text
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text
from prometheus_client.registry import Collector

from prober.web.series import Series

# A scrape is some 25 ms of CPU. A process that wakes up meanwhile, a probe with its answer, may be let in by the
# kernel only at its next tick; a worker that sleeps lets it in at once.
_AT_A_TIME = 0.0005  # seconds
_PAUSE = 0.0001

# Level 1 is a third of the default's CPU time and a tenth more bytes on this kind of text.
_GZIP_LEVEL = 1


class Format(StrEnum):
    """The formats by their content types."""

    PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Exposition:
    """All that `/metrics` shows: our series, and the processes as the process collector of Prometheus has them.

    `prober_pid` is the process that probes; its CPU time and memory have the standard names `process_*`, since
    to Prometheus it is the process that is monitored. Those of this web process are `prober_web_process_*`.
    """

    def __init__(self, series: Series, prober_pid: int) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Courteous(series))
        ProcessCollector(pid=lambda: prober_pid, registry=self._registry)
        ProcessCollector(namespace="prober_web", pid=os.getpid, registry=self._registry)

    def text(self, wanted: Format) -> bytes:
        """Render all metrics as they are now."""
        if wanted is Format.OPENMETRICS:
            rendered: bytes = openmetrics_text(self._registry)  # type: ignore[no-untyped-call]
            return rendered
        return prometheus_text(self._registry)


class _Courteous(Collector):
    """The same families, with a rest after each bit of work."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def collect(self) -> Iterator[Family]:
        began = time.monotonic()
        for family in self._series.collect():
            yield family  # and rendered before the next one is asked for
            if time.monotonic() - began > _AT_A_TIME:
                time.sleep(_PAUSE)
                began = time.monotonic()


def compressed(body: bytes) -> bytes:
    """Compress as `Content-Encoding: gzip`."""
    return gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)


def negotiated(accept: str) -> Format:
    """Choose the format that the client likes best; plain text where it names neither."""
    likes = {Format.PROMETHEUS: 0.0, Format.OPENMETRICS: 0.0}
    for media_type, parameters in _preferences(accept):
        if media_type == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0":
            likes[Format.OPENMETRICS] = max(likes[Format.OPENMETRICS], _quality(parameters))
        elif media_type == "text/plain":
            likes[Format.PROMETHEUS] = max(likes[Format.PROMETHEUS], _quality(parameters))
    # At the same weight the richer format: it alone carries exemplars.
    better = likes[Format.OPENMETRICS] >= likes[Format.PROMETHEUS] and likes[Format.OPENMETRICS] > 0
    return Format.OPENMETRICS if better else Format.PROMETHEUS


def takes_gzip(accept_encoding: str) -> bool:
    """Say whether the client takes `gzip`; `*` counts, `;q=0` refuses."""
    weights = {coding: _quality(parameters) for coding, parameters in _preferences(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _preferences(header: str) -> list[tuple[str, dict[str, str]]]:
    preferences = []
    for item in header.split(","):
        value, *parameters = (part.strip().lower() for part in item.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        preferences.append((value, {name.strip(): text.strip() for name, _, text in pairs}))
    return preferences


def _quality(parameters: dict[str, str]) -> float:
    try:
        return min(1.0, max(0.0, float(parameters.get("q", "1"))))
    except ValueError:
        return 0.0
