"""The pages that are made of the declarations: current, complete, in step with rules and dashboards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from prober.alerts.__main__ import ALERTING, files
from prober.alerts.alert import Alert
from prober.alerts.coverage import ALERTS as GUIDES_ALERTS
from prober.alerts.coverage import KEY_METRICS, METRICS, SCENARIOS, alert_for
from prober.alerts.declarations import ALERTS, BY_NAME
from prober.alerts.doc import MEASURED, measured_part, with_measured
from prober.alerts.labels import Severity
from prober.alerts.places import Places
from prober.alerts.runbook import runbook_text
from prober.guide.breaking_points import BAD, GUIDE
from prober.outcome import Dashboard, Measure, Suite
from prober.suites.scenarios import SCENARIOS as RUN
from prober.web.catalogue import METRICS as CATALOGUE

ROOT = Path(__file__).parent.parent.parent
ASKS = (Path(__file__).parent / "guide_asks.md").read_text(encoding="utf-8")
DOC = (ROOT / ALERTING).read_text(encoding="utf-8")


def test_everything_is_current() -> None:
    made = files(Places(), DOC)
    for path, text in made.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is not current: python -m prober.alerts"
    rules = {path.relative_to(ROOT) for path in (ROOT / "alerts").glob("*.yml")}
    runbooks = {path.relative_to(ROOT) for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert rules | runbooks <= made.keys()


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
def test_every_runbook_says_what_on_call_needs(alert: Alert) -> None:
    text = runbook_text(alert)
    for heading in (
        "What it means",
        "First look",
        "Likely causes",
        "What to do",
        "Silence it",
        "When it is a false alarm",
    ):
        assert f"\n## {heading}\n" in text
    assert alert.expr in text
    assert "{{" not in text.split("## The rule")[0].replace("${{", "")
    assert alert.runbook.look
    assert alert.runbook.causes
    assert alert.runbook.do
    assert alert.runbook.false_alarms


@pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
def test_every_query_of_a_runbook_names_metrics_that_exist(alert: Alert) -> None:
    exported = {metric.name for metric in CATALOGUE}
    for look in alert.runbook.look:
        for name in re.findall(r"\b((?:whatsapp|vendor|redis|db|prober)_[a-z_]+)\{", look.query):
            plain = re.sub(r"_(bucket|count|sum)$", "", name)
            process = name.startswith("prober_web_process")
            assert {name, plain} & exported or process, f"{alert.name}: {name}"


def test_dashboards_are_those_that_there_are() -> None:
    folder = ROOT / "grafana/dashboards"
    uids = {json.loads(path.read_text(encoding="utf-8"))["uid"] for path in folder.glob("*.json")}
    assert {str(alert.dashboard) for alert in ALERTS} <= uids
    assert set(Dashboard) == uids


def test_every_bad_row_of_the_guide_has_an_alert_as_severe_as_the_guide_is() -> None:
    for point in GUIDE:
        if point.verdict not in BAD:
            continue
        alert = BY_NAME[alert_for(point)]
        stricter = point.measure is Measure.RACE_CONDITIONS
        assert str(alert.severity) == str(point.verdict) or (stricter and alert.severity is Severity.CRITICAL)
    with pytest.raises(LookupError):
        alert_for(next(point for point in GUIDE if point.measure is Measure.RPS and point.verdict not in BAD))


def section(title: str) -> str:
    return ASKS.split(f"{title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_metric_and_alert_that_the_guide_names_is_answered() -> None:
    block = section("### Prometheus Metrics to Track").split("```")[1]
    named = [line for line in block.splitlines() if line and not line.startswith("#")]
    assert [answer.line for answer in METRICS] == named
    assert set(named) <= {metric.name for metric in CATALOGUE}
    rules = re.findall(r"- alert: (\w+)\n\s+expr: (.+)", section("### Alert Rules (Recommended)"))
    assert [answer.line for answer in GUIDES_ALERTS] == [f"{name}: {expr}" for name, expr in rules]
    assert {name for name, _ in rules} <= BY_NAME.keys()


@pytest.mark.parametrize("suite", list(Suite))
def test_every_scenario_and_key_metric_of_the_guide_is_answered(suite: Suite) -> None:
    part = re.split(r"^### \d\. ", ASKS, flags=re.MULTILINE)[1:][list(Suite).index(suite)]
    scenarios, metrics = part.split("**Key Metrics:**")
    lines = [line.removeprefix("- ").replace("`", "") for line in scenarios.splitlines() if line.startswith("- ")]
    assert [answer.line for answer in SCENARIOS[suite]] == lines
    assert [line.split(" - ")[0] for line in lines] == list(RUN[suite])
    wanted = [line.removeprefix("- ") for line in metrics.splitlines() if line.startswith("- ")]
    assert [answer.line for answer in KEY_METRICS[suite]] == wanted


@pytest.mark.parametrize("name", MEASURED)
def test_what_was_measured_stays_when_the_page_is_written_anew(name: str) -> None:
    measured = with_measured(DOC, name, "| a | b |")
    assert measured_part(measured, name) == "| a | b |"
    assert files(Places(), measured)[ALERTING] == measured
    for other in MEASURED.keys() - {name}:
        assert measured_part(measured, other) == measured_part(DOC, other)
    assert measured_part("nothing of it", name) == ""
