"""Every expression of a dashboard's JSON, asked of a real Prometheus as Grafana would ask it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prober.dashboards.annotations import MARKS
from prober.dashboards.panel import Dashboard, Look, Panel
from prober.demo.prometheus import Prometheus, Series

# What the shipped rules record, for as long as there is no file of them.
RECORDED = """\
groups:
  - name: recorded
    rules:
"""
TIMES = 3  # how often each expression is asked, to tell its time


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: from `start` to `end` (Unix time), a point every `step` seconds, scraped every `scrape`."""

    start: float
    end: float
    step: float
    scrape: float

    @classmethod
    def since(cls, start: float, *, scrape: float) -> Window:
        """From `start` until now, a point every second, the last of them no earlier than now."""
        return cls(start, start + math.ceil(time.time() - start), step=1.0, scrape=scrape)

    def fill(self, expr: str) -> str:
        """Put in the variables, as Grafana does with *All* chosen and the job `prober`."""
        step, span = self.step, self.end - self.start
        values = {
            "$__rate_interval": f"{max(step + self.scrape, 4 * self.scrape):.0f}s",
            "$__interval_ms": f"{step * 1000:.0f}",
            "$__interval": f"{step:.0f}s",
            "$__range": f"{span:.0f}s",
            "$instance": ".+",
            "$region": ".*",
            "$job": "prober",
        }
        for name, value in values.items():
            expr = expr.replace(name, value)
        return expr


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one expression; `milliseconds` is the median of several askings."""

    panel: Panel | None  # None: an annotation
    name: str
    expr: str
    legend: str
    unseen: str
    series: tuple[Series, ...]
    milliseconds: float

    @property
    def wrong(self) -> str:
        """Why this answer is not as it should be; empty when it is."""
        seen = [one for one in self.series if any(math.isfinite(value) for _, value in one.points)]
        if self.unseen:
            return f"{self.name}: expected no series ({self.unseen}), got {len(seen)}" if seen else ""
        return "" if seen else f"{self.name}: no series with a number in it: {self.expr}"


async def ask_all(prometheus: Prometheus, dashboard: Dashboard, window: Window) -> list[Answer]:
    """Every panel's every expression."""
    answers = []
    for panel in dashboard.panels:
        for query in panel.queries:
            name = f"{dashboard.title}, {panel.title}, {query.legend}"
            instant = panel.look is Look.STAT
            series, milliseconds = await _ask(prometheus, query.expr, window, instant=instant)
            answers.append(Answer(panel, name, query.expr, query.legend, query.unseen, series, milliseconds))
    return answers


async def ask_marks(prometheus: Prometheus, window: Window) -> list[Answer]:
    """Every annotation, of which each dashboard has the same."""
    answers = []
    for mark in MARKS:
        series, milliseconds = await _ask(prometheus, mark.expr, window, instant=False)
        answers.append(Answer(None, f"annotation {mark.name}", mark.expr, mark.title, "", series, milliseconds))
    return answers


async def _ask(
    prometheus: Prometheus, expr: str, window: Window, *, instant: bool
) -> tuple[tuple[Series, ...], float]:
    filled = window.fill(expr)
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        start = window.end if instant else window.start
        series = await prometheus.query_range(filled, start, window.end, window.step)
        took.append((time.perf_counter() - began) * 1000)
    return tuple(series), statistics.median(took)


def recording_rules(directory: Path, shipped: Path) -> Path:
    """The rules that dashboards need: those that are shipped, or the quantiles of SPEC 7 where none are."""
    if shipped.exists():
        return shipped
    rates = (
        "sum by (job, region, le) (rate("
        'whatsapp_webhook_duration_seconds_bucket{job="prober",source="probe"}[5m]))'
    )
    rules = "".join(
        "      - record: whatsapp_webhook_duration_seconds\n"
        f"        expr: histogram_quantile({q:g}, {rates}) >= 0\n"
        f"        labels: {{quantile: '{q:g}'}}\n"
        for q in (0.5, 0.95, 0.99)
    )
    file = directory / "recording.rules.yml"
    file.write_text(RECORDED + rules, encoding="utf-8")
    return file


def complaints(answers: Sequence[Answer]) -> list[str]:
    """What is wrong with them, one line each."""
    return [answer.wrong for answer in answers if answer.wrong]
