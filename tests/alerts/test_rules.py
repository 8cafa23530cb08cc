"""What a rule linter would check, on the texts that are checked in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.alerts.alert import Alert, Runbook
from prober.alerts.declarations import ALERTS, BY_NAME
from prober.alerts.labels import Severity, Subject
from prober.alerts.prometheus_example import INTERVAL
from prober.outcome import Dashboard

from .labels import OF_A_TARGET, exported, kept, recorded
from .promql import COMPARISONS, Binary, Call, Node, Number, Selector, parse, selectors, walk

ROOT = Path(__file__).parent.parent.parent
RULES: list[dict[str, Any]] = [
    rule
    for file in sorted((ROOT / "alerts").glob("*.rules.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
NAMES = [rule.get("alert", rule.get("record")) for rule in RULES]
every_rule = pytest.mark.parametrize("rule", RULES, ids=NAMES)
every_alert = pytest.mark.parametrize("rule", [r for r in RULES if "alert" in r], ids=[n for r, n in zip(RULES, NAMES, strict=True) if "alert" in r])  # fmt: skip # noqa: E501

# Functions over counters, and the least of what they need: four scrapes.
OF_COUNTERS = frozenset({"rate", "increase"})
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
SCRAPES = 4
TEMPLATE = re.compile(r"\{\{(.*?)\}\}")


def seconds(duration: str) -> int:
    return int(duration[:-1]) * SECONDS[duration[-1]]


def known() -> dict[str, dict[str, frozenset[str]]]:
    found = dict(exported())
    for name, labels in recorded().items():
        found[name] = {**found.get(name, {}), **labels}
    return found


def matched(value: str, operator: str) -> set[str]:
    return set(value.split("|")) if operator in ("=~", "!~") else {value}


@every_rule
def test_every_selector_names_what_exists(rule: dict[str, Any]) -> None:
    there = known()
    for selector in selectors(parse(rule["expr"])):
        assert selector.name in there, selector
        labels = there[selector.name]
        for label, operator, value in selector.matchers:
            if label in OF_A_TARGET:
                continue
            assert label in labels, f"{selector.name} has no label {label}"
            if labels[label]:
                assert matched(value, operator) <= labels[label], selector


@every_rule
def test_every_selector_takes_our_own_series_alone(rule: dict[str, Any]) -> None:
    for selector in selectors(parse(rule["expr"])):
        assert ("job", "=", "prober") in selector.matchers, selector


@every_rule
def test_every_rate_sees_four_scrapes(rule: dict[str, Any]) -> None:
    for node in walk(parse(rule["expr"])):
        if isinstance(node, Call) and node.arguments and isinstance(node.arguments[0], Selector):
            window = node.arguments[0].window
            counter = node.arguments[0].name.endswith(("_total", "_count", "_sum", "_bucket"))
            assert window is None or seconds(window) >= SCRAPES * seconds(INTERVAL), node
            assert node.function not in OF_COUNTERS or counter, f"{node.function} of a gauge"


@every_rule
def test_every_histogram_quantile_and_aggregation_keeps_the_region(rule: dict[str, Any]) -> None:
    for node in walk(parse(rule["expr"])):
        by = getattr(node, "by", None)
        if by is not None:
            assert {"job", "region"} <= set(by), node
        if isinstance(node, Call) and node.function == "histogram_quantile":
            assert "le" in kept(node.arguments[1])


def thresholds(node: Node) -> list[Binary]:
    return [each for each in walk(node) if isinstance(each, Binary) and each.operator in COMPARISONS]


@every_alert
def test_every_comparison_has_a_threshold(rule: dict[str, Any]) -> None:
    found = thresholds(parse(rule["expr"]))
    assert found or rule["alert"] == "Watchdog"
    assert all(isinstance(each.right, Number) for each in found), rule["expr"]


@every_alert
def test_every_template_uses_what_the_expression_keeps(rule: dict[str, Any]) -> None:
    labels = kept(parse(rule["expr"]))
    for text in rule["annotations"].values():
        for inside in TEMPLATE.findall(text):
            for label in re.findall(r"\$labels\.(\w+)", inside):
                assert label in labels, f"{rule['alert']}: {label} is not among {sorted(labels)}"
            assert "$labels." in inside or "$value" in inside or inside.strip() == "end", inside


@every_alert
def test_the_declared_labels_are_those_that_are_kept(rule: dict[str, Any]) -> None:
    alert = BY_NAME[rule["alert"]]
    assert set(alert.keeps) == kept(parse(rule["expr"])) - {"job", "region"}


@every_alert
def test_everything_that_on_call_needs_is_there(rule: dict[str, Any]) -> None:
    alert = BY_NAME[rule["alert"]]
    assert rule["labels"]["severity"] in set(Severity)
    assert rule["labels"]["subject"] in set(Subject)
    assert "$value" in rule["annotations"]["description"]
    assert len(rule["annotations"]["summary"]) <= 100
    assert "\n" not in rule["annotations"]["summary"]
    assert rule["annotations"]["dashboard"].rsplit("/", 1)[1] in set(Dashboard)
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{alert.name}.md")
    assert rule.get("for", "") == alert.pending
    assert ("for" in rule) != bool(alert.at_once)


def test_names_are_unique() -> None:
    alerts = [rule["alert"] for rule in RULES if "alert" in rule]
    assert len(alerts) == len(set(alerts)) == len(ALERTS)


def test_an_alert_without_for_has_to_say_why() -> None:
    book = Runbook(means="", look=(), causes=(), do=(), false_alarms=())
    plain: dict[str, Any] = {
        "name": "X",
        "expr": "vector(1)",
        "severity": Severity.WARNING,
        "subject": Subject.PROBER,
        "summary": "",
        "description": "",
        "runbook": book,
        "dashboard": Dashboard.OVERVIEW,
    }
    for wrong in ({}, {"pending": "1m", "at_once": "because"}):
        with pytest.raises(ValueError, match="X: give either"):
            Alert(**{**plain, **wrong})


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('sum by (job, probe) (rate(prober_probe_runs_total{job="prober"}[5m])) > 1', {"job", "probe"}),
        ('up{job="prober"} == 0', {"job", "instance", "region"}),
        ('absent(up{job="prober"} == 1)', set()),
        ("(1 + 2) * 3", set()),
        ('1 - up{job="prober"} / on (job) group_left () up{job="prober"}', {"job", "instance", "region"}),
    ],
)
def test_the_reader_of_the_tests_itself(text: str, labels: set[str]) -> None:
    assert kept(parse(text)) == labels
    with pytest.raises(ValueError, match=r"expected|cannot read"):
        parse(text + " )")
