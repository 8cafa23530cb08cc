"""Every fault that can be planted, and by what a user sees it: the outcome, the metric, the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prober.demo.target.faults import FaultName
from prober.outcome import Violation
from prober.publish.journal.reader import Reader
from tests.system.watching import Scrape


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A series by which a fault is told: the sum over all samples that have these labels."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    wanted: Callable[[float, float], bool]  # (before, now)
    words: str

    def seen(self, before: Scrape, now: Scrape) -> bool:
        """Whether it tells."""
        return self.wanted(self._value(before), self._value(now))

    def _value(self, scrape: Scrape) -> float:
        return scrape.total(self.name, **self.labels)

    def __str__(self) -> str:
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        return f"`{self.name}{{{labels}}}` {self.words}" if labels else f"`{self.name}` {self.words}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault. `needs_down`: a service that has to be down as well, for a page to lie about."""

    fault: FaultName
    outcome: str
    sign: Sign
    evidence: Callable[[Reader], str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs_down: str | None = None


def grows(name: str, **labels: str) -> Sign:
    return Sign(name=name, labels=labels, wanted=lambda before, now: now > before, words="grows")


def reaches(name: str, least: float, **labels: str) -> Sign:
    return Sign(name=name, labels=labels, wanted=lambda _, now: now >= least, words=f">= {least:g}")


def _violation(fault: FaultName, kind: Violation, **parameters: Any) -> Case:
    name = "vendor_routing_race_conditions_total" if kind in RACE_KINDS else "whatsapp_webhook_violations_total"

    def evidence(reader: Reader) -> str:
        found = reader.violations(kind, limit=1)
        return f"`prober evidence {found[0].id}`: {found[0].sentence}" if found else ""

    return Case(fault=fault, outcome=kind, sign=grows(name, kind=kind), evidence=evidence, parameters=parameters)


def _detail(probe: str, outcome: str | None = None) -> Callable[[Reader], str]:
    """What the newest result of a probe says, of those with this outcome."""

    def evidence(reader: Reader) -> str:
        results = reader.results(probe, limit=50)
        return next((r.detail for r in results if outcome in (None, r.outcome)), "")

    return evidence


def _specifics(probe: str, *path: str, least: float | None = None) -> Callable[[Reader], str]:
    """A value out of the newest result of a probe that has it; of figures one that is no smaller than `least`."""

    def evidence(reader: Reader) -> str:
        for result in reader.results(probe, limit=200):
            value: object = result.specifics
            for key in path:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value in (None, [], {}):
                continue
            if least is None or (isinstance(value, int | float) and value >= least):
                return f"{'.'.join(path)}: {value}"
        return ""

    return evidence


RACE_KINDS = frozenset(
    {
        Violation.MULTIPLE_WINNERS,
        Violation.PHANTOM_WINNER,
        Violation.LATE_WINNER,
        Violation.NOT_IDEMPOTENT,
        Violation.SPLIT_ORDER,
        Violation.NO_WINNER,
    }
)

CASES: tuple[Case, ...] = (
    _violation(FaultName.DOUBLE_ACCEPT, Violation.MULTIPLE_WINNERS),
    _violation(FaultName.DOUBLE_ACCEPT_RARE, Violation.MULTIPLE_WINNERS),
    _violation(FaultName.SPLIT_ORDER, Violation.SPLIT_ORDER),
    _violation(FaultName.PHANTOM_WINNER, Violation.PHANTOM_WINNER),
    _violation(FaultName.NO_WINNER, Violation.NO_WINNER),
    _violation(FaultName.LATE_WINNER, Violation.LATE_WINNER),
    _violation(FaultName.NOT_IDEMPOTENT, Violation.NOT_IDEMPOTENT),
    _violation(FaultName.DUPLICATE_EFFECT, Violation.DUPLICATE_EFFECT),
    _violation(FaultName.FORGED_ACCEPTED, Violation.FORGED_ACCEPTED),
    _violation(FaultName.UNSIGNED_ACCEPTED, Violation.UNSIGNED_ACCEPTED),
    _violation(FaultName.REPLAY_ACCEPTED, Violation.REPLAY_ACCEPTED),
    _violation(FaultName.LOST_MESSAGE, Violation.LOST_MESSAGE),
    Case(
        fault=FaultName.LATE_PROCESSING,
        outcome="late, after it was called lost",
        parameters={"delay_seconds": 5},
        sign=grows("whatsapp_webhook_late_total"),
        evidence=lambda reader: next(
            (
                w.sentence or ""
                for r in reader.results("webhook", limit=200)
                if (w := reader.webhook(r.run_id)) is not None and w.settlement == "late"
            ),
            "",
        ),
    ),
    Case(
        fault=FaultName.SLOW,
        outcome="ok, slow",
        parameters={"delay_ms": 700},
        sign=Sign(
            name="prober_probe_duration_seconds",
            labels={"probe": "webhook"},
            wanted=lambda _, now: now > 0.5,
            words="> 0.5",
        ),
        evidence=_specifics("webhook", "phases", "wait"),
    ),
    Case(
        fault=FaultName.HANG,
        outcome="timeout, an outage of the webhook path",
        sign=reaches("prober_outage", 1, probe="webhook"),
        evidence=_detail("webhook", "timeout"),
    ),
    Case(
        fault=FaultName.ERRORS,
        outcome="server_error, an outage of the webhook path",
        sign=grows("whatsapp_webhook_errors_total", reason="server_error"),
        evidence=_detail("webhook", "server_error"),
    ),
    Case(
        fault=FaultName.RATE_LIMITED,
        outcome="rate_limited, no error of the endpoint",
        parameters={"retry_after_seconds": 2},
        sign=grows("whatsapp_webhook_requests_total", code="429"),
        evidence=_detail("webhook", "rate_limited"),
    ),
    Case(
        fault=FaultName.POOL_LEAK,
        outcome="pool usage",
        sign=reaches("db_connection_pool_usage", 0.8),
        evidence=_specifics("database", "stats", "pool_usage", least=0.8),
    ),
    Case(
        fault=FaultName.ROLLBACKS,
        outcome="rollbacks",
        sign=grows("db_transaction_rollbacks_total"),
        evidence=_specifics("database", "stats", "rollbacks"),
    ),
    Case(
        fault=FaultName.STUCK_QUEUE,
        outcome="backlog",
        sign=reaches("redis_queue_backlog", 3),
        evidence=_specifics("redis", "backlog", "whatsapp-webhooks", least=3),
    ),
    Case(
        fault=FaultName.HEALTH_LIES,
        outcome="health_lies",
        needs_down="redis",
        sign=reaches("prober_health_lies", 1),
        evidence=_specifics("health", "lies"),
    ),
    Case(
        fault=FaultName.ROUTES_MISSING,
        outcome="routes_missing",
        sign=reaches("prober_routes_missing", 1),
        evidence=_detail("health", "unexpected_status"),
    ),
)
