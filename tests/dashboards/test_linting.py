"""The rules of Grafana's public dashboard linter, each a test of the checked-in JSON."""

from __future__ import annotations

import re
from typing import Any

import pytest

from prober.dashboards.panel import Place, Unit
from prober.web.metric import Kind
from tests.dashboards.reading import expressions, groupings, legend_labels, load, panels, selectors

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

pytestmark = pytest.mark.parametrize("place", Place)


def variables(place: Place) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in load(place)["templating"]["list"]}


def test_it_cannot_be_edited_in_grafana(place: Place) -> None:
    document = load(place)
    assert (document["uid"], document["editable"]) == (place, False)


def test_template_datasource(place: Place) -> None:
    source = variables(place)["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")


@pytest.mark.parametrize(("name", "everything"), [("job", ".+"), ("region", ".*"), ("instance", ".+")])
def test_template_variables(place: Place, name: str, everything: str) -> None:
    variable = variables(place)[name]
    assert list(variables(place)) == ["datasource", "job", "region", "instance"]
    assert (variable["type"], variable["datasource"]) == ("query", DATASOURCE)
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, everything)
    assert variable["label"]
    assert variable["refresh"] == 2, "asked anew when the time range changes"
    assert re.fullmatch(rf"label_values\(prober_build_info(\{{.*\}})?, {name}\)", variable["query"])


def test_every_panel_has_title_description_unit_datasource_and_targets(place: Place) -> None:
    titles = [panel["title"] for panel in panels(load(place))]
    assert len(titles) == len(set(titles))
    for panel in panels(load(place)):
        assert panel["title"]
        question, good = panel["description"].split("\n\nGood: ")
        assert question.rstrip().endswith(("?", ".", "…"))
        assert "?" in question
        assert good.endswith(".")
        assert panel["datasource"] == DATASOURCE
        assert panel["fieldConfig"]["defaults"]["unit"] in set(Unit)
        assert panel["targets"]
        assert [target["datasource"] for target in panel["targets"]] == [DATASOURCE] * len(panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_a_stat_asks_for_now_and_a_graph_for_the_range(place: Place) -> None:
    for panel in panels(load(place)):
        for target in panel["targets"]:
            assert target["instant"] == (panel["type"] == "stat"), panel["title"]


def test_job_region_and_instance_are_matched(place: Place) -> None:
    for where, expr in expressions(load(place)):
        for selector in selectors(expr):
            wanted = {"job": ("=~", "$job"), "region": ("=~", "$region"), "instance": ("=~", "$instance")}
            if selector.recorded:  # over all instances
                del wanted["instance"]
            got = {label: selector.matchers.get(label) for label in ("job", "region", "instance")}
            assert {label: got[label] for label in wanted} == wanted, where


def test_rates_are_over_the_rate_interval(place: Place) -> None:
    for where, expr in expressions(load(place)):
        for function, window in re.findall(r"(\w+)\([^()\[\]]*\[([^\]]*)\]", expr):
            allowed = {"rate": {"$__rate_interval"}, "increase": {"$__rate_interval", "$__range"}}
            assert window in allowed.get(function, {"$__interval"}), where


def test_counters_and_histograms_are_never_shown_raw(place: Place) -> None:
    for where, expr in expressions(load(place)):
        for selector in selectors(expr):
            metric = selector.metric
            if metric is not None and metric.kind in {Kind.COUNTER, Kind.HISTOGRAM}:
                raw = re.escape(selector.name) + r"\{[^}]*\}(?!\[)"
                assert not re.search(raw, expr), where


def test_every_selector_names_what_the_prober_exports(place: Place) -> None:
    for where, expr in expressions(load(place)):
        for selector in selectors(expr):
            if selector.recorded or selector.name == "up":
                continue
            metric = selector.metric
            assert metric is not None, f"{where}: {selector.name}"
            own = {label.name: label for label in metric.labels}
            for label, (operator, value) in selector.matchers.items():
                if label in {"job", "region", "instance"}:
                    continue
                assert label in own, f"{where}: {selector.name} has no label {label}"
                known = own[label].values
                if known and operator in {"=", "!="}:
                    assert value in known, where
                elif known:
                    assert [one for one in known if re.fullmatch(value, one)], where


def test_grouped_labels_exist_and_legends_name_none_that_is_gone(place: Place) -> None:
    for where, expr in expressions(load(place)):
        found = {"job", "region", "instance", "le"}
        for selector in selectors(expr):
            metric = selector.metric
            found |= {label.name for label in metric.labels} if metric else set()
        assert groupings(expr) <= found, where
    for panel in panels(load(place)):
        for target in panel["targets"]:
            assert legend_labels(target["legendFormat"]) <= groupings(target["expr"]), panel["title"]
    for annotation in load(place)["annotations"]["list"]:
        assert legend_labels(annotation["titleFormat"]) <= groupings(annotation["expr"])
