"""What every dashboard marks in time: outages, violations, drills, maintenance, pauses; from our metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.models import dashboard as grafana

from prober.dashboards.panel import Color
from prober.dashboards.promql import age, of, over
from prober.web.catalogue import probing, suites

# The finest step at which Grafana asks; in a longer window it asks more coarsely, and `$__interval` says how much.
STEP = "30s"


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark stands where the expression is 1; `title` may name its labels."""

    name: str
    color: Color
    expr: str
    title: str


def _within(selector: str, *by: str) -> str:
    """1 for each step in which it was 1 at any time, so that a short one is not missed between two steps."""
    return f"{over('max', f'max_over_time({selector}[$__interval])', *by)} == 1"


MARKS = (
    Mark("Outages", Color.RED, _within(of(probing.OUTAGE), "probe"), "{{probe}} down"),
    Mark(
        "Violations",
        Color.DARK_RED,
        # Twice the step: what was found just before a step is scraped only after it.
        f"{age(probing.LAST_VIOLATION, 'kind')} <= bool ($__interval_ms / 500) == 1",
        "violation: {{kind}}",
    ),
    Mark("Drills and suites", Color.PURPLE, _within(of(suites.SUITE_RUNNING), "suite"), "{{suite}} running"),
    Mark("Maintenance", Color.BLUE, _within(of(probing.MAINTENANCE)), "maintenance"),
    Mark("Pauses", Color.ORANGE, _within(of(probing.PAUSED)), "paused"),
)


class Annotation(grafana.AnnotationQuery):
    """An annotation of a Prometheus, with the keys of its plugin that the SDK's model does not know."""

    def __init__(self, mark: Mark, datasource: grafana.DataSourceRef) -> None:
        super().__init__(
            name=mark.name, datasource=datasource, enable=True, icon_color=mark.color, hide=False, expr=mark.expr
        )
        self._mark = mark

    def to_json(self) -> dict[str, Any]:
        """As Grafana stores it."""
        return {
            **super().to_json(),
            "step": STEP,
            "titleFormat": self._mark.title,
            "textFormat": "",
            "tagKeys": "",
        }


PLUGIN_KEYS = frozenset({"step", "titleFormat", "textFormat", "tagKeys"})
