"""Every alert and every recording rule, in the files and groups in which Prometheus gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prober.alerts import (
    burn_rate,
    database,
    prober_itself,
    prober_writing,
    recording,
    redis,
    routing,
    suites,
    violations,
    webhook,
)
from prober.alerts.alert import Alert, Recording


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of rules: recordings first, since what alerts read has to be there before."""

    name: str  # `<name>.rules.yml`
    recordings: tuple[Recording, ...]
    alerts: tuple[Alert, ...]


FILES: tuple[RuleFile, ...] = (
    RuleFile(
        "recording",
        (*recording.quantiles(), *recording.slow_answers(webhook.LATENCY_EDGES), *recording.down()),
        (),
    ),
    RuleFile("violations", (), violations.ALERTS),
    RuleFile("webhook", (), webhook.ALERTS),
    RuleFile(
        "budget-errors",
        recording.bad_ratios(recording.ERRORS),
        (*webhook.ERROR_RATES, *burn_rate.alerts_on(burn_rate.ERRORS)),
    ),
    RuleFile("budget-p99", recording.bad_ratios(burn_rate.P99.key), burn_rate.alerts_on(burn_rate.P99)),
    RuleFile("budget-p95", recording.bad_ratios(burn_rate.P95.key), burn_rate.alerts_on(burn_rate.P95)),
    RuleFile("routing", (), routing.ALERTS),
    RuleFile("redis", (), redis.ALERTS),
    RuleFile("database", (), database.ALERTS),
    RuleFile("suites", (), suites.ALERTS),
    RuleFile("prober", (), (*prober_itself.ALERTS, *prober_writing.ALERTS)),
)

ALERTS: tuple[Alert, ...] = tuple(alert for file in FILES for alert in file.alerts)
BY_NAME: Mapping[str, Alert] = {alert.name: alert for alert in ALERTS}
RECORDINGS: tuple[Recording, ...] = tuple(each for file in FILES for each in file.recordings)
