"""Scheduled suites: when one is not run and why, and the command lines of those that are a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from apscheduler.schedulers.background import BackgroundScheduler

from prober.cli import build_parser
from prober.clock import now
from prober.config.load import load_config
from prober.config.model import Config, ScheduledSuite
from prober.daemon.suites.scheduled import command
from prober.outcome import Suite, SuiteSkip
from prober.suites.presence import present
from tests.daemon.scheduling import Told

RACE = {"cron": "30 4 * * *", "suite": "vendor-race", "scenario": "light", "races": 2}
LOAD = {"cron": "0 5 * * SUN", "suite": "webhook-load", "scenario": "light", "rate": "30/1m", "duration": "90s"}


def config_of(tmp_path: Path, *schedule: dict[str, Any], **sections: Any) -> Config:
    document = {
        "instance": "one",
        "data_dir": str(tmp_path / "data"),
        "target": {
            "environment": "staging",
            "url": "http://127.0.0.1:9",
            "account_sid": "AC" + "0" * 32,
            "auth_token": "secret-of-the-tests",
            "rate_limit": "1200/1m",
        },
        "probes": {
            "redis": {"url": "redis://127.0.0.1:9/0"},
            "database": {"dsn": "postgresql://prober@127.0.0.1:9/orders"},
        },
        "suites": {"schedule": list(schedule)},
        **sections,
    }
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(document))
    return load_config(file, {})


async def test_a_pause_and_a_window_hold_it_back(tmp_path: Path) -> None:
    paused = config_of(tmp_path, RACE, pause={"until": "2099-01-01T00:00:00Z", "reason": "ticket 7"})
    event = await Told(tmp_path, paused).skipped()
    assert (event.suite, event.scenario, event.reason) == (Suite.VENDOR_RACE, "light", SuiteSkip.PAUSED)
    assert "ticket 7" in event.detail
    window = {"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}
    event = await Told(tmp_path, config_of(tmp_path, RACE, maintenance=[window])).skipped()
    assert event.reason is SuiteSkip.MAINTENANCE


async def test_one_at_a_time_also_beside_a_command(tmp_path: Path) -> None:
    config = config_of(tmp_path, RACE)
    with present(config.data_dir, Suite.WEBHOOK_LOAD, "stress", "r1", now()):
        event = await Told(tmp_path, config).skipped()
    assert event.reason is SuiteSkip.BUSY
    assert "webhook-load stress (r1)" in event.detail


async def test_one_that_cannot_be_run_is_counted_and_says_why(tmp_path: Path) -> None:
    # Nobody listens there.
    event = await Told(tmp_path, config_of(tmp_path, RACE)).skipped()
    assert event.reason is SuiteSkip.FAILED
    assert "synthetic vendors are needed, and could not be made" in event.detail


async def test_a_process_that_could_not_run_says_why_and_gives_its_rate_back(tmp_path: Path) -> None:
    told = Told(tmp_path, config_of(tmp_path, LOAD))
    before = told.assembled.gate.cap
    waiting = asyncio.create_task(told.skipped())
    await asyncio.sleep(0.1)
    assert told.assembled.gate.cap.rate == before.rate - 0.5
    assert told.assembled.gate.cap.webhook == before.webhook - 30
    event = await waiting
    assert event.reason is SuiteSkip.FAILED
    assert event.detail.startswith("its process ended with ")
    assert told.assembled.gate.cap == before


async def test_nothing_begins_once_it_was_stopped(tmp_path: Path) -> None:
    told = Told(tmp_path, config_of(tmp_path, RACE))
    await told.suites.stop(1.0)
    await told.suites.due(told.config.suites.schedule[0])
    assert told.events == []


async def test_a_process_is_ended_with_the_daemon(tmp_path: Path) -> None:
    told = Told(tmp_path, config_of(tmp_path, LOAD))
    due = asyncio.create_task(told.suites.due(told.config.suites.schedule[0]))
    await asyncio.sleep(0.1)
    await told.suites.stop(5.0)
    await due
    assert told.assembled.gate.cap.rate == 10.0


def test_the_schedule_of_now_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    told = Told(tmp_path, config_of(tmp_path, RACE, LOAD))
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    try:
        told.suites.follow(scheduler)
        assert [job.args[0].suite for job in scheduler.get_jobs()] == [Suite.VENDOR_RACE, Suite.WEBHOOK_LOAD]
        told.config = config_of(tmp_path, {**RACE, "cron": "15 4 * * *"})
        told.suites.follow(scheduler)
        (job,) = scheduler.get_jobs()
        assert (job.next_run_time.minute, job.next_run_time.hour) == (15, 4)
    finally:
        scheduler.shutdown(wait=False)


@pytest.mark.parametrize(
    ("entry", "beginning"),
    [
        (LOAD, ["load", "light"]),
        ({**LOAD, "suite": "redis-failure", "scenario": "crash"}, ["drill", "redis", "crash"]),
        ({**LOAD, "suite": "db-restart", "scenario": "graceful", "duration": None}, ["drill", "db", "graceful"]),
    ],
)
def test_command_lines_are_those_that_prober_takes(
    tmp_path: Path, entry: dict[str, Any], beginning: list[str]
) -> None:
    config = config_of(tmp_path, {key: value for key, value in entry.items() if value is not None})
    found: ScheduledSuite = config.suites.schedule[0]
    words = command(found, tmp_path / "config.yaml", tmp_path)
    assert words[: len(beginning)] == beginning
    given = build_parser().parse_args(words)
    assert (given.rate, given.config, given.scenario) == (0.5, tmp_path / "config.yaml", entry["scenario"])
    assert given.duration == (90.0 if entry["duration"] else None)
    assert given.output == tmp_path / f"{entry['suite']}-test-results.json"
