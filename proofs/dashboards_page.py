"""docs/dashboards.md: each dashboard's panels in their grid, the question of each, its query, and the answers."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence

from prober.dashboards.declarations import DASHBOARDS
from prober.dashboards.panel import WIDTH, Dashboard, Look, Panel, Place, Unit, bands
from prober.dashboards.thresholds import ABOVE_NOTHING
from prober.demo.prometheus import Series
from proofs.asking import Answer, Window
from proofs.page import head, table

SHOWN = 5  # series of one expression; the rest are counted
WHAT = """\
The six dashboards of `grafana/`, for those who have no Grafana at hand: where each panel stands, the question that
it answers, what good looks like, what it asks of Prometheus, and what a real Prometheus answered. It had scraped a
demo in which everything was done once: two winners of one order, a lost message, slow answers, refused ones, Redis
and PostgreSQL killed, a pause, a maintenance window, four suites. Every expression was asked with the job `prober`
and *All* regions and instances, over the whole of that time; *took* is the median of three askings."""


def page(answers: Mapping[Place, Sequence[Answer]], marks: Sequence[Answer], window: Window) -> str:
    """The whole page."""
    every = [*(one for of_one in answers.values() for one in of_one), *marks]
    slowest = max(every, key=lambda one: one.milliseconds)
    summary = (
        f"{len(every)} expressions over {window.end - window.start:.0f} s, a point every {window.step:g} s: "
        f"{sum(bool(one.series) for one in every)} answered with series, "
        f"{sum(bool(one.unseen) for one in every)} ask for what this demo cannot have and say why. "
        f"The slowest took {slowest.milliseconds:.1f} ms ({slowest.name})."
    )
    chapters = [_chapter(each, answers[each.place]) for each in DASHBOARDS]
    return "\n\n".join([head("Dashboards", "make dashboards", WHAT), summary, *chapters, _marks(marks)]) + "\n"


def _chapter(dashboard: Dashboard, answers: Sequence[Answer]) -> str:
    parts = [f"## {dashboard.title}", f"`/d/{dashboard.place}` – {dashboard.description}", _grid(dashboard)]
    parts += [_panel(panel, [one for one in answers if one.panel is panel]) for panel in dashboard.panels]
    return "\n\n".join(parts)


def _grid(dashboard: Dashboard) -> str:
    lines = ["<table>"]
    for row in dashboard.rows:
        if row.title:
            lines.append(f'<tr><th colspan="{WIDTH}" align="left">{html.escape(row.title)}</th></tr>')
        for band in bands(row, 0):
            cells = "".join(
                f'<td colspan="{panel.width}"><b>{html.escape(panel.title)}</b><br>'
                f"{html.escape(panel.look)} {panel.width}×{panel.height}</td>"
                for panel in band.panels
            )
            lines.append(f"<tr>{cells}</tr>")
    return "\n".join([*lines, "</table>"])


def _panel(panel: Panel, answers: Sequence[Answer]) -> str:
    parts = [f"### {panel.title}", f"**{panel.question}** Good: {panel.good}"]
    steps = ", ".join(
        str(step.color)
        if step.value is None
        else f"{step.color} above 0"
        if step.value == ABOVE_NOTHING
        else f"{step.color} from {_said(step.value, panel.unit)}"
        for step in panel.steps
    )
    if len(panel.steps) > 1:
        parts.append(f"Colours: {steps}.")
    parts += [f"```promql\n{one}\n```" for one in dict.fromkeys(answer.expr for answer in answers)]
    rows: list[tuple[str, ...]] = []
    for answer in answers:
        rows += _rows(answer, panel)
    parts.append(table(["series", "answer", "took"], rows))
    return "\n\n".join(parts)


def _rows(answer: Answer, panel: Panel) -> list[tuple[str, ...]]:
    took = f"{answer.milliseconds:.1f} ms"
    if not answer.series:
        return [(answer.legend, f"*nothing*: {answer.unseen}" if answer.unseen else "*nothing*", took)]
    ordered = sorted(answer.series, key=_peak, reverse=True)
    rows: list[tuple[str, ...]] = [
        (named(answer.legend, one.labels), _values(one, panel), took) for one in ordered[:SHOWN]
    ]
    more = len(ordered) - SHOWN
    return [*rows, (f"*and {more} more*", "", "")] if more > 0 else rows


def _peak(series: Series) -> float:
    return max((value for _, value in series.points if math.isfinite(value)), default=-math.inf)


def _values(series: Series, panel: Panel) -> str:
    values = [value for _, value in series.points if math.isfinite(value)]
    if not values:
        return "not a number: no samples"
    if panel.look is Look.STAT:
        return _in_words(values[-1], panel)
    low, high = min(values), max(values)
    if low == high:
        return f"{_in_words(low, panel)} throughout ({len(values)} points)"
    return f"{_in_words(low, panel)} to {_in_words(high, panel)}, last {_in_words(values[-1], panel)}"


def _in_words(value: float, panel: Panel) -> str:
    word = panel.words.get(round(value)) if value == round(value) else None
    return word.text if word else _said(value, panel.unit)


def _said(value: float, unit: Unit) -> str:
    """A figure as Grafana would write it, or nearly so."""
    match unit:
        case Unit.SECONDS:
            return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
        case Unit.RATIO:
            return f"{value * 100:.3g} %"
        case Unit.PER_SECOND:
            return f"{value:.3g}/s"
        case Unit.BYTES:
            return f"{value / 2**20:.3g} MiB"
        case Unit.COUNT | Unit.STATE:
            return f"{value:.6g}"


def named(legend: str, labels: Mapping[str, str]) -> str:
    """The legend with its labels put in, as Grafana does it."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)


def _marks(marks: Sequence[Answer]) -> str:
    parts = [
        "## Marks",
        "On every dashboard, each can be switched off at its top; a mark stands where the expression is 1.",
    ]
    for mark in marks:
        seen = ", ".join(
            f"{named(mark.legend, one.labels)} at {len(one.points)} points" for one in mark.series[:SHOWN]
        )
        parts += [f"### {mark.name.removeprefix('annotation ')}", f"```promql\n{mark.expr}\n```", f"{seen}."]
    return "\n\n".join(parts)
