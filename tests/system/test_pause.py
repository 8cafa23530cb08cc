"""No writes while paused, by every way to pause, told by the target's own record; and all is watched meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.stack import WEBHOOK_PATH, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.pause import FILE_NAME
from tests.system.daemon_stack import config_of, fast_stack, no_trace, rows, watcher_on
from tests.system.watching import Scrape, Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "300ms", "timeout": "2s", "down_interval": "300ms", "processing_deadline": "4s"},
    "race": {"interval": "500ms", "timeout": "3s"},
    "health": {"interval": "1s"},
}
REQUESTS = "whatsapp_webhook_requests_total"
SKIPPED = "prober_probe_skipped_total"
WRITES = (Kind.ACCEPTED, Kind.REPEATED, Kind.PROCESSED, Kind.SKIPPED, Kind.REPLY, Kind.DECISION)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES)
        await stack.start_services()
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(stack: Stack) -> AsyncIterator[Watched]:
    await stack.start_watcher()
    yield Watched(stack)
    await stack.watcher.stop(timeout=40)
    assert stack.watcher.returncode == 0
    no_trace(stack.watcher)


@pytest_asyncio.fixture(loop_scope="module")
async def watched(running: Watched) -> AsyncIterator[Watched]:
    """The daemon, writing; and writing again after the test."""
    await running.clean_again()
    yield running
    (running.stack.data_dir / FILE_NAME).unlink(missing_ok=True)
    await running.becomes("prober_paused", lambda value: value == 0)


@pytest_asyncio.fixture(loop_scope="module")
async def control(stack: Stack) -> AsyncIterator[ControlClient]:
    async with ControlClient(stack.target.control_url) as control:
        yield control


async def prober(stack: Stack, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run a command on the config of the stack: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "prober",
        *arguments,
        "--config",
        str(stack.config_file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def at_rest(watched: Watched, gauge: str, reason: str) -> float:
    """Wait until what was begun before the pause has ended; the moment, on the target's monotonic clock.

    Each probe does one run at a time, so one that was skipped, or has run once more, has nothing under way.
    """
    await watched.becomes(gauge, lambda value: value == 1)
    since = await watched.scrape()
    await watched.grows(SKIPPED, since=since, probe="race", reason=reason)
    await watched.grows(REQUESTS, by=2, since=since, check="path", code="403")
    # What the target took before is processed by then, too.
    for probe in ("redis", "database"):
        await watched.grows("prober_probe_runs_total", by=2, since=since, probe=probe)
    return time.monotonic()


async def heartbeat(stack: Stack) -> int:
    connection = await stack.postgres.connect("orders")
    try:
        return int(await connection.fetchval("SELECT beat FROM prober.heartbeat WHERE instance = 'demo'"))
    finally:
        await connection.close()


async def written(control: ControlClient, since: float) -> list[dict[str, Any]]:
    """What the target's record has of writes since then: effects, messages taken, accepts asked for."""
    entries = await control.record(since=since)
    # The health probe's look at the accept route asks for a routing that does not exist.
    return [
        entry
        for entry in entries
        if (entry["kind"] in WRITES and entry.get("routing") != "synthetic-prober-none")
        or (
            entry["kind"] == Kind.REQUEST
            and entry["method"] == "POST"
            and "synthetic-prober-none" not in entry["path"]
            and not (entry["path"] == WEBHOOK_PATH and entry["status"] == 403)
        )
    ]


async def assert_quiet(watched: Watched, control: ControlClient, since: float) -> None:
    """Let the probes run for a while: they look, and write nothing anywhere."""
    stack, before = watched.stack, await watched.scrape()
    beats, counted = await heartbeat(stack), await rows(stack)
    await watched.grows(REQUESTS, by=5, since=before, check="path", code="403")
    await watched.grows("prober_probe_runs_total", by=2, since=before, probe="health", outcome="ok")
    await watched.grows("redis_operation_duration_seconds_count", by=5, since=before, operation="ping")
    await watched.grows("db_operation_duration_seconds_count", by=5, since=before, operation="select")
    after = await watched.scrape()
    assert await written(control, since) == []
    assert await heartbeat(stack) == beats
    assert await rows(stack) == counted
    for operations in ("redis_operation_duration_seconds_count", "db_operation_duration_seconds_count"):
        assert after.total(operations, operation="write") == before.total(operations, operation="write")
    for probe in ("redis", "database", "webhook", "health"):
        assert after.value("prober_probe_success", probe=probe) == 1, probe
    assert_no_false_alarm(after)


def assert_no_false_alarm(scrape: Scrape) -> None:
    for name in (
        "whatsapp_webhook_violations_total",
        "vendor_routing_race_conditions_total",
        "whatsapp_webhook_lost_total",
        "prober_rate_cap_hits_total",
    ):
        assert scrape.total(name) == 0, name


async def test_both_gauges_are_there_from_the_start(running: Watched) -> None:
    scrape = await running.scrape()
    assert (scrape.value("prober_paused"), scrape.value("prober_maintenance")) == (0, 0)


async def test_the_command_pauses_at_once_and_resume_ends_it(watched: Watched, control: ControlClient) -> None:
    stack = watched.stack
    code, out, _ = await prober(stack, "pause", "--for", "1h", "--reason", "incident 4711")
    assert (code, "paused until " in out) == (0, True)
    quiet_since = await at_rest(watched, "prober_paused", "paused")
    await assert_quiet(watched, control, quiet_since)
    assert "paused until" in (await stack.watcher.get("/"))[1]

    # Outages go on.
    stack.redis.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="redis")
    await stack.redis.start()
    await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")
    stack.postgres.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="database")
    await stack.postgres.start()
    await watched.becomes("prober_outage", lambda value: value == 0, probe="database")
    assert await written(control, quiet_since) == []

    code, out, _ = await prober(stack, "pause", "--for", "2h", "--reason", "longer")
    assert code == 0
    assert "it replaces the pause until" in out
    assert "(incident 4711)" in out
    code, out, _ = await prober(stack, "resume")
    assert code == 0
    assert "(longer) is over" in out
    await watched.becomes("prober_paused", lambda value: value == 0)
    await watched.clean_again()
    code, out, _ = await prober(stack, "resume")
    assert (code, "not paused" in out) == (0, True)
    said = stack.watcher.log_file.read_text(encoding="utf-8")
    assert "incident 4711" in said
    assert "writes are allowed" in said


async def test_a_pause_expires_by_itself(watched: Watched, control: ControlClient) -> None:
    code, _, _ = await prober(watched.stack, "pause", "--for", "5s", "--reason", "short")
    assert code == 0
    quiet_since = await at_rest(watched, "prober_paused", "paused")
    text = (watched.stack.data_dir / FILE_NAME).read_text(encoding="utf-8")
    ends = datetime.fromisoformat(json.loads(text)["until"]).timestamp()
    await watched.becomes("prober_paused", lambda value: value == 0)
    await watched.clean_again()
    entries = await written(control, quiet_since)
    assert entries
    assert min(entry["wall"] for entry in entries) >= ends
    assert (watched.stack.data_dir / FILE_NAME).exists()


async def test_signals_pause_and_resume(watched: Watched, control: ControlClient) -> None:
    os.kill(watched.stack.watcher.pid, signal.SIGUSR1)
    quiet_since = await at_rest(watched, "prober_paused", "paused")
    await assert_quiet(watched, control, quiet_since)
    os.kill(watched.stack.watcher.pid, signal.SIGUSR2)
    await watched.becomes("prober_paused", lambda value: value == 0)
    await watched.clean_again()


@pytest.mark.parametrize("content", [b"", b"{half a fi"])
async def test_touching_the_file_pauses_whatever_is_in_it(
    watched: Watched, control: ControlClient, content: bytes
) -> None:
    file = watched.stack.data_dir / FILE_NAME
    file.write_bytes(content)
    quiet_since = await at_rest(watched, "prober_paused", "paused")
    await assert_quiet(watched, control, quiet_since)
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    await watched.becomes("prober_paused", lambda value: value == 0)
    await watched.clean_again()
    if content:
        assert "the pause file is not right" in watched.stack.watcher.log_file.read_text(encoding="utf-8")


async def test_a_pause_outlives_the_daemon_and_leaves_its_rows_to_the_next(watched: Watched) -> None:
    stack = watched.stack
    code, _, _ = await prober(stack, "pause", "--for", "1h", "--reason", "restart")
    assert code == 0
    await at_rest(watched, "prober_paused", "paused")
    left = await rows(stack)
    await stack.watcher.stop(timeout=40)
    assert stack.watcher.returncode == 0
    assert await rows(stack) == left
    await stack.watcher.start()
    await watched.becomes("prober_paused", lambda value: value == 1)
    await watched.grows(REQUESTS, by=3, check="path", code="403")
    assert await rows(stack) == left
    code, _, _ = await prober(stack, "resume")
    assert code == 0
    await watched.clean_again()


async def test_check_holds_to_a_pause_too(watched: Watched, control: ControlClient) -> None:
    code, _, _ = await prober(watched.stack, "pause", "--for", "1h", "--reason", "check")
    assert code == 0
    quiet_since = await at_rest(watched, "prober_paused", "paused")
    code, out, _ = await prober(watched.stack, "check", "--json")
    assert code == 3
    probes = {probe["name"]: probe for probe in json.loads(out)["probes"]}
    assert probes["race"]["verdict"] == "unknown"
    assert "not run: paused until" in probes["race"]["sentence"]
    assert "not delivered: paused" in probes["webhook"]["sentence"]
    assert await written(control, quiet_since) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pause", "--for", "500ms", "--reason", "x"), 2, "expected 1s to 30d"),
        (("pause", "--for", "31d", "--reason", "x"), 2, "expected 1s to 30d"),
        (("pause", "--for", "soon", "--reason", "x"), 2, "expected a duration"),
        (("pause", "--for", "1h", "--reason", " "), 2, "expected a few words"),
        (("pause", "--for", "1h"), 2, "--reason"),
        (("pause", "--reason", "x"), 2, "--for"),
    ],
)
async def test_what_is_no_pause_is_refused(stack: Stack, arguments: tuple[str, ...], code: int, said: str) -> None:
    found, _, err = await prober(stack, *arguments)
    assert found == code
    assert said in err
    assert "Traceback" not in err


async def test_pausing_needs_no_more_of_the_config_than_where_the_files_are(stack: Stack) -> None:
    config, home = stack.directory / "broken.yaml", stack.directory / "broken-data"
    config.write_text(f"data_dir: {home}\ntarget:\n  auth_token: ${{NOT_SET_HERE}}\n  what: 5\n", encoding="utf-8")

    async def command(*arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prober", *arguments, "--config", str(config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    code, _, err = await command("pause", "--for", "1h", "--reason", "x")
    assert code == 3
    assert "there is no folder" in err
    home.mkdir()
    assert (await command("pause", "--for", "1h", "--reason", "x"))[0] == 0
    assert json.loads((home / FILE_NAME).read_text(encoding="utf-8"))["reason"] == "x"
    config.write_text("data_dir: ${NOT_SET_HERE}\n", encoding="utf-8")
    code, _, err = await command("resume")
    assert code == 2
    assert "NOT_SET_HERE" in err


def utc(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("kind", ["once", "cron", "pause"])
async def test_the_config_holds_back_all_writes(stack: Stack, control: ControlClient, kind: str) -> None:
    now = datetime.now(UTC)
    document = {**config_of(stack), "instance": f"by-{kind}"}
    gauge, reason = "prober_maintenance", "maintenance"
    if kind == "once":
        window = {"from": utc(now - timedelta(hours=1)), "to": utc(now + timedelta(hours=1)), "reason": "move"}
        document["maintenance"] = [window]
    elif kind == "cron":
        # Every minute, for a minute: always.
        document["maintenance"] = [{"cron": "* * * * *", "duration": "1m", "timezone": "Europe/Berlin"}]
    else:
        document["pause"] = {"until": utc(now + timedelta(hours=1)), "reason": "config"}
        gauge, reason = "prober_paused", "paused"
    if stack.watcher.running:
        await stack.watcher.stop(timeout=40)
    # Whatever the one before had begun has had its effect by then.
    await until("the rows of the daemon before to be gone", lambda: _none(stack))
    began, watcher = time.monotonic(), watcher_on(stack, document, f"by-{kind}")
    await watcher.start()
    try:
        watched = Watched(stack, watcher)
        await watched.becomes(gauge, lambda value: value == 1)
        await watched.grows(SKIPPED, by=2, probe="race", reason=reason)
        await watched.grows(REQUESTS, by=4, check="path", code="403")
        await watched.grows("prober_probe_runs_total", by=3, probe="redis", outcome="ok")
        await watched.grows("prober_probe_runs_total", by=3, probe="database", outcome="ok")
        scrape = await watched.scrape()
        assert scrape.value("prober_paused" if gauge == "prober_maintenance" else "prober_maintenance") == 0
        assert_no_false_alarm(scrape)
        assert await written(control, began) == []
        assert not any((await rows(stack)).values())
    finally:
        await watcher.stop(timeout=40)
    assert watcher.returncode == 0
    no_trace(watcher)


async def _none(stack: Stack) -> bool:
    return not any((await rows(stack)).values())
