"""What races, Redis, PostgreSQL, health pages and the prober's own condition turn into."""

from __future__ import annotations

import pytest

from prober.event import (
    EventsDropped,
    JournalFailed,
    Leading,
    Leftovers,
    LoopLag,
    ProbeSkipped,
    ServiceRestarted,
    WinRate,
)
from prober.outcome import Claim, OutageState, Outcome, ProbeName, RaceOutcome, Service, SkipReason
from prober.result import RaceHistory, RaceResult
from tests.web.event_samples import (
    TRACE,
    WALL,
    Scraped,
    answer,
    at,
    changed,
    database,
    health,
    outage,
    page,
    race,
    ran,
    redis,
    redis_info,
    started,
    stats,
)


@pytest.mark.parametrize("outcome", RaceOutcome)
def test_only_judged_races_count_as_races(outcome: RaceOutcome) -> None:
    result = race(race_outcome=outcome, race_duration=0.2, spread=0.001)
    rises = Scraped(started()).rises(ran(result, lateness=None))
    expected = {
        "prober_probe_runs_total{outcome=ok,probe=race}": 1.0,
        f"vendor_routing_race_outcomes_total{{outcome={outcome}}}": 1.0,
        "prober_race_release_spread_seconds_count": 1.0,
    }
    if outcome.is_judged:
        expected |= {"vendor_routing_races_total": 1.0, "vendor_routing_race_duration_seconds_count": 1.0}
    assert rises == expected


def test_a_vendor_s_answer_time_is_that_of_definite_answers() -> None:
    definite = {Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED}
    result = race(
        history=RaceHistory(
            answers=(*(answer(claim=claim) for claim in Claim), answer(sent=None), answer(answered=None))
        )
    )
    scraped = Scraped(started(), ran(result))
    assert scraped.value("vendor_routing_response_time_seconds_count") == len(definite)
    assert scraped.value("vendor_routing_response_time_seconds_sum") == pytest.approx(0.04 * len(definite))
    samples = [s for family in scraped.metrics.series.collect() for s in family.samples]
    assert [s.exemplar.labels for s in samples if s.exemplar] == [{"trace_id": TRACE}]


def test_a_race_without_measurements_observes_nothing() -> None:
    bare: RaceResult = race(race_outcome=RaceOutcome.UNAVAILABLE, outcome=Outcome.TIMEOUT)
    rises = Scraped(started()).rises(ran(bare, lateness=None))
    assert set(rises) == {
        "prober_probe_runs_total{outcome=timeout,probe=race}",
        "vendor_routing_race_outcomes_total{outcome=unavailable}",
    }


def test_the_win_rate_is_absent_without_a_verdict_and_says_how_many_races_it_rests_on() -> None:
    scraped = Scraped(started(), WinRate(value=0.99, judged=100, unjudged=1, fresh_until=200.0))
    assert scraped.value("vendor_routing_win_rate") == 0.99
    scraped.metrics.record(WinRate(value=None, judged=4, unjudged=30, fresh_until=200.0))
    assert scraped.value("vendor_routing_win_rate") is None
    assert scraped.value("vendor_routing_win_rate_races", {"verdict": "unjudged"}) == 30
    scraped.now = 200.1
    assert scraped.value("vendor_routing_win_rate_races", {"verdict": "unjudged"}) is None


def test_a_redis_run() -> None:
    scraped = Scraped(started())
    rises = scraped.rises(
        ran(
            redis(
                operations={"ping": 0.0004, "write": 0.0005},
                info=redis_info(role="slave"),
                backlog={"orders": 120, "never heard of": 1},
            ),
            lateness=None,
        )
    )
    assert rises == {
        "prober_probe_runs_total{outcome=ok,probe=redis}": 1.0,
        "redis_operation_duration_seconds_count{operation=ping}": 1.0,
        "redis_operation_duration_seconds_count{operation=write}": 1.0,
    }
    assert scraped.value("redis_queue_backlog", {"queue": "orders"}) == 120
    assert scraped.value("redis_queue_backlog", {"queue": "replies"}) is None
    assert scraped.value("redis_queue_backlog", {"queue": "other"}) == 1
    assert scraped.value("redis_memory_used_bytes") == 1_000_000
    roles = ("master", "replica", "sentinel", "other")
    assert [scraped.value("redis_role", {"role": role}) for role in roles] == [0, 1, 0, 0]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.OOM, Outcome.LOADING, Outcome.MISCONF])
def test_a_failing_redis_run_is_a_connection_error_with_its_reason(outcome: Outcome) -> None:
    rises = Scraped(started()).rises(ran(redis(outcome=outcome), lateness=None))
    assert rises[f"redis_connection_errors_total{{reason={outcome}}}"] == 1


def test_what_a_role_may_not_see_is_absent_and_not_zero() -> None:
    full = stats(pool_usage=0.5, longest_transaction=3.0, lock_waiters=0, in_recovery=False)
    scraped = Scraped(started(), ran(database(stats=full)))
    assert scraped.value("db_connection_pool_usage") == 0.5
    assert scraped.value("db_lock_waiters") == 0
    assert scraped.value("db_in_recovery") == 0
    assert scraped.value("db_replication_lag_seconds") is None
    scraped.metrics.record(ran(database(stats=None)))
    assert scraped.value("db_connection_pool_usage") == 0.5
    scraped.metrics.record(ran(database(stats=stats())))
    assert scraped.value("db_connection_pool_usage") is None
    assert scraped.value("db_lock_waiters") is None


def test_the_way_through_the_pooler_has_latencies_of_its_own_and_no_statistics() -> None:
    pooled = database(probe=ProbeName.DATABASE_POOLED, operations={"select": 0.001}, stats=stats(pool_usage=1.0))
    scraped = Scraped(started())
    rises = scraped.rises(ran(pooled, lateness=None))
    assert rises == {
        "prober_probe_runs_total{outcome=ok,probe=database_pooled}": 1.0,
        "db_operation_duration_seconds_count{operation=pooled_select}": 1.0,
    }
    assert scraped.value("db_connection_pool_usage") is None


def test_rollbacks_follow_the_server_through_a_crash() -> None:
    scraped = Scraped(started())
    readings = [(1000, 1.0), (1004, 1.0), (2, 1.0), (2, 1.0), (3, 2.0), (1, 2.0)]
    totals = []
    for rollbacks, reset in readings:
        scraped.metrics.record(ran(database(stats=stats(rollbacks=rollbacks, rollbacks_reset=reset))))
        totals.append(scraped.value("db_transaction_rollbacks_total", {"datname": "shop"}))
    assert totals == [0, 4, 6, 6, 9, 10]


def test_evictions_follow_redis_through_a_restart() -> None:
    scraped = Scraped(started())
    totals = []
    for evicted, run_id in [(50, "a"), (53, "a"), (60, "b"), (61, "b")]:
        info = redis_info(evicted_keys=evicted, run_id=run_id)
        scraped.metrics.record(ran(redis(info=info)))
        totals.append(scraped.value("redis_evicted_keys_total"))
    assert totals == [0, 3, 63, 64]


def test_health_pages_that_lie_and_routes_that_are_missing() -> None:
    result = health(pages=(page("/health"), page("/elsewhere")), lies=("/health",), missing_routes=("accept",))
    scraped = Scraped(started(), ran(result))
    assert scraped.value("prober_health_lies", {"page": "/health"}) == 1
    assert scraped.value("prober_health_lies", {"page": "/health/monitor"}) is None
    assert scraped.value("prober_routes_missing", {"route": "accept"}) == 1
    assert scraped.value("prober_routes_missing", {"route": "status"}) == 0


def test_a_silent_target_says_nothing_of_its_routes() -> None:
    silent = health(pages=(page("/health", code=None),), outcome=Outcome.REFUSED)
    scraped = Scraped(started(), ran(silent))
    assert scraped.value("prober_routes_missing", {"route": "accept"}) is None


def test_the_last_run_as_blackbox_exporter_has_it() -> None:
    redis_probe = {"probe": "redis"}
    scraped = Scraped(started(probes={ProbeName.REDIS: 1.5}), ran(redis()))
    assert scraped.value("prober_probe_success", redis_probe) == 1
    assert scraped.value("prober_probe_duration_seconds", redis_probe) == 0.002
    assert scraped.value("prober_probe_timeout_seconds", redis_probe) == 1.5
    scraped.metrics.record(ran(redis(outcome=Outcome.RESET, started=at(101.0))))
    assert scraped.value("prober_probe_success", redis_probe) == 0
    assert scraped.value("prober_probe_last_success_timestamp_seconds", redis_probe) == WALL + 100


@pytest.mark.parametrize(
    ("event", "rise"),
    [
        (
            ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.OVERRUN, count=3),
            {"prober_probe_skipped_total{probe=race,reason=overrun}": 3.0},
        ),
        (
            ServiceRestarted(service=Service.REDIS, at=at(1), detail=""),
            {"prober_restarts_detected_total{service=redis}": 1.0},
        ),
        (LoopLag(seconds=0.003, at=at(1)), {"prober_event_loop_lag_seconds_count": 1.0}),
        (JournalFailed(reason="full", detail=""), {"prober_journal_failures_total{reason=full}": 1.0}),
        (EventsDropped(count=7), {"prober_events_dropped_total": 7.0}),
        (
            changed(OutageState.UP, outage(ended=112.0)),
            {"prober_outage_duration_seconds_count{probe=redis}": 1.0},
        ),
        (changed(OutageState.DOWN, outage()), {}),
    ],
)
def test_what_counts_by_itself(event: object, rise: dict[str, float]) -> None:
    assert Scraped(started()).rises(event) == rise


def test_leftovers_by_kind() -> None:
    scraped = Scraped(started(), Leftovers(counts={"orders": 2, "keys": 0}))
    assert scraped.value("prober_synthetic_leftovers", {"kind": "orders"}) == 2
    assert scraped.value("prober_synthetic_leftovers", {"kind": "keys"}) == 0


def test_lateness_is_that_of_runs_on_the_schedule() -> None:
    scraped = Scraped(started(), ran(redis(), lateness=0.004), ran(redis(), lateness=None))
    assert scraped.value("prober_probe_lateness_seconds_count", {"probe": "redis"}) == 1


def test_a_probe_that_does_not_run_has_no_metrics_of_its_own() -> None:
    names = {name for name, _ in Scraped(started(probes={ProbeName.REDIS: 1.0})).samples()}
    assert "redis_connection_errors_total" in names
    assert not [name for name in names if name.startswith(("whatsapp_", "vendor_", "db_"))]


def test_before_the_start_only_the_build_is_known() -> None:
    assert {name for name, _ in Scraped().samples()} == {"prober_build_info"}


def test_leads_until_the_lease_runs_out_whatever_is_heard_of_it() -> None:
    scraped = Scraped(started(), now=100.0)
    assert scraped.value("prober_leader") is None
    scraped.metrics.record(Leading(leading=True, at=at(100.0), until=110.0, fence=7))
    assert scraped.value("prober_leader") == 1
    scraped.now = 110.0
    assert scraped.value("prober_leader") == 0
    scraped.metrics.record(Leading(leading=True, at=at(110.0), until=120.0, fence=7))
    assert scraped.value("prober_leader") == 1
    scraped.metrics.record(Leading(leading=False, at=at(111.0)))
    assert scraped.value("prober_leader") == 0


def test_without_an_election_it_always_leads() -> None:
    scraped = Scraped(started(), Leading(leading=True, at=at(100.0)), now=1e9)
    assert scraped.value("prober_leader") == 1
