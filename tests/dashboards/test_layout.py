"""Where panels stand, where links lead, and that colours change at the guide's breaking points."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.dashboards.annotations import MARKS
from prober.dashboards.declarations import DASHBOARDS
from prober.dashboards.panel import WIDTH, Color, Place, Step
from prober.dashboards.thresholds import ABOVE_NOTHING, COLORS, breaking, budget
from prober.guide.breaking_points import bands, edges, measures_of, read
from prober.guide.units import domain
from prober.outcome import Measure, Suite, Verdict
from tests.dashboards.reading import load, panels

SCREEN = 20  # rows of the grid that a screen of 1080 lines shows
JUDGED = [(suite, measure) for suite in Suite for measure in measures_of(suite)]


def color_at(steps: tuple[Step, ...], value: float) -> Color:
    """As Grafana reads thresholds: the last step whose value is reached."""
    return [step.color for step in steps if step.value is None or value >= step.value][-1]


def test_there_are_six_and_each_place_has_one() -> None:
    assert [dashboard.place for dashboard in DASHBOARDS] == list(Place)


@pytest.mark.parametrize("place", Place)
def test_panels_stand_in_the_grid_and_not_on_each_other(place: Place) -> None:
    document = load(place)
    boxes = [panel["gridPos"] for panel in document["panels"]]
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= WIDTH and box["h"] > 0 for box in boxes)

    def apart(a: dict[str, int], b: dict[str, int]) -> bool:
        return (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )

    assert all(apart(a, b) for a, b in combinations(boxes, 2))
    ids = [panel["id"] for panel in document["panels"]]
    assert ids == list(range(1, len(ids) + 1))


def test_the_overview_is_seen_without_scrolling() -> None:
    boxes = [panel["gridPos"] for panel in load(Place.OVERVIEW)["panels"]]
    assert max(box["y"] + box["h"] for box in boxes) <= SCREEN
    # And no hole in it: every cell down to the last row is some panel's.
    assert sum(box["w"] * box["h"] for box in boxes) == WIDTH * max(box["y"] + box["h"] for box in boxes)


@pytest.mark.parametrize("place", Place)
def test_links_lead_to_the_other_dashboards_and_keep_what_is_chosen(place: Place) -> None:
    document = load(place)
    assert [link["url"] for link in document["links"]] == [f"/d/{other}" for other in Place if other is not place]
    assert all(link["includeVars"] and link["keepTime"] for link in document["links"])
    for panel in panels(document):
        for link in panel.get("links") or []:
            uid, _, query = link["url"].removeprefix("/d/").partition("?")
            assert uid in set(Place)
            assert "${__url_time_range}" in query
            assert all(f"${{{name}:queryparam}}" in query for name in ("datasource", "job", "region", "instance"))


@pytest.mark.parametrize("place", [place for place in Place if place is not Place.OVERVIEW])
def test_the_prober_s_own_health_ends_every_dashboard(place: Place) -> None:
    headings = [panel["title"] for panel in load(place)["panels"] if panel["type"] == "row"]
    assert headings[-1] == "The prober itself"


@pytest.mark.parametrize("place", Place)
def test_the_marks_are_on_every_dashboard(place: Place) -> None:
    names = [annotation["name"] for annotation in load(place)["annotations"]["list"]]
    assert names == ["Outages", "Violations", "Drills and suites", "Maintenance", "Pauses"]
    assert names == [mark.name for mark in MARKS]


@pytest.mark.parametrize(("suite", "measure"), JUDGED)
def test_colours_change_where_the_guide_says(suite: Suite, measure: Measure) -> None:
    steps = breaking(suite, measure)
    assert steps[0].value is None
    values = [step.value for step in steps[1:] if step.value is not None]
    assert values == sorted(set(values))
    edged = {edge.value for edge in edges(measure, suite)}
    assert {0.0 if value == ABOVE_NOTHING else value for value in values} <= edged


@pytest.mark.parametrize(("suite", "measure"), JUDGED)
@given(data=st.data())
def test_every_figure_has_the_colour_of_its_verdict(suite: Suite, measure: Measure, data: Any) -> None:
    whole = domain(measure)
    value = data.draw(st.floats(whole.low, min(whole.high, 1e5), allow_nan=False))
    ends = {end for band in bands(suite, measure) for end in band.range.ends}
    if any(abs(value - end) < 2 * ABOVE_NOTHING for end in ends if end != value) or (value in ends and value != 0):
        return  # Grafana's steps begin at their value; some of the guide's begin just above it
    wanted = read(suite, measure, value).verdict
    got = color_at(breaking(suite, measure), value)
    assert got is COLORS[wanted] or (wanted is Verdict.CRITICAL and got is Color.DARK_RED)


def test_budgets_are_the_guide_s() -> None:
    assert budget(Measure.DATABASE_P99)[1] == Step(0.1, Color.ORANGE)
    assert budget(Measure.QUEUE_P99)[1] == Step(0.05, Color.ORANGE)


def test_the_web_page_s_breaking_points_are_drawn() -> None:
    by_title = {panel["title"]: panel for panel in panels(load(Place.WEBHOOK))}
    steps = by_title["Answer time, five minutes"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [
        (None, "green"),
        (0.5, "orange"),
        (2.0, "red"),
        (5.0, "dark-red"),
    ]
    assert by_title["Answer time, five minutes"]["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {
        "mode": "dashed"
    }
