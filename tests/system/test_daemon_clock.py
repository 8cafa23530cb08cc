"""The wall clock is stepped under the running daemon: only labels change, no pace, length or verdict."""

from __future__ import annotations

import time

import pytest

from prober.demo.process import Owner
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.wall_clock import WallClock, libfaketime
from tests.system.watching import Scrape, Watched

HOUR = 3600.0
INTERVALS = {"redis": 0.5, "database": 0.5, "webhook": 1.0, "race": 1.5, "health": 1.5}
PROBES = {
    name: {"interval": f"{interval * 1000:.0f}ms", "timeout": f"{interval * 10000:.0f}ms"}
    for name, interval in INTERVALS.items()
}
RACES = 6  # while one step is watched
# A length in which an hour shows and a busy machine does not.
SANE = 120.0


async def test_a_step_of_the_wall_clock_changes_labels_alone() -> None:
    library = libfaketime()
    if library is None:
        pytest.skip("needs libfaketime: apt-get install faketime")
    async with Owner() as owner:
        probes = {**PROBES, "webhook": {**PROBES["webhook"], "down_interval": "1s"}}
        stack = fast_stack(owner, probes)
        clock = WallClock(library, stack.directory / "wall-clock")
        stack.watcher.environment = clock.environment
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        await watched.clean_again()
        for offset in (HOUR, 0.0):
            before, began = await watched.scrape(), time.monotonic()
            clock.step(offset)
            await watched.grows("prober_probe_runs_total", by=RACES, since=before, probe="race")
            after, took = await watched.scrape(), time.monotonic() - began
            assert_label(after, offset)
            assert_pace(before, after, took)
            assert_sane(after)
        await watched.clean_again()
        assert_sane(await watched.scrape())
        await stack.watcher.stop(timeout=40)
        assert stack.watcher.returncode == 0
        assert watched.reader.outages() == ()
        assert watched.reader.violations() == ()
        no_trace(stack.watcher)


def assert_label(scrape: Scrape, offset: float) -> None:
    """The step has happened: what is a wall time shows it."""
    success = scrape.value("prober_probe_last_success_timestamp_seconds", probe="redis")
    assert success == pytest.approx(time.time() + offset, abs=SANE)


def assert_pace(before: Scrape, after: Scrape, took: float) -> None:
    """Every point of the grid was a run, or was skipped because this machine is busy; none was added."""
    for probe, interval in INTERVALS.items():
        points = [
            scrape.total("prober_probe_runs_total", probe=probe)
            + scrape.total("prober_probe_skipped_total", probe=probe)
            for scrape in (before, after)
        ]
        # What a run under way covers is known only at the next one, and what is told is some seconds old on a busy
        # machine; a step of the clock that counted would be worth thousands of runs.
        assert took / interval / 2 - 4 <= points[1] - points[0] <= took / interval * 1.25 + 8, probe


def assert_sane(scrape: Scrape) -> None:
    for name in (
        "whatsapp_webhook_violations_total",
        "whatsapp_webhook_errors_total",
        "whatsapp_webhook_lost_total",
        "whatsapp_webhook_late_total",
        "vendor_routing_race_conditions_total",
        "redis_connection_errors_total",
        "prober_restarts_detected_total",
        "prober_outage",
        "prober_outage_duration_seconds_count",
        "prober_journal_failures_total",
        "redis_recovery_time_seconds",
        "db_recovery_time_seconds",
    ):
        found = {labels: value for (has, labels), value in scrape.samples.items() if has == name and value}
        assert not found, (name, found)
    for name in (
        "whatsapp_webhook_duration_seconds_sum",
        "whatsapp_webhook_processing_seconds_sum",
        "vendor_routing_race_duration_seconds_sum",
        "redis_operation_duration_seconds_sum",
        "db_operation_duration_seconds_sum",
        "prober_probe_duration_seconds",
        "prober_probe_lateness_seconds_sum",
        "prober_event_loop_lag_seconds_sum",
    ):
        assert 0 <= scrape.total(name) < SANE, name
    for name in ("vendor_routing_win_rate", "db_connection_pool_usage", "redis_memory_used_bytes"):
        assert scrape.value(name) is not None, name
    assert scrape.value("vendor_routing_win_rate") == 1
    for probe in INTERVALS:
        assert scrape.value("prober_probe_success", probe=probe) == 1, probe
