"""Gauges of a measurement are absent until measured, and absent again once it is stale."""

from __future__ import annotations

from prober.web.catalogue import METRICS
from prober.web.metric import Kind
from tests.web.event_samples import Scraped, database, health, page, ran, redis, redis_info, started, stats

# What is a setting, a moment that has passed or a count of things, and no measurement that goes stale.
LASTING = {
    "prober_build_info",
    "prober_probe_timeout_seconds",
    "prober_config_last_reload_successful",
    "prober_config_last_reload_success_timestamp_seconds",
    "prober_probe_last_success_timestamp_seconds",
}
MEASURED = {
    "redis_queue_backlog",
    "redis_recovery_time_seconds",
    "redis_memory_used_bytes",
    "redis_role",
    "db_connection_pool_usage",
    "db_recovery_time_seconds",
    "db_longest_transaction_seconds",
    "db_lock_waiters",
    "db_replication_lag_seconds",
    "db_in_recovery",
    "prober_health_lies",
    "prober_routes_missing",
    "prober_probe_success",
    "prober_probe_duration_seconds",
    "prober_outage",
    "prober_outage_age_seconds",
}


def gauges(scraped: Scraped) -> set[str]:
    exported = {name for name, _ in scraped.samples()}
    return {metric.name for metric in METRICS if metric.kind in (Kind.GAUGE, Kind.INFO)} & exported


def test_nothing_is_measured_at_the_start() -> None:
    assert gauges(Scraped(started())) == LASTING - {"prober_probe_last_success_timestamp_seconds"}


def test_every_measurement_goes_when_it_is_stale() -> None:
    everything = stats(
        pool_usage=0.1, longest_transaction=1.0, lock_waiters=0, replication_lag=0.0, in_recovery=True
    )
    scraped = Scraped(
        started(),
        ran(redis(info=redis_info(), backlog={"orders": 1}), fresh_until=110.0),
        ran(database(stats=everything), fresh_until=110.0),
        ran(health(pages=(page("/health"),)), fresh_until=110.0),
        now=110.0,
    )
    assert gauges(scraped) == LASTING | MEASURED
    scraped.now = 110.001
    assert gauges(scraped) == LASTING


def test_details_that_are_read_less_often_live_longer_than_the_run() -> None:
    scraped = Scraped(
        started(),
        ran(redis(info=redis_info(), backlog={"orders": 1}), fresh_until=103.0, details_fresh_until=130.0),
        now=120.0,
    )
    assert scraped.value("redis_queue_backlog", {"queue": "orders"}) == 1
    assert scraped.value("prober_probe_success", {"probe": "redis"}) is None


def test_a_new_measurement_brings_the_gauge_back() -> None:
    scraped = Scraped(started(), ran(redis(), fresh_until=110.0), now=111.0)
    assert scraped.value("prober_probe_success", {"probe": "redis"}) is None
    scraped.metrics.record(ran(redis(), fresh_until=120.0))
    assert scraped.value("prober_probe_success", {"probe": "redis"}) == 1
