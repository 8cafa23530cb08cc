"""The shape that all alerts on the prober itself share."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.outcome import Dashboard

LOG = Look("its log", "journalctl -u prober -n 100")
STATUS = Look("what it knows", "prober status")


def on_prober(
    name: str,
    expr: str,
    severity: Severity,
    summary: str,
    description: str,
    runbook: Runbook,
    *,
    pending: str = "",
    at_once: str = "",
    keeps: tuple[str, ...] = (),
) -> Alert:
    """An alert whose subject is the prober."""
    return Alert(
        name=name,
        expr=expr,
        severity=severity,
        subject=Subject.PROBER,
        pending=pending,
        at_once=at_once,
        keeps=keeps,
        summary=summary,
        description=description,
        dashboard=Dashboard.OVERVIEW,
        runbook=runbook,
    )
