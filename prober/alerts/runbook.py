"""The page of one alert: what it means, what to look at, what to do; made of its declaration."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look
from prober.alerts.declarations import FILES
from prober.alerts.inhibitions import FOLLOWS
from prober.alerts.labels import Severity
from prober.guide.advice.recommendation import Recommendation

_WHO = {
    Severity.CRITICAL: "wakes on-call",
    Severity.WARNING: "a ticket, for working hours",
    Severity.NONE: "sent to nobody",
}


def runbook_text(alert: Alert) -> str:
    """One page."""
    book = alert.runbook
    parts = [
        f"# {alert.name}",
        "Written by `python -m prober.alerts`; do not edit.",
        f"> {_plain(alert.summary)}",
        _facts(alert),
        f"## What it means\n\n{book.means}",
        "## First look\n\n" + "\n".join(_look(each) for each in book.look),
        f"Dashboard: `{alert.dashboard}`; status page: `/` of the prober.",
        "## Likely causes\n\n" + "\n".join(f"- {each}" for each in book.causes),
        "## What to do\n\n" + "\n".join(f"{place}. {each}" for place, each in enumerate(book.do, 1)),
        *_advice(book.advice),
        "## Silence it\n\n" + _silence(alert),
        "## When it is a false alarm\n\n" + "\n".join(f"- {each}" for each in book.false_alarms),
        f"## The rule\n\n```promql\n{alert.expr}\n```\n\n" + _when(alert),
    ]
    return "\n\n".join(parts) + "\n"


def index_text() -> str:
    """docs/runbooks/README.md."""
    lines = ["# Runbooks", "", "Written by `python -m prober.alerts`; do not edit. One page for each alert.", ""]
    for file in FILES:
        if not file.alerts:
            continue
        lines += [f"## {file.name}", "", "| alert | severity | says |", "|---|---|---|"]
        lines += [
            f"| [{alert.name}]({alert.name}.md) | {_who(alert)} | {_plain(alert.summary)} |"
            for alert in file.alerts
        ]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _facts(alert: Alert) -> str:
    rows = [f"- severity `{alert.severity}`: {_who(alert)}", f"- subject `{alert.subject}`"]
    held_back_by = [cause for cause, follows in FOLLOWS.items() if alert.name in follows]
    if held_back_by:
        rows.append(f"- held back while one of these fires: {_links(held_back_by)}")
    if alert.name in FOLLOWS:
        rows.append(f"- holds back: {_links(FOLLOWS[alert.name])}")
    return "\n".join(rows)


def _who(alert: Alert) -> str:
    return _WHO[alert.severity] if alert.wakes else "critical by the guide, and can wait for the morning"


def _links(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"[{name}]({name}.md)" for name in names)


def _look(each: Look) -> str:
    return f"- {each.what}: `{each.query}`"


def _advice(advice: tuple[Recommendation, ...]) -> list[str]:
    if not advice:
        return []
    return ["## The guide's advice, put right", *(_recommendation(each) for each in advice)]


def _recommendation(each: Recommendation) -> str:
    parts = [f"### {each.title}", f"{each.issue}. Source: {each.source}.", each.text]
    if each.corrected is not None:
        parts.append(f"*Corrected*: {each.corrected}")
    return "\n\n".join(parts)


def _silence(alert: Alert) -> str:
    command = (
        f"`amtool silence add alertname={alert.name} --duration=2h --comment='…'`, with `region=…` where there "
        "are several. A silence is for one alert and a short time."
    )
    own = alert.runbook.silence
    return f"{own}\n\n{command}" if own else command


def _when(alert: Alert) -> str:
    if alert.pending:
        return f"It has to hold for {alert.pending}."
    return f"It fires at once: {alert.at_once}."


def _plain(template: str) -> str:
    """A template for people: `{{ $value | humanizeDuration }}` becomes `…`."""
    text, rest = "", template
    while "{{" in rest:
        before, _, after = rest.partition("{{")
        inside, _, rest = after.partition("}}")
        label = inside.strip().removeprefix("$labels.") if "$labels." in inside else ""
        text += before + (f"‹{label}›" if label else "…")
    return text + rest
