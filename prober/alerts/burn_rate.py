"""How fast the budgets of the production targets are being used up, over two windows at a time.

The long window says that it matters, the short one that it still goes on, and ends the alert when it does not.
The budgets are the guide's: 0.1 % errors, 1 % of answers over 500 ms (p99), 5 % over 200 ms (p95). Factors and
windows are those of the multi-window method for a month: 14.4 uses up 2 % of it in an hour, 6 uses 5 % in six
hours, 3 uses 10 % in a day, 1 uses 10 % in three days.
"""

from __future__ import annotations

from dataclasses import dataclass

from prober.alerts import recording
from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.promql import number, of
from prober.alerts.recording import BAD_COUNT, BAD_RATIO, SLOW_BY_SLO, not_after_an_outage
from prober.alerts.thresholds import target
from prober.guide.advice import recommendations
from prober.guide.advice.recommendation import Recommendation
from prober.guide.breaking_points import read
from prober.outcome import Dashboard, Measure, Suite


@dataclass(frozen=True, slots=True)
class Slo:
    """One production target as a budget of bad answers."""

    key: str  # the label `slo`
    name: str  # in the alerts' names
    budget: float
    bad: str  # what is counted, in words: "so many of the …"
    advice: tuple[Recommendation, ...]


@dataclass(frozen=True, slots=True)
class Burn:
    """One pair of windows."""

    factor: float
    long: str
    short: str
    events: int  # so many bad ones at least in the long window, however few there are in all


FAST = (Burn(14.4, "1h", "5m", 6), Burn(6.0, "6h", "30m", 6))
SLOW = (Burn(3.0, "1d", "2h", 10), Burn(1.0, "3d", "6h", 10))


def _advice(measure: Measure, figure: float) -> tuple[Recommendation, ...]:
    return recommendations(read(Suite.WEBHOOK_LOAD, measure, figure))


_P95, _P95_BUDGET = SLOW_BY_SLO["p95"]
_P99, _P99_BUDGET = SLOW_BY_SLO["p99"]
ERRORS = Slo(
    recording.ERRORS,
    "WebhookErrorBudget",
    target(Suite.WEBHOOK_LOAD, Measure.ERROR_RATE),
    "webhooks failed",
    _advice(Measure.ERROR_RATE, 0.02),
)
P99 = Slo(
    "p99",
    "WebhookP99Budget",
    _P99_BUDGET,
    f"webhooks took longer than {number(_P99)} s",
    _advice(Measure.LATENCY_P99, 1.0),
)
P95 = Slo(
    "p95",
    "WebhookP95Budget",
    _P95_BUDGET,
    f"webhooks took longer than {number(_P95)} s",
    _advice(Measure.LATENCY_P99, 1.0),
)
SLOS = (ERRORS, P99, P95)


def _leg(slo: Slo, burn: Burn, *, after_outages: bool) -> str:
    """One pair of windows: both over the limit, and enough bad answers in the long one."""
    limit = number(burn.factor * slo.budget)
    series = f'slo="{slo.key}"'
    return "\n".join(
        [
            f"{of(BAD_RATIO + burn.long, series)} > {limit}",
            f"  and {of(BAD_RATIO + burn.short, series)} > {limit}",
            f"  and {of(BAD_COUNT + burn.long, series)} > {number(burn.events - 0.5)}",
            *([] if after_outages else [f"  {not_after_an_outage(burn.long)}"]),
        ]
    )


def _expr(slo: Slo, burns: tuple[Burn, ...], *, after_outages: bool) -> str:
    return "\nor\n".join(f"(\n{_leg(slo, burn, after_outages=after_outages)}\n)" for burn in burns)


def _alert(slo: Slo, *, fast: bool) -> Alert:
    burns = FAST if fast else SLOW
    limits = " or ".join(f"{burn.factor:g} times the budget over {burn.long} and {burn.short}" for burn in burns)
    return Alert(
        name=f"{slo.name}Burns{'Fast' if fast else 'Slowly'}",
        expr=_expr(slo, burns, after_outages=not fast),
        severity=Severity.CRITICAL if fast else Severity.WARNING,
        subject=Subject.WEBHOOK,
        keeps=("slo",),
        # Until then an outage has paged as what it is.
        pending="1m",
        summary=f"{{{{ $value | humanizePercentage }}}} of the {slo.bad}; the target allows {slo.budget:.1%}",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the synthetic {slo.bad}, over the longer of two windows. "
            f"The production target allows {slo.budget:.1%}; this fires at {limits}."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means=(
                f"Too many of the synthetic {slo.bad}, for long enough to endanger the "
                f"production target of the month ({slo.budget:.1%}), and it goes on. It fires at {limits}, with "
                f"at least {burns[0].events} bad ones in the long window"
                + (
                    ". An outage that has already paged in that window holds it back."
                    if fast
                    else ". It counts outages too, since they use up the budget."
                )
            ),
            look=(
                Look("how bad, over each window", of("slo:whatsapp_webhook_bad:ratio_rate1h", f'slo="{slo.key}"')),
                Look(
                    "which errors", 'sum by (reason) (increase(whatsapp_webhook_errors_total{job="prober"}[1h]))'
                ),
                Look("in which phase the time goes", _PHASES),
            ),
            causes=(
                "A part of the requests meets something slow or broken: one of several application processes, one "
                "session of the pool, a job that runs at certain times.",
                "A dependency is slow but not down: see the Redis and database dashboards.",
            ),
            do=(
                "Find out when it began, and what changed then (deployment, traffic, a migration).",
                "If errors have a reason in common, follow it (see the first of the advice below).",
            ),
            advice=slo.advice,
            false_alarms=(
                "The network between prober and target: phases `connect` and `tls` grow, `wait` does not.",
                "A prober that is late itself: `ProberLoopLagging`, `ProberBehindSchedule`.",
            ),
        ),
    )


_PHASES = (
    'sum by (phase) (rate(whatsapp_webhook_phase_seconds_sum{job="prober"}[5m])) / ignoring (phase) group_left () '
    'sum (rate(whatsapp_webhook_duration_seconds_count{job="prober",source="probe"}[5m]))'
)


def alerts_on(slo: Slo) -> tuple[Alert, ...]:
    """Its two alerts: the fast one wakes."""
    return _alert(slo, fast=True), _alert(slo, fast=False)
