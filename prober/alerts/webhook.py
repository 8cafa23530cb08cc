"""Alerts on the webhook endpoint: down, slow, failing, rate limited, its throughput, its certificate."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.promql import COUNT, ENOUGH, KEPT, eq, held, increase, number, of, over, worse
from prober.alerts.recording import BAD_COUNT, BAD_RATIO, SLOW, not_after_an_outage, seen_down
from prober.alerts.suites import newest
from prober.alerts.thresholds import (
    CERTIFICATE_NOW,
    CERTIFICATE_SOON,
    PATH_DOWN_AFTER,
    Own,
    edge,
)
from prober.guide.advice import recommendations
from prober.guide.breaking_points import Edge
from prober.outcome import Dashboard, Measure, ProbeName, Suite
from prober.web.catalogue.delivery import TLS_NOT_AFTER, WEBHOOK_DURATION, WEBHOOK_REQUESTS
from prober.web.catalogue.probing import OUTAGE_AGE
from prober.web.catalogue.suites import SUITE_AT, SUITE_RESULT, SUITE_VERDICT

_LOAD = Suite.WEBHOOK_LOAD
_SLOWER = edge(_LOAD, Measure.LATENCY_P99, "500-2000ms")
_SLOW = edge(_LOAD, Measure.LATENCY_P99, "> 2000ms")
_SATURATED = edge(_LOAD, Measure.LATENCY_P99, "> 5000ms")
LATENCY_EDGES = (_SLOWER.value, _SLOW.value, _SATURATED.value)

ERRORS = eq("slo", "errors")
_P99 = of(WEBHOOK_DURATION, 'quantile="0.99"')
_ERRORS = Look("which errors", 'sum by (reason) (increase(whatsapp_webhook_errors_total{job="prober"}[10m]))')
_PHASES = Look(
    "in which phase the time goes", 'sum by (phase) (rate(whatsapp_webhook_phase_seconds_sum{job="prober"}[5m]))'
)
_OUTAGES = Look("what else is down", 'job:prober_down:bool{job="prober"} == 1')
_DOCTOR = "`prober doctor` walks the contract step by step and says which step fails, and which setting mends it."


def _latency(name: str, limit: Edge, severity: Severity, pending: str, what: str) -> Alert:
    expr = (
        f"{_P99} {worse(limit)}\n"
        f"and on ({KEPT}) {of(SLOW, eq('over', number(limit.value)))} > {number(ENOUGH)}\n"
        f"{not_after_an_outage('5m')}"
    )
    return Alert(
        name=name,
        expr=expr,
        severity=severity,
        subject=Subject.WEBHOOK,
        keeps=("quantile",),
        pending=pending,
        summary=f"the slowest webhooks (p99) take {{{{ $value | humanizeDuration }}}} ({what})",
        description=(
            "99 % of the synthetic webhooks of the last 5 minutes were answered within {{ $value | "
            f"humanizeDuration }}}}; {limit.point.verdict} is {limit.comparison} {limit.value:g} s (guide: "
            f"{limit.point.row}, {limit.point.action}). At least three answers were that slow."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means=(
                f"The p99 of the synthetic webhooks over five minutes is {limit.comparison} {limit.value:g} s: "
                f"{limit.point.verdict} by the guide's row `{limit.point.row}` ({limit.point.action}). At 6 "
                "messages a minute the p99 of five minutes is its slowest answer, therefore three slow ones are "
                "asked for beside it. Webhooks that were never answered count with their timeout."
            ),
            look=(Look("the quantiles", of(WEBHOOK_DURATION, 'quantile=~"0.5|0.95|0.99"')), _PHASES, _OUTAGES),
            causes=(
                (
                    "The database is slow or short of sessions: `db_connection_pool_usage`, "
                    "`db_longest_transaction_seconds`."
                ),
                "More comes in than is worked off: `redis_queue_backlog` grows.",
                "The event loop of the application is blocked, or one of its processes is sick.",
            ),
            do=(
                "Phase `wait` is the target, `connect` and `tls` are the way to it: see which one grew.",
                "With the median still low a part is slow (one process, one lock); with a high median all of it.",
            ),
            advice=recommendations(limit.point),
            false_alarms=(
                "A slow network between prober and target (phases `dns`, `connect`, `tls`).",
                "A prober short of CPU: `prober_event_loop_lag_seconds`.",
            ),
        ),
    )


def _error_rate(name: str, limit: Edge, severity: Severity, window: str, what: str) -> Alert:
    expr = (
        f"{of(BAD_RATIO + window, ERRORS)} {worse(limit)}\n"
        f"and {of(BAD_COUNT + window, ERRORS)} > {number(ENOUGH)}\n"
        f"{not_after_an_outage(window)}"
    )
    return Alert(
        name=name,
        expr=expr,
        severity=severity,
        subject=Subject.WEBHOOK,
        keeps=("slo",),
        # Until then an outage has paged as what it is.
        pending="1m",
        summary=f"{{{{ $value | humanizePercentage }}}} of the webhooks fail ({what})",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the synthetic webhooks of the last {window} failed; "
            f"{limit.point.verdict} is {limit.comparison} {limit.value:.1%} (guide: {limit.point.row}, "
            f"{limit.point.action}). A 429 is no failure, and what a paged outage has done is not counted again."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means=(
                f"The share of synthetic webhooks that failed over {window} is {limit.comparison} "
                f"{limit.value:.1%}: {limit.point.verdict} by the guide's row `{limit.point.row}` "
                f"({limit.point.action}). The endpoint is up, but not for everybody. One run of each interval is "
                "counted, so that an outage, during which ten times as many are sent, weighs no more than it "
                "lasted."
            ),
            look=(_ERRORS, Look("the share over time", of(f"{BAD_RATIO}10m", ERRORS)), _OUTAGES),
            causes=(
                "One of several application processes is sick, or restarts again and again.",
                "Timeouts at peaks: the pool of database sessions is short.",
                "A deployment that breaks some messages.",
            ),
            do=("Look at the reason first: it says where to look next.", _DOCTOR),
            advice=recommendations(limit.point),
            false_alarms=("A proxy or balancer between prober and target that Twilio does not pass.",),
        ),
    )


def _throughput(name: str, limit: Edge, severity: Severity) -> Alert:
    matchers = (eq("suite", _LOAD), eq("measure", Measure.RPS))
    expr = (
        over(
            "min",
            f"{newest(held(of(SUITE_RESULT, *matchers)), of(SUITE_AT, eq('suite', _LOAD)))}\n"
            f"  and on (job, region, instance, suite, scenario) {held(of(SUITE_VERDICT, *matchers))} >= 0",
            "suite",
            "scenario",
        )
        + f" {worse(limit)}"
    )
    return Alert(
        name=name,
        expr=expr,
        severity=severity,
        subject=Subject.SUITES,
        wakes=severity is not Severity.CRITICAL,
        keeps=("suite", "scenario"),
        at_once="a result of a suite is one figure; waiting does not change it",
        summary=f"load suite: {{{{ $value | humanize }}}} webhooks a second ({limit.point.verdict})",
        description=(
            "The last load run ({{ $labels.scenario }}) reached {{ $value | humanize }} webhooks a "
            f"second; {limit.point.verdict} is {limit.comparison} {limit.value:g} (guide: {limit.point.row}, "
            f"{limit.point.action}). It ended within the last week."
        ),
        dashboard=Dashboard.SUITES,
        runbook=Runbook(
            means=(
                f"The newest verdict of `prober load` on throughput is {limit.comparison} {limit.value:g} "
                f"requests a second: {limit.point.verdict} by the guide's row `{limit.point.row}` "
                f"({limit.point.action}). The guide's expression watches the rate of webhooks that are sent; a "
                "prober sends 6 a minute and knows nothing of capacity by that, so the last load result is "
                "judged, for a week. Load runs outside of production only, so this never wakes anybody. A run "
                "that was rate limited, or whose own generator was the limit, has no verdict and does not fire."
            ),
            look=(
                Look("all results of it", of(SUITE_RESULT, eq("suite", _LOAD))),
                Look("the results file, rendered", "prober report webhook-load-test-results.json"),
            ),
            causes=(
                "The pool of database sessions is too small.",
                "The event loop of the application is blocked.",
                "A test machine that is smaller than production.",
            ),
            do=("Run it again (`prober load moderate`) to see whether it was chance.",),
            advice=recommendations(limit.point),
            false_alarms=(
                "Other load on the same machine.",
                "A scenario with few connections (`light`: 10) cannot reach much with slow answers.",
            ),
            silence="It ends by itself with the next good run, or after a week.",
        ),
    )


def _certificate(name: str, limit: Own, severity: Severity) -> Alert:
    return Alert(
        name=name,
        expr=f"({over('min', held(of(TLS_NOT_AFTER)))} - time()) / 86400 < {number(limit.value)}",
        severity=severity,
        subject=Subject.WEBHOOK,
        pending="15m",
        summary='the webhook\'s certificate ends in {{ $value | printf "%.1f" }} days',
        description=(
            'The certificate that the webhook endpoint presents ends in {{ $value | printf "%.1f" }} days; this '
            f"fires below {limit.value:g}. From then on Twilio delivers nothing."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means=(
                "The certificate seen by the webhook probe ends soon. When it has ended every webhook fails at "
                "once."
            ),
            look=(
                Look("when it ends", of(TLS_NOT_AFTER)),
                Look(
                    "what is presented",
                    "openssl s_client -connect HOST:443 -servername HOST </dev/null | openssl x509 -noout -dates",
                ),
            ),
            causes=(
                "Renewal fails (DNS, port 80, quota of the authority).",
                "It was renewed, and the server that presents it was not reloaded.",
            ),
            do=("Renew it, reload the server, and see the gauge rise with the next probe.",),
            false_alarms=("Several servers behind one name, of which one has the old certificate: that is none.",),
        ),
    )


_WEBHOOK = eq("probe", ProbeName.WEBHOOK)
_DOWN_EXPR = (
    f"{over('max', held(of(OUTAGE_AGE, _WEBHOOK)), 'probe')}\n"
    f"and on ({KEPT}, probe) {seen_down(_WEBHOOK, PATH_DOWN_AFTER)} == 1"
)

ERROR_RATES: tuple[Alert, ...] = (
    _error_rate(
        "WebhookErrorRateElevated", edge(_LOAD, Measure.ERROR_RATE, "0.1-1%"), Severity.WARNING, "6h", "warning"
    ),
    _error_rate(
        "WebhookErrorRateHigh", edge(_LOAD, Measure.ERROR_RATE, "1-5%"), Severity.CRITICAL, "1h", "critical"
    ),
    _error_rate("WebhookUnstable", edge(_LOAD, Measure.ERROR_RATE, "> 5%"), Severity.CRITICAL, "10m", "unstable"),
)

ALERTS: tuple[Alert, ...] = (
    Alert(
        name="WebhookDown",
        expr=_DOWN_EXPR,
        severity=Severity.CRITICAL,
        subject=Subject.WEBHOOK,
        keeps=("probe",),
        at_once="how long it has lasted is in the expression",
        summary="the webhook path has been down for {{ $value | humanizeDuration }}",
        description=(
            "For {{ $value | humanizeDuration }} no three synthetic webhooks in a row have been taken, as at "
            f"least half of the live probers see it; this fires from {PATH_DOWN_AFTER.value:g} s on. Messages of "
            "customers are refused or wait as well."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means=(
                "The webhook endpoint does not do what the contract says: no answer, a 5xx, a refusal, a 404. "
                "Orders cannot come in. Twilio repeats for at most 15 s; what is refused for longer is gone."
            ),
            look=(
                _ERRORS,
                _OUTAGES,
                Look("how it ended, and since when", "prober status"),
                Look("the exact beginning, the first answers", "prober evidence OUTAGE-ID"),
            ),
            causes=(
                (
                    "The application is down, restarting, or cut off by its proxy (`refused`, `reset`, "
                    "`server_error`)."
                ),
                "It hangs (`timeout`): a frozen database holds every request for 15 s and more.",
                "Routes are missing after a deployment (`unexpected_status` 404): `RoutesMissing` tells as well.",
                "Signature or HTTPS header of the contract changed (403).",
            ),
            do=(
                "If a dependency is down, mend that first: its own alert has paged in place of this one.",
                _DOCTOR,
                "After it is back: `whatsapp_webhook_lost_total` says whether accepted messages were lost.",
            ),
            false_alarms=(
                (
                    "The way from the prober to the target is broken, and Twilio's is not: compare from another "
                    "place."
                ),
                "The auth token or public URL in the prober's config is old: `prober doctor` says so.",
            ),
        ),
    ),
    _latency("WebhookLatencyElevated", _SLOWER, Severity.WARNING, "2m", "warning"),
    _latency("HighWebhookLatency", _SLOW, Severity.CRITICAL, "1m", "critical"),
    _latency("WebhookQueueSaturation", _SATURATED, Severity.CRITICAL, "1m", "queue saturation"),
    _throughput("WebhookThroughputReduced", edge(_LOAD, Measure.RPS, "100-500"), Severity.WARNING),
    _throughput("LowWebhookThroughput", edge(_LOAD, Measure.RPS, "< 100"), Severity.CRITICAL),
    Alert(
        name="WebhookRateLimited",
        expr=f"{over('sum', increase(of(WEBHOOK_REQUESTS, eq('code', 429)), '10m'))} > {number(ENOUGH)}",
        severity=Severity.WARNING,
        subject=Subject.WEBHOOK,
        pending="1m",
        summary="the target answers our webhooks with 429",
        description=(
            f"Synthetic webhooks refused with 429 in the last 10 minutes: {COUNT}. Until that "
            "ends the prober does not know whether webhooks work, and sends less, as it is asked to."
        ),
        dashboard=Dashboard.WEBHOOK,
        runbook=Runbook(
            means=(
                "The target's rate limit refuses the prober. That is no error of the endpoint, but the prober is "
                "blind meanwhile. The prober itself stays within half of `target.rate_limit`."
            ),
            look=(
                Look(
                    "answers by code",
                    'sum by (code) (increase(whatsapp_webhook_requests_total{job="prober"}[10m]))',
                ),
                Look("our own pace", 'sum (rate(whatsapp_webhook_requests_total{job="prober"}[5m])) * 60'),
            ),
            causes=(
                (
                    "Something else sends from the same address: another prober, a load test, customers behind "
                    "one NAT."
                ),
                "`target.rate_limit` in the config is higher than what the target allows.",
                "The limit counts a proxy's address for everybody: then real messages are refused as well!",
            ),
            do=(
                "See in the target's log whose requests are refused; real ones refused is an incident of its own.",
                "Lower `target.rate_limit`, or lengthen `probes.webhook.interval`.",
            ),
            false_alarms=("A load suite runs against the same target.",),
        ),
    ),
    _certificate("TlsCertificateEnding", CERTIFICATE_SOON, Severity.WARNING),
    _certificate("TlsCertificateEndingNow", CERTIFICATE_NOW, Severity.CRITICAL),
)
