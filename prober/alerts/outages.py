"""The shape that alerts on Redis and PostgreSQL share: down now, and how long it took to come back."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.promql import COUNT, KEPT, eq, held, increase, number, of, over, worse
from prober.alerts.recording import seen_down
from prober.alerts.thresholds import DOWN_AFTER, HALF
from prober.guide.advice import recommendations
from prober.guide.advice.recommendation import Recommendation
from prober.guide.breaking_points import Edge
from prober.outcome import Dashboard, ProbeName, Service
from prober.web.catalogue.probing import OUTAGE_AGE, RESTARTS
from prober.web.metric import Metric


def outage(
    name: str,
    probe: ProbeName,
    subject: Subject,
    dashboard: Dashboard,
    *,
    what: str,
    means: str,
    look: tuple[Look, ...],
    causes: tuple[str, ...],
    do: tuple[str, ...],
    advice: tuple[Recommendation, ...] = (),
    false_alarms: tuple[str, ...],
) -> Alert:
    """It is down, as at least half of the live probers see it."""
    matcher = eq("probe", probe)
    return Alert(
        name=name,
        expr=(
            f"{over('max', held(of(OUTAGE_AGE, matcher)), 'probe')}\n"
            f"and on ({KEPT}, probe) {seen_down(matcher, DOWN_AFTER)} == 1"
        ),
        severity=Severity.CRITICAL,
        subject=subject,
        keeps=("probe",),
        at_once="how long it has lasted is in the expression",
        summary=f"{what} has been down for {{{{ $value | humanizeDuration }}}}",
        description=(
            f"{what} has not answered our probe for {{{{ $value | humanizeDuration }}}}, as at least half of the "
            f"live probers see it; this fires from {DOWN_AFTER.value:g} s on. What follows from it is held back: "
            "latency, errors, backlog, races without a verdict."
        ),
        dashboard=dashboard,
        runbook=Runbook(
            means=means,
            look=(
                Look("since when, to the millisecond, and by which sign", "prober status"),
                Look(
                    "every failing run, by reason",
                    (
                        "sum by (outcome) "
                        f'(rate(prober_probe_runs_total{{job="prober",probe="{probe}",outcome!="ok"}}[1m]))'
                    ),
                ),
                *look,
            ),
            causes=causes,
            do=do,
            advice=advice,
            false_alarms=(
                "The network between prober and server: with several probers half of them have to see it.",
                *false_alarms,
            ),
            silence=(
                "Planned work belongs into a maintenance window of the prober's config, which holds this back."
            ),
        ),
    )


def recovery(
    name: str,
    metric: Metric,
    limit: Edge,
    severity: Severity,
    subject: Subject,
    dashboard: Dashboard,
    *,
    what: str,
    paged_as: str,
) -> Alert:
    """It was away for longer than a row of the guide allows, as at least half of the live probers measured it.

    The growing length during the outage counts.
    """
    length, longer = held(of(metric)), f"> bool {number(limit.value)}"
    return Alert(
        name=name,
        expr=(
            f"{over('max', length)} {worse(limit)}\n"
            f"and on ({KEPT}) {over('avg', f'{length} {longer}')} >= {number(HALF.value)}"
        ),
        severity=severity,
        subject=subject,
        wakes=severity is not Severity.CRITICAL,
        at_once="the length of an outage is one figure, measured; waiting does not change it",
        summary=f"{what} took {{{{ $value | humanizeDuration }}}} to come back ({limit.point.verdict})",
        description=(
            f"{what} was, or still is, away for {{{{ $value | humanizeDuration }}}}; {limit.point.verdict} is "
            f"{limit.comparison} {limit.value:g} s (guide: {limit.point.row}, {limit.point.action}). {paged_as} "
            "pages while it is down and holds this back until it is up; recovery_hold (10 minutes) later this "
            "ends."
        ),
        dashboard=dashboard,
        runbook=Runbook(
            means=(
                f"An outage of {what} lasted longer than {limit.value:g} s: {limit.point.verdict} by the guide's "
                f"row `{limit.point.row}` ({limit.point.action}). While it lasts `{paged_as}` is the page; this "
                "one comes after it, as work to be done by day, so it wakes nobody."
            ),
            look=(
                Look("its length, growing, then held for 10 minutes", of(metric)),
                Look(
                    "lengths of earlier ones",
                    f'sum by (le) (prober_outage_duration_seconds_bucket{{job="prober",probe="{subject}"}})',
                ),
                Look("exact beginning and end", "prober evidence OUTAGE-ID"),
            ),
            causes=(
                "The server itself was slow to start: its log says how long it read its data.",
                "Nobody, or nothing, started it again for a while.",
            ),
            do=("See in its log how much of the time was the start, and how much until somebody started it.",),
            advice=recommendations(limit.point),
            false_alarms=("Planned work outside of a maintenance window.",),
        ),
    )


def restarted(name: str, service: Service, subject: Subject, dashboard: Dashboard, *, what: str) -> Alert:
    """It is another process than before: for the record, whether or not its outage has paged."""
    return Alert(
        name=name,
        expr=f"{over('max', increase(of(RESTARTS, eq('service', service)), '5m'), 'service')} > 0.5",
        severity=Severity.WARNING,
        subject=subject,
        keeps=("service",),
        at_once="a restart has happened; there is nothing to wait for",
        summary=f"{what} was restarted",
        description=(
            f"{what} is another server process than before (restarts in 5 minutes: {COUNT}). Its "
            "outage was too short to page, or has paged already; its exact length is on the status page."
        ),
        dashboard=dashboard,
        runbook=Runbook(
            means=(
                f"{what} has another identity (`run_id`, start time) than before. It wakes nobody; it is for the "
                "record."
            ),
            look=(
                Look(
                    "how often within an hour",
                    f'changes(prober_restarts_detected_total{{job="prober",service="{service}"}}[1h])',
                ),
                Look("how long it was away", "prober status"),
            ),
            causes=("A deployment, a failover, a crash that its supervisor mended.",),
            do=("If nobody did it on purpose, read the server's log of that moment.",),
            false_alarms=("None: identity and start time come from the server itself.",),
        ),
    )
