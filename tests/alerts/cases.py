"""For each alert: the series that make it fire, those that just do not, and how soon."""

from __future__ import annotations

from prober.web.catalogue.probing import LOOP_LAG, PROBE_LATENESS
from prober.web.catalogue.stores import DATABASE_OPERATION, REDIS_OPERATION

from .case import (
    ALL,
    HALF,
    NEVER,
    THREE,
    TWO,
    Case,
    budget,
    down,
    errors,
    gauge,
    open_violations,
    operations,
    race_time,
    share_of,
    slow,
    throughput,
    verdict,
    win_rate,
)
from .timeline import Counter, Gauge, Moment, histogram

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
