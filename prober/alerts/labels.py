"""The closed sets that are labels of alerts alone; all others are in `prober.outcome`."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How urgent an alert is; the value of its label `severity`."""

    CRITICAL = "critical"  # wakes on-call, unless the alert says `wakes="false"`
    WARNING = "warning"  # a ticket, for working hours
    NONE = "none"  # never sent to people: the watchdog, and what other alerts are held back by


class Subject(StrEnum):
    """What an alert says is broken; the value of its label `subject`, by which Alertmanager groups."""

    WEBHOOK = "webhook"
    ROUTING = "routing"
    REDIS = "redis"
    DATABASE = "database"
    SUITES = "suites"
    PROBER = "prober"
