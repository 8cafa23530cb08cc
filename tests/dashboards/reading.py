"""What the tests of the dashboards read out of JSON and PromQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.dashboards.panel import Place
from prober.web.catalogue import METRICS
from prober.web.metric import Kind, Metric

FOLDER = Path(__file__).parents[2] / "grafana"
SUFFIXES = ("_bucket", "_sum", "_count")
FUNCTIONS = frozenset(
    {
        *("sum", "max", "min", "avg", "count", "by", "bool", "time"),
        *("rate", "increase", "max_over_time", "histogram_quantile"),
    }
)


@dataclass(frozen=True)
class Selector:
    """One selector of an expression: matchers by label."""

    name: str
    matchers: dict[str, tuple[str, str]]

    @property
    def metric(self) -> Metric | None:
        """The row of the catalogue; None where there is none of that name."""
        for metric in METRICS:
            if metric.name == self.name and metric.kind is not Kind.HISTOGRAM:
                return metric
            if metric.kind is Kind.HISTOGRAM and self.name in {metric.name + suffix for suffix in SUFFIXES}:
                return metric
        return None

    @property
    def recorded(self) -> bool:
        """Whether it is of the recorded quantiles, which have no instance."""
        return self.name == "whatsapp_webhook_duration_seconds" and "quantile" in self.matchers


def load(place: Place) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / "dashboards" / f"{place}.json").read_text(encoding="utf-8"))
    return document


def panels(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything but the headings."""
    yield from (panel for panel in document["panels"] if panel["type"] != "row")


def expressions(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where, and the expression: of panels and of annotations."""
    for panel in panels(document):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in document["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]


def selectors(expr: str) -> list[Selector]:
    """Every `name{…}`; AssertionError for a name that stands without braces, and so without the job."""
    found = []
    for name, inside in re.findall(r"([A-Za-z_:][\w:]*)\{([^}]*)\}", expr):
        matchers = re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', inside)
        found.append(Selector(name, {label: (operator, value) for label, operator, value in matchers}))
    rest = re.sub(r"by \([^)]*\)|\{[^}]*\}|\[[^\]]*\]|\$\w+", " ", expr)
    words = set(re.findall(r"[A-Za-z_:][\w:]*", rest)) - FUNCTIONS
    assert words == {each.name for each in found}, f"names without a selector in {expr}"
    return found


def groupings(expr: str) -> set[str]:
    """Every label that a `by (…)` names."""
    return {
        label for inside in re.findall(r"by \(([^)]*)\)", expr) for label in inside.replace(" ", "").split(",")
    }


def legend_labels(legend: str) -> set[str]:
    return set(re.findall(r"\{\{(\w+)\}\}", legend))
