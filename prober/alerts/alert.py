"""What one alert is: its expression, when it fires, what it tells on-call, and its runbook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prober.alerts.labels import Severity, Subject
from prober.guide.advice.recommendation import Recommendation
from prober.outcome import Dashboard


@dataclass(frozen=True, slots=True)
class Look:
    """One thing to look at first: what for, and the query or command that shows it."""

    what: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """What the page of an alert says beyond the alert itself. All texts are Markdown."""

    means: str
    look: tuple[Look, ...]
    causes: tuple[str, ...]
    do: tuple[str, ...]
    advice: tuple[Recommendation, ...] = ()  # the guide's, put right
    false_alarms: tuple[str, ...]
    silence: str = ""  # what to mind, beyond what holds for every alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule.

    `expr` keeps the labels `keeps` beside `job` and `region`; the templates may use no others. Without `pending`
    (Prometheus calls it `for`) it fires at once, and `at_once` says why. `wakes` is false for what is critical by
    the guide's table and yet can wait for the morning. `marks` are labels beyond severity and subject.
    """

    name: str
    expr: str
    severity: Severity
    subject: Subject
    summary: str
    description: str
    runbook: Runbook
    dashboard: Dashboard
    pending: str = ""
    at_once: str = ""
    wakes: bool = True
    keeps: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.pending) == bool(self.at_once):
            raise ValueError(f"{self.name}: give either `pending`, or `at_once` with the reason to do without")

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels that the rule adds."""
        labels = {"severity": str(self.severity), "subject": str(self.subject), **self.marks}
        return labels if self.wakes else {**labels, "wakes": "false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording rule; `why` says what it is for."""

    record: str
    expr: str
    why: str
    labels: Mapping[str, str] = field(default_factory=dict)
