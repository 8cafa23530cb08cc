"""What holds what back: a cause silences what follows from it, worse silences milder, never a violation.

That nobody watches (`ProberAbsent`) silences nothing of the target: what was seen last may still be so.
"""

from __future__ import annotations

from collections.abc import Mapping

from prober.alerts.declarations import ALERTS
from prober.alerts.labels import Severity, Subject
from prober.alerts.violations import MARK

_SLOW_OR_FAILING = (
    "WebhookLatencyElevated",
    "HighWebhookLatency",
    "WebhookQueueSaturation",
    "WebhookErrorRateElevated",
    "WebhookErrorRateHigh",
    "WebhookUnstable",
    "WebhookErrorBudgetBurnsFast",
    "WebhookErrorBudgetBurnsSlowly",
    "WebhookP99BudgetBurnsFast",
    "WebhookP99BudgetBurnsSlowly",
    "WebhookP95BudgetBurnsFast",
    "WebhookP95BudgetBurnsSlowly",
)
_RACES = ("RaceTimeElevated", "RaceTimeHigh", "VendorRoutingUnavailable", "RacesUnjudged")
_QUEUES = ("QueueBacklogElevated", "QueueBacklogHigh", "QueueNotDraining")
_BLIND = ("ProbeWithoutSuccess", "ProberBehindSchedule")
_BY_LATENCY = (
    "WebhookP99BudgetBurnsFast",
    "WebhookP99BudgetBurnsSlowly",
    "WebhookP95BudgetBurnsFast",
    "WebhookP95BudgetBurnsSlowly",
    "WebhookLatencyElevated",
)
_BY_ERRORS = ("WebhookErrorBudgetBurnsFast", "WebhookErrorBudgetBurnsSlowly", "WebhookErrorRateElevated")

# All about the target that planned work may break: not what it never does, and no certificate.
_PLANNED = tuple(
    alert.name
    for alert in ALERTS
    if alert.severity is not Severity.NONE
    and alert.subject not in (Subject.PROBER, Subject.SUITES)
    and not MARK.items() <= alert.marks.items()
    and not alert.name.startswith("TlsCertificate")
)

# By cause; always within one region.
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "DatabaseOutage": (
        "PooledDatabaseOutage",
        "WebhookDown",
        *_SLOW_OR_FAILING,
        *_RACES,
        *_QUEUES,
        *_BLIND,
        "DatabaseRecoverySlow",
        "DatabaseRecoveryLong",
        "DatabaseRestarted",
        "DatabasePoolSaturated",
        "DatabaseOperationsSlow",
        "DatabaseRollbacks",
        "DatabaseLongTransaction",
        "MessagesLate",
        "NoLeader",
    ),
    "PooledDatabaseOutage": ("WebhookDown", *_SLOW_OR_FAILING, *_RACES, *_QUEUES, *_BLIND, "MessagesLate"),
    "RedisOutage": (
        "WebhookDown",
        *_SLOW_OR_FAILING,
        *_RACES,
        *_QUEUES,
        *_BLIND,
        "RedisRecoveryLong",
        "RedisRestarted",
        "RedisOperationsSlow",
        "RedisEvicting",
        "MessagesLate",
    ),
    "WebhookDown": (*_SLOW_OR_FAILING, *_BLIND, "WebhookRateLimited"),
    "RoutesMissing": ("WebhookDown", "VendorRoutingUnavailable", "RacesUnjudged"),
    "VendorRoutingUnavailable": ("RacesUnjudged", *_BLIND),
    "RaceConditionDetected": ("VendorWinRateLow", "VendorWinRateCritical"),
    # Worse silences milder.
    "WebhookQueueSaturation": ("HighWebhookLatency", *_BY_LATENCY),
    "HighWebhookLatency": _BY_LATENCY,
    "WebhookP99BudgetBurnsFast": (
        "WebhookP99BudgetBurnsSlowly",
        "WebhookP95BudgetBurnsFast",
        "WebhookP95BudgetBurnsSlowly",
    ),
    "WebhookP95BudgetBurnsFast": ("WebhookP95BudgetBurnsSlowly",),
    "WebhookUnstable": ("WebhookErrorRateHigh", *_BY_ERRORS),
    "WebhookErrorRateHigh": _BY_ERRORS,
    "WebhookErrorBudgetBurnsFast": ("WebhookErrorBudgetBurnsSlowly", "WebhookErrorRateElevated"),
    "QueueBacklogHigh": ("QueueBacklogElevated", "QueueNotDraining"),
    "QueueBacklogElevated": ("QueueNotDraining",),
    "VendorWinRateCritical": ("VendorWinRateLow",),
    "RaceTimeHigh": ("RaceTimeElevated",),
    "LowWebhookThroughput": ("WebhookThroughputReduced",),
    "DatabaseRecoveryLong": ("DatabaseRecoverySlow",),
    "TlsCertificateEndingNow": ("TlsCertificateEnding",),
    "ProberAbsent": ("ProberInstanceDown", "ProberNotReady"),
    "ProberInstanceDown": ("ProberNotReady",),
    # What is worked on by plan, or broken on purpose.
    "MaintenanceUnderWay": _PLANNED,
    "DrillUnderWay": _PLANNED,
}


# What else has to be the same, beside the region: a queue says nothing of another one.
_SAME: Mapping[str, str] = {
    "QueueBacklogHigh": "queue",
    "QueueBacklogElevated": "queue",
    "LowWebhookThroughput": "scenario",
    "ProberInstanceDown": "instance",
}
# A missing route explains what goes that way, and nothing else.
_BY_ROUTE: Mapping[str, tuple[str, ...]] = {
    "webhook": ("WebhookDown",),
    "accept": ("VendorRoutingUnavailable", "RacesUnjudged"),
}


def inhibit_rules() -> list[dict[str, object]]:
    """The section `inhibit_rules` of Alertmanager's config."""
    found = []
    for cause, follows in FOLLOWS.items():
        if cause == "RoutesMissing":
            found += [_rule(cause, those, f'route="{route}"') for route, those in _BY_ROUTE.items()]
        else:
            found.append(_rule(cause, follows))
    return found


def _rule(cause: str, follows: tuple[str, ...], *matchers: str) -> dict[str, object]:
    return {
        "source_matchers": [f'alertname="{cause}"', *matchers],
        "target_matchers": [f'alertname=~"{"|".join(follows)}"'],
        "equal": ["region", _SAME[cause]] if cause in _SAME else ["region"],
    }
