"""The rule files for Prometheus, made of the declarations."""

from __future__ import annotations

from prober.alerts.alert import Alert, Recording
from prober.alerts.declarations import RuleFile
from prober.alerts.places import Places
from prober.alerts.yaml_text import yaml_text

HEAD = "# Written by `python -m prober.alerts`; do not edit. What each alert means: docs/runbooks/.\n"


def rule_text(file: RuleFile, places: Places) -> str:
    """One file."""
    rules = [*(_recording(each) for each in file.recordings), *(_alert(each, places) for each in file.alerts)]
    return HEAD + yaml_text({"groups": [{"name": f"prober-{file.name}", "rules": rules}]})


def _recording(each: Recording) -> dict[str, object]:
    rule: dict[str, object] = {"record": each.record, "expr": each.expr}
    return {**rule, "labels": dict(each.labels)} if each.labels else rule


def _alert(each: Alert, places: Places) -> dict[str, object]:
    rule: dict[str, object] = {"alert": each.name, "expr": each.expr}
    if each.pending:
        rule["for"] = each.pending
    return {
        **rule,
        "labels": dict(each.labels),
        "annotations": {
            "summary": each.summary,
            "description": each.description,
            "dashboard": places.dashboard(each),
            "runbook_url": places.runbook(each),
        },
    }
