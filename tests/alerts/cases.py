"""For each alert: the series that make it fire, those that just do not, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.web.catalogue.delivery import RACE_DURATION, WEBHOOK_DURATION
from prober.web.catalogue.probing import LOOP_LAG, PROBE_LATENESS
from prober.web.catalogue.stores import DATABASE_OPERATION, REDIS_OPERATION

from .timeline import Counter, Gauge, Moment, Observed, Series, histogram


@dataclass(frozen=True)
class Case:
    """`within` seconds after it got bad it fires, `not_yet` after that; `resolves` seconds after it is well.

    `held`: it goes on through two missed scrapes. `minutes`: too slow for samples each 10 s, so they are minutes.
    `every`: seconds from one evaluation to the next.
    """

    alert: str
    series: Sequence[Series]
    within: int
    resolves: int = 120
    not_yet: int = 0
    warm: int = 120
    held: bool = True
    minutes: int = 0
    every: int = 10
    absent_fires: bool = False
    nan: bool = True  # its gauges can be NaN
    restart: bool = True  # it goes on after a restart of the prober, as long as it is bad


PROBE = 'source="probe"'
LOAD = 'suite="webhook-load",scenario="moderate"'
RPS = f'{LOAD},measure="requests_per_second"'
DRILL = 'suite="redis-failure",scenario="crash"'
NEVER = 10**9


def down(alert: str, probe: str, *, bad: float, below: float) -> Case:
    return Case(alert, (Gauge(f'prober_outage_age_seconds{{probe="{probe}"}}', 0, bad, below),), 10, 10)


def slow(alert: str, *, bad: float, below: float, within: int) -> Case:
    """Half of the answers that slow; just below: all of them a little faster."""
    seen = histogram(WEBHOOK_DURATION, {0.05: 1}, {0.05: 0.5, bad: 0.5}, {below: 1}, PROBE)
    return Case(alert, seen, within, 420, warm=300)


def errors(alert: str, *, bad: float, below: float, within: int, resolves: int, minutes: int = 0) -> Case:
    """A share of the webhooks fails."""
    per = 6 * minutes if minutes else 1

    def counter(result: str, shares: tuple[float, float, float]) -> Counter:
        return Counter(
            f'prober_probe_samples_total{{probe="webhook",result="{result}"}}', *(s * per for s in shares)
        )

    series = (counter("good", (1, 1 - bad, 1 - below)), counter("bad", (0, bad, below)))
    return Case(alert, series, within, resolves, minutes=minutes, warm=900 if minutes else 300, nan=not minutes)


def budget(alert: str, edge: float, *, bad: float, below: float, within: int, resolves: int, minutes: int) -> Case:
    """A share of the answers takes longer than the edge."""
    per = 6 * minutes

    def seen(share: float) -> Observed:
        return {0.05: (1 - share) * per, edge * 1.4: share * per}

    series = histogram(WEBHOOK_DURATION, {0.05: per}, seen(bad), seen(below), PROBE)
    return Case(alert, series, within, resolves, minutes=minutes, warm=900, nan=False)


def throughput(alert: str, *, bad: float, below: float) -> Case:
    series = (
        Gauge(f"prober_suite_last_result{{{RPS}}}", 900, bad, below),
        Gauge(f"prober_suite_last_verdict{{{RPS}}}", 1, 3, 1),
        Moment(f"prober_suite_last_timestamp_seconds{{{LOAD}}}", 60, 60, 60),
    )
    return Case(alert, series, 10, 10)


def verdict(alert: str, *, bad: int, below: int) -> Case:
    series = (
        Gauge(f'prober_suite_last_verdict{{{DRILL},measure="error_rate"}}', 0, bad, below),
        Moment(f"prober_suite_last_timestamp_seconds{{{DRILL}}}", 60, 60, 60),
    )
    return Case(alert, series, 10, 10)


def open_violations(alert: str, kind: str) -> Case:
    return Case(alert, (Gauge(f'prober_open_violations{{kind="{kind}"}}', 0, 1, 0),), 10, 10)


def win_rate(alert: str, *, bad: float, below: float) -> Case:
    series = (
        Gauge("vendor_routing_win_rate{}", 1, bad, below),
        Gauge('vendor_routing_win_rate_races{verdict="judged"}', 100, 100, 100),
    )
    return Case(alert, series, 80, 10, not_yet=50)


def race_time(alert: str, *, bad: float, below: float) -> Case:
    seen = histogram(RACE_DURATION, {0.05: 1 / 6}, {bad: 1 / 6}, {below: 1 / 6})
    return Case(alert, seen, 900, 1000, warm=300)


def share_of(alert: str, metric_series: Sequence[Series], within: int, *, resolves: int = 900) -> Case:
    return Case(alert, tuple(metric_series), within, resolves, warm=600)


def gauge(alert: str, series: str, *, ok: float, bad: float, below: float, pending: int) -> Case:
    every = 60 if pending >= 1800 else 10
    not_yet = pending - every if pending >= 30 else 0
    return Case(alert, (Gauge(series, ok, bad, below),), pending + 2 * every, 60, not_yet=not_yet, every=every)


CASES: tuple[Case, ...] = (
    # violations
    open_violations("RaceConditionDetected", "multiple_winners"),
    open_violations("DuplicateEffect", "duplicate_effect"),
    open_violations("MessageLost", "lost_message"),
    open_violations("ForgedWebhookAccepted", "unsigned_accepted"),
    Case("MessagesLate", (Counter("whatsapp_webhook_late_total{}", 0, 0.2, 0),), 120, 1900),
    # webhook
    down("WebhookDown", "webhook", bad=20, below=19.9),
    slow("WebhookLatencyElevated", bad=0.7, below=0.45, within=240),
    slow("HighWebhookLatency", bad=2.9, below=1.9, within=180),
    slow("WebhookQueueSaturation", bad=9, below=4.9, within=180),
    errors("WebhookErrorRateElevated", bad=0.01, below=0.0005, within=9000, resolves=22500, minutes=1),
    errors("WebhookErrorRateHigh", bad=0.04, below=0.009, within=3600, resolves=4200, minutes=1),
    errors("WebhookUnstable", bad=0.3, below=0.04, within=360, resolves=800),
    errors("WebhookErrorBudgetBurnsFast", bad=0.05, below=0.0005, within=3600, resolves=2400, minutes=1),
    errors("WebhookErrorBudgetBurnsSlowly", bad=0.006, below=0.0005, within=36000, resolves=23000, minutes=5),
    budget("WebhookP99BudgetBurnsFast", 0.5, bad=0.5, below=0.05, within=3600, resolves=2400, minutes=1),
    budget("WebhookP99BudgetBurnsSlowly", 0.5, bad=0.05, below=0.009, within=86400, resolves=23000, minutes=5),
    budget("WebhookP95BudgetBurnsFast", 0.2, bad=0.9, below=0.2, within=7200, resolves=2400, minutes=1),
    budget("WebhookP95BudgetBurnsSlowly", 0.2, bad=0.25, below=0.04, within=86400, resolves=23000, minutes=5),
    throughput("WebhookThroughputReduced", bad=499, below=500),
    throughput("LowWebhookThroughput", bad=99, below=100),
    Case(
        "WebhookRateLimited",
        (Counter('whatsapp_webhook_requests_total{source="probe",check="delivery",code="429"}', 0, 0.5, 0.03),),
        180,
        700,
    ),
    Case(
        "TlsCertificateEnding",
        (Moment("prober_target_tls_not_after_timestamp_seconds{}", -90 * 86400, -20 * 86400, -22 * 86400),),
        920,
        60,
        not_yet=880,
    ),
    Case(
        "TlsCertificateEndingNow",
        (Moment("prober_target_tls_not_after_timestamp_seconds{}", -90 * 86400, -2 * 86400, -4 * 86400),),
        920,
        60,
        not_yet=880,
    ),
    # routing
    win_rate("VendorWinRateLow", bad=0.94, below=0.95),
    win_rate("VendorWinRateCritical", bad=0.79, below=0.8),
    race_time("RaceTimeElevated", bad=0.7, below=0.45),
    race_time("RaceTimeHigh", bad=1.4, below=0.95),
    Case(
        "VendorRoutingUnavailable",
        (
            Counter('vendor_routing_race_outcomes_total{outcome="unavailable"}', 0, 1 / 6, 1 / 6),
            Counter("vendor_routing_races_total{}", 1 / 6, 0, 1 / 6),
        ),
        400,
        300,
        warm=60,
    ),
    Case(
        "RacesUnjudged",
        (
            Gauge('vendor_routing_win_rate_races{verdict="unjudged"}', 0, 11, 10),
            Gauge("vendor_routing_win_rate{}", 1, None, 1),
        ),
        400,
        80,
        not_yet=280,
    ),
    gauge("RoutesMissing", 'prober_routes_missing{route="accept"}', ok=0, bad=1, below=0, pending=20),
    gauge("HealthPageLies", 'prober_health_lies{page="/health"}', ok=0, bad=1, below=0, pending=30),
    # redis
    down("RedisOutage", "redis", bad=10, below=9.9),
    Case("RedisRecoveryLong", (Gauge("redis_recovery_time_seconds{}", 0, 30.1, 30),), 10, 10),
    Case("RedisRestarted", (Counter('prober_restarts_detected_total{service="redis"}', 0, 0.2, 0),), 60, 400),
    gauge("QueueBacklogElevated", 'redis_queue_backlog{queue="q"}', ok=0, bad=100, below=99, pending=120),
    gauge("QueueBacklogHigh", 'redis_queue_backlog{queue="q"}', ok=0, bad=1001, below=1000, pending=30),
    Case("QueueNotDraining", (Counter('redis_queue_backlog{queue="q"}', 0, 0.5, 0),), 480, NEVER, nan=False),
    Case(
        "RedisOperationsSlow",
        histogram(REDIS_OPERATION, {0.0008: 10}, {0.0008: 5, 0.07: 5}, {0.045: 10}, 'operation="ping"'),
        620,
        500,
        not_yet=280,
    ),
    Case("RedisEvicting", (Counter("redis_evicted_keys_total{}", 0, 5, 0),), 60, 700),
    # database
    down("DatabaseOutage", "database", bad=10, below=9.9),
    down("PooledDatabaseOutage", "database_pooled", bad=10, below=9.9),
    Case("DatabaseRecoverySlow", (Gauge("db_recovery_time_seconds{}", 0, 10.1, 10),), 10, 10),
    Case("DatabaseRecoveryLong", (Gauge("db_recovery_time_seconds{}", 0, 30.1, 30),), 10, 10),
    Case(
        "DatabaseRestarted", (Counter('prober_restarts_detected_total{service="database"}', 0, 0.2, 0),), 60, 400
    ),
    gauge("DatabasePoolSaturated", "db_connection_pool_usage{}", ok=0.1, bad=0.8, below=0.79, pending=60),
    Case(
        "DatabaseOperationsSlow",
        histogram(DATABASE_OPERATION, {0.0008: 10}, {0.0008: 5, 0.15: 5}, {0.09: 10}, 'operation="select"'),
        620,
        500,
        not_yet=280,
    ),
    Case(
        "DatabaseRollbacks", (Counter('db_transaction_rollbacks_total{datname="orders"}', 0, 500, 9.5),), 200, 400
    ),
    gauge("DatabaseLongTransaction", "db_longest_transaction_seconds{}", ok=0, bad=301, below=300, pending=60),
    # suites
    verdict("SuiteFoundWarning", bad=2, below=1),
    verdict("SuiteFoundCritical", bad=3, below=2),
    Case("DrillUnderWay", (Gauge('prober_suite_running{suite="db-restart"}', 0, 1, 0),), 10, 10),
    # the prober itself
    Case(
        "ProberAbsent",
        (Gauge("prober_ready{}", 1, 0, 1),),
        140,
        10,
        not_yet=100,
        absent_fires=True,
        nan=False,
    ),
    Case("ProberInstanceDown", (Gauge("up{}", 1, 0, 1),), 140, 10, not_yet=100, held=False, restart=False),
    gauge("ProberNotReady", "prober_ready{}", ok=1, bad=0, below=1, pending=600),
    share_of(
        "ProberBehindSchedule",
        (
            *histogram(PROBE_LATENESS, {0.002: 10}, {0.002: 8, 1.5: 2}, {0.9: 9.5, 1.5: 0.5}, 'probe="redis"'),
            Counter('prober_probe_skipped_total{probe="redis",reason="overrun"}', 0, 0, 0),
        ),
        900,
    ),
    share_of("ProberLoopLagging", histogram(LOOP_LAG, {0.002: 10}, {0.002: 8, 0.09: 2}, {0.04: 10}), 1200),
    Case(
        "ProbeWithoutSuccess",
        (
            Moment('prober_probe_last_success_timestamp_seconds{probe="race"}', 5, 1300, 1190),
            Gauge('prober_probe_timeout_seconds{probe="race"}', 10, 10, 10),
            Moment("process_start_time_seconds{}", 90000, 90000, 90000),
        ),
        90,
        20,
        not_yet=40,
    ),
    gauge("ProberReloadFailed", "prober_config_last_reload_successful{}", ok=1, bad=0, below=1, pending=60),
    gauge("ProberLeftovers", 'prober_synthetic_leftovers{kind="orders"}', ok=0, bad=3, below=0, pending=1800),
    gauge("ProberPausedTooLong", "prober_paused{}", ok=0, bad=1, below=0, pending=7200),
    gauge("MaintenanceTooLong", "prober_maintenance{}", ok=0, bad=1, below=0, pending=28800),
    gauge("MaintenanceUnderWay", "prober_maintenance{}", ok=0, bad=1, below=0, pending=0),
    Case(
        "TwoLeaders",
        (
            Gauge('prober_leader{job="prober",instance="a"}', 1, 1, 1),
            Gauge('prober_leader{job="prober",instance="b"}', 0, 1, 0),
        ),
        80,
        10,
        not_yet=50,
    ),
    gauge("NoLeader", "prober_leader{}", ok=1, bad=0, below=1, pending=120),
    Case("ProberCapHit", (Counter("prober_rate_cap_hits_total{}", 0, 0.5, 0.02),), 120, 1000),
    Case("ProberJournalFailing", (Counter('prober_journal_failures_total{reason="full"}', 0, 0.5, 0),), 60, 1000),
    Case("ProberEventsDropped", (Counter("prober_events_dropped_total{}", 0, 5, 0),), 60, 1000),
    Case(
        "ProberRestartsOften",
        (Counter("process_start_time_seconds{}", 0, 1000, 0),),
        60,
        3700,
        nan=False,
    ),
)
