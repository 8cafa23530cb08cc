"""For each alert: the series that make it fire, those that just do not, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.web.catalogue.delivery import RACE_DURATION, WEBHOOK_DURATION
from prober.web.catalogue.probing import LOOP_LAG, PROBE_LATENESS
from prober.web.catalogue.stores import DATABASE_OPERATION, REDIS_OPERATION
from prober.web.metric import Metric

from .timeline import Counter, Gauge, Moment, Observed, Series, histogram

Seen = tuple[tuple[int, int], tuple[int, int]]
ONE: Seen = ((1, 3), (0, 3))
HALF: Seen = ((2, 4), (2, 5))  # at least half
ALL: Seen = ((3, 3), (2, 3))
SUMMED: Seen = ((3, 3), (0, 3))  # a share over all of them


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
    # Of so many probers so many see it: there it fires, and there not.
    seen_by: Seen | None = ONE
    few: Sequence[Series] = ()  # bad: three events in a window, and below: two, as high as they can read (2.2)
    fills: int = 0  # seconds that the window of `few` takes, where `within` is shorter
    after_outage: bool = False  # it is silent where an outage has paged


PROBE = 'source="probe"'
LOAD = 'suite="webhook-load",scenario="moderate"'
RPS = f'{LOAD},measure="requests_per_second"'
DRILL = 'suite="redis-failure",scenario="crash"'
THREE, TWO = 3.0, 2.2  # events in a window, as `increase` reads them
NEVER = 10**9


def down(alert: str, probe: str, *, bad: float, below: float) -> Case:
    return Case(
        alert, (Gauge(f'prober_outage_age_seconds{{probe="{probe}"}}', 0, bad, below),), 10, 10, seen_by=HALF
    )


def slow(alert: str, *, bad: float, below: float, within: int, not_yet: int) -> Case:
    """Half of the answers that slow; just below: all of them a little faster."""
    seen = histogram(WEBHOOK_DURATION, {0.05: 1}, {0.05: 0.5, bad: 0.5}, {below: 1}, PROBE)
    three, two = ({0.05: 1 - events / 30, bad: events / 30} for events in (THREE, TWO))
    few = histogram(WEBHOOK_DURATION, {0.05: 1}, three, two, PROBE)
    return Case(
        alert, seen, within, 420, not_yet=not_yet, warm=300, seen_by=SUMMED, few=few, fills=300, after_outage=True
    )


def errors(
    alert: str,
    *,
    bad: float,
    below: float,
    within: int,
    resolves: int,
    not_yet: int,
    minutes: int = 0,
    window: int = 0,
    after_outage: bool = True,
) -> Case:
    """A share of the webhooks fails. With a window (seconds): few of many fewer webhooks within it."""
    step = minutes * 60 or 10

    def samples(per: float, *shares: float) -> tuple[Counter, ...]:
        """Of so many webhooks a step these shares fail when all is well, when it is bad, and below."""
        name = 'prober_probe_samples_total{probe="webhook",result="%s"}'
        return (
            Counter(name % "good", *((1 - share) * per for share in shares)),
            Counter(name % "bad", *(share * per for share in shares)),
        )

    return Case(
        alert,
        samples(step / 10, 0, bad, below),
        within,
        resolves,
        not_yet=not_yet,
        minutes=minutes,
        warm=900 if minutes else 300,
        nan=not minutes,
        seen_by=SUMMED,
        few=samples(TWO * step / window / bad, 0, bad * THREE / TWO, bad) if window else (),
        fills=window,
        after_outage=after_outage,
    )


def budget(
    alert: str,
    edge: float,
    *,
    bad: float,
    below: float,
    within: int,
    resolves: int,
    not_yet: int,
    minutes: int,
    after_outage: bool = True,
) -> Case:
    """A share of the answers takes longer than the edge."""
    per = 6 * minutes

    def seen(share: float) -> Observed:
        return {0.05: (1 - share) * per, edge * 1.4: share * per}

    series = histogram(WEBHOOK_DURATION, {0.05: per}, seen(bad), seen(below), PROBE, edges=(edge,))
    return Case(
        alert,
        series,
        within,
        resolves,
        not_yet=not_yet,
        minutes=minutes,
        warm=900,
        nan=False,
        seen_by=SUMMED,
        after_outage=after_outage,
    )


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
        Gauge('vendor_routing_win_rate_races{verdict="judged"}', 20, 20, 20),
        Gauge('prober_known_violations{kind="no_winner"}', 0, 0, 0),
    )
    return Case(alert, series, 80, 10, not_yet=50)


def race_time(alert: str, *, bad: float, below: float) -> Case:
    seen = histogram(RACE_DURATION, {0.05: 1 / 6}, {bad: 1 / 6}, {below: 1 / 6})
    three, two = ({0.05: (15 - events) / 90, 9: events / 90} for events in (THREE, TWO))
    few = histogram(RACE_DURATION, {0.05: 1 / 6}, three, two)
    return Case(alert, seen, 900, 1000, warm=300, seen_by=SUMMED, few=few, after_outage=True)


def operations(alert: str, metric: Metric, operation: str, *, bad: float, below: float) -> Case:
    labels = f'operation="{operation}"'
    seen = histogram(metric, {0.0008: 10}, {0.0008: 5, bad: 5}, {below: 10}, labels)
    three, two = ({0.0008: 1 - events / 30, bad: events / 30} for events in (THREE, TWO))
    few = histogram(metric, {0.0008: 1}, three, two, labels)
    return Case(alert, seen, 620, 500, not_yet=280, seen_by=SUMMED, few=few)


def share_of(alert: str, metric_series: Sequence[Series], within: int, not_yet: int) -> Case:
    return Case(alert, tuple(metric_series), within, 900, warm=600, not_yet=not_yet)


def gauge(
    alert: str, series: str, *, ok: float, bad: float, below: float, pending: int, seen_by: Seen = ONE
) -> Case:
    every = 60 if pending >= 1800 else 10
    not_yet = pending - every if pending else 0
    return Case(
        alert,
        (Gauge(series, ok, bad, below),),
        pending + (2 * every if pending else 10),
        60,
        not_yet=not_yet,
        every=every,
        seen_by=seen_by,
    )


CASES: tuple[Case, ...] = (
    # violations
    open_violations("RaceConditionDetected", "multiple_winners"),
    open_violations("DuplicateEffect", "duplicate_effect"),
    open_violations("MessageLost", "lost_message"),
    open_violations("ForgedWebhookAccepted", "unsigned_accepted"),
    Case("MessagesLate", (Counter("whatsapp_webhook_late_total{}", 0, 0.2, 0),), 120, 1900),
    # webhook
    down("WebhookDown", "webhook", bad=20, below=19.9),
    slow("WebhookLatencyElevated", bad=0.7, below=0.45, within=180, not_yet=160),
    slow("HighWebhookLatency", bad=2.9, below=1.9, within=120, not_yet=100),
    slow("WebhookQueueSaturation", bad=9, below=4.9, within=120, not_yet=100),
    errors(
        "WebhookErrorRateElevated",
        bad=0.0012,
        below=0.00095,
        within=21000,
        resolves=22500,
        not_yet=20700,
        minutes=5,
        window=21600,
    ),
    errors(
        "WebhookErrorRateHigh",
        bad=0.011,
        below=0.0095,
        within=3300,
        resolves=4200,
        not_yet=3240,
        minutes=1,
        window=3600,
    ),
    errors("WebhookUnstable", bad=0.055, below=0.048, within=600, resolves=800, not_yet=590, window=600),
    errors(
        "WebhookErrorBudgetBurnsFast", bad=0.05, below=0.0058, within=1140, resolves=2400, not_yet=1080, minutes=1
    ),
    errors(
        "WebhookErrorBudgetBurnsSlowly",
        bad=0.006,
        below=0.00095,
        within=15900,
        resolves=23000,
        not_yet=15600,
        minutes=5,
        after_outage=False,
    ),
    budget(
        "WebhookP99BudgetBurnsFast", 0.5, bad=0.5, below=0.058, within=180, resolves=2400, not_yet=120, minutes=1
    ),
    budget(
        "WebhookP99BudgetBurnsSlowly",
        0.5,
        bad=0.05,
        below=0.0095,
        within=2100,
        resolves=23000,
        not_yet=1800,
        minutes=5,
        after_outage=False,
    ),
    budget(
        "WebhookP95BudgetBurnsFast", 0.2, bad=0.9, below=0.29, within=420, resolves=2400, not_yet=360, minutes=1
    ),
    budget(
        "WebhookP95BudgetBurnsSlowly",
        0.2,
        bad=0.25,
        below=0.048,
        within=600,
        resolves=23000,
        not_yet=300,
        minutes=5,
        after_outage=False,
    ),
    throughput("WebhookThroughputReduced", bad=499, below=500),
    throughput("LowWebhookThroughput", bad=99, below=100),
    Case(
        "WebhookRateLimited",
        (
            Counter(
                'whatsapp_webhook_requests_total{source="probe",check="delivery",code="429"}',
                0,
                THREE / 60,
                TWO / 60,
            ),
        ),
        570,
        700,
        not_yet=550,
    ),
    Case(
        "TlsCertificateEnding",
        (Moment("prober_target_tls_not_after_timestamp_seconds{}", -90 * 86400, -20.9 * 86400, -21.1 * 86400),),
        920,
        60,
        not_yet=880,
    ),
    Case(
        "TlsCertificateEndingNow",
        (Moment("prober_target_tls_not_after_timestamp_seconds{}", -90 * 86400, -2.9 * 86400, -3.1 * 86400),),
        920,
        60,
        not_yet=880,
    ),
    # routing
    win_rate("VendorWinRateLow", bad=0.94, below=0.95),
    win_rate("VendorWinRateCritical", bad=0.79, below=0.8),
    race_time("RaceTimeElevated", bad=0.55, below=0.48),
    race_time("RaceTimeHigh", bad=1.1, below=0.98),
    Case(
        "VendorRoutingUnavailable",
        (
            Counter('vendor_routing_race_outcomes_total{outcome="unavailable"}', 0, 1 / 6, 1 / 6),
            Counter("vendor_routing_races_total{}", 1 / 6, 0, 1 / 6),
        ),
        400,
        300,
        warm=60,
        seen_by=ALL,
        few=(Counter('vendor_routing_race_outcomes_total{outcome="unknown"}', 0, THREE / 240, TWO / 240),),
        fills=2400,
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
    gauge("RoutesMissing", 'prober_routes_missing{route="accept"}', ok=0, bad=1, below=0, pending=20, seen_by=ALL),
    gauge("HealthPageLies", 'prober_health_lies{page="/health"}', ok=0, bad=1, below=0, pending=30, seen_by=ALL),
    # redis
    down("RedisOutage", "redis", bad=10, below=9.9),
    Case("RedisRecoveryLong", (Gauge("redis_recovery_time_seconds{}", 0, 30.1, 30),), 10, 10, seen_by=HALF),
    Case("RedisRestarted", (Counter('prober_restarts_detected_total{service="redis"}', 0, 0.2, 0),), 60, 400),
    gauge("QueueBacklogElevated", 'redis_queue_backlog{queue="q"}', ok=0, bad=100, below=99, pending=120),
    gauge("QueueBacklogHigh", 'redis_queue_backlog{queue="q"}', ok=0, bad=1001, below=1000, pending=30),
    Case(
        "QueueNotDraining",
        (Counter('redis_queue_backlog{queue="q"}', 0, 0.5, 0),),
        430,
        NEVER,
        not_yet=420,
        nan=False,
        seen_by=ALL,
    ),
    operations("RedisOperationsSlow", REDIS_OPERATION, "ping", bad=0.07, below=0.045),
    Case("RedisEvicting", (Counter("redis_evicted_keys_total{}", 0, 5, 0),), 60, 700),
    # database
    down("DatabaseOutage", "database", bad=10, below=9.9),
    down("PooledDatabaseOutage", "database_pooled", bad=10, below=9.9),
    Case("DatabaseRecoverySlow", (Gauge("db_recovery_time_seconds{}", 0, 10.1, 10),), 10, 10, seen_by=HALF),
    Case("DatabaseRecoveryLong", (Gauge("db_recovery_time_seconds{}", 0, 30.1, 30),), 10, 10, seen_by=HALF),
    Case(
        "DatabaseRestarted", (Counter('prober_restarts_detected_total{service="database"}', 0, 0.2, 0),), 60, 400
    ),
    gauge("DatabasePoolSaturated", "db_connection_pool_usage{}", ok=0.1, bad=0.8, below=0.79, pending=60),
    operations("DatabaseOperationsSlow", DATABASE_OPERATION, "select", bad=0.15, below=0.09),
    Case(
        "DatabaseRollbacks",
        (Counter('db_transaction_rollbacks_total{datname="orders"}', 0, 11.9, 9.5),),
        310,
        400,
        not_yet=300,
    ),
    gauge("DatabaseLongTransaction", "db_longest_transaction_seconds{}", ok=0, bad=301, below=300, pending=60),
    # suites
    verdict("SuiteFoundWarning", bad=2, below=1),
    verdict("SuiteFoundCritical", bad=3, below=2),
    Case("DrillUnderWay", (Gauge('prober_suite_running{suite="db-restart"}', 0, 1, 0),), 10, 10),
    # the prober itself
    Case(
        "ProberAbsent",
        (Gauge("up{}", 1, 1, 1), Gauge("prober_ready{}", 1, 0, 1)),
        140,
        10,
        not_yet=100,
        absent_fires=True,
        nan=False,
        seen_by=ALL,
    ),
    Case("ProberInstanceDown", (Gauge("up{}", 1, 0, 1),), 140, 10, not_yet=100, held=False, restart=False),
    gauge("ProberNotReady", "prober_ready{}", ok=1, bad=0, below=1, pending=600),
    share_of(
        "ProberBehindSchedule",
        (
            *histogram(
                PROBE_LATENESS, {0.002: 10}, {0.002: 9.4, 1.5: 0.6}, {0.9: 9.55, 1.5: 0.45}, 'probe="redis"'
            ),
            Counter('prober_probe_skipped_total{probe="redis",reason="overrun"}', 0, 0.6, 0.45),
        ),
        820,
        not_yet=810,
    ),
    share_of(
        "ProberLoopLagging",
        histogram(LOOP_LAG, {0.002: 10}, {0.002: 9.42, 0.09: 0.58}, {0.04: 9.58, 0.09: 0.42}),
        1110,
        not_yet=1100,
    ),
    Case(
        "ProbeWithoutSuccess",
        (
            Moment('prober_probe_last_success_timestamp_seconds{probe="race"}', 5, 910, 890),
            Gauge('prober_probe_timeout_seconds{probe="race"}', 10, 10, 10),
            Moment("process_start_time_seconds{}", 90000, 90000, 90000),
        ),
        920,
        20,
        not_yet=890,
        seen_by=ALL,
    ),
    gauge("ProberReloadFailed", "prober_config_last_reload_successful{}", ok=1, bad=0, below=1, pending=60),
    gauge("ProberLeftovers", 'prober_synthetic_leftovers{kind="orders"}', ok=0, bad=1, below=0, pending=1800),
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
        seen_by=None,
    ),
    gauge("NoLeader", "prober_leader{}", ok=1, bad=0, below=1, pending=120, seen_by=ALL),
    Case("ProberCapHit", (Counter("prober_rate_cap_hits_total{}", 0, THREE / 90, TWO / 90),), 900, 1000),
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
