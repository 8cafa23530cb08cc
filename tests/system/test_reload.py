"""Reload of a whole daemon on real servers: nothing lost, nothing reset, all or nothing. One stack for all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import pytest_asyncio
import yaml

from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.pause import FILE_NAME
from tests.system.daemon_stack import change_config, config_of, fast_stack, no_trace, rows
from tests.system.reloading import (
    OK,
    OK_AT,
    PROBES,
    hang_up,
    log_lines,
    never_fell,
    post,
    probes,
    reload,
    said,
)
from tests.system.watching import Scrape, Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="5s")
        await stack.start_services()
        await stack.start_watcher()
        yield Watched(stack)
        no_trace(stack.watcher)


@pytest_asyncio.fixture(loop_scope="module")
async def control(watched: Watched) -> AsyncIterator[ControlClient]:
    async with ControlClient(watched.stack.target.control_url) as control:
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)


async def test_the_pace_changes_and_no_counter_falls(watched: Watched) -> None:
    before = await watched.scrape()
    assert before.value(OK) == 1
    await reload(watched, probes(redis={"interval": "1h", "details_interval": "1h"}, race={"vendors": 4}))
    slowed = await watched.scrape()
    never_fell(before, slowed)
    # At the old pace the redis probe would have run some ten times by then.
    await watched.grows("prober_probe_runs_total", by=10, probe="database")
    later = await watched.scrape()
    runs = later.total("prober_probe_runs_total", probe="redis") - slowed.total(
        "prober_probe_runs_total", probe="redis"
    )
    assert runs <= 1
    # Not an hour from now: the new interval counts from the last start.
    await reload(
        watched, probes(redis={"interval": "50ms", "timeout": "500ms", "details_interval": "2s", "jitter": "5ms"})
    )
    await watched.grows("prober_probe_runs_total", by=40, since=later, probe="redis", timeout=20)
    await watched.grows("vendor_routing_race_outcomes_total", by=2, outcome="one_winner")
    final = await watched.scrape()
    never_fell(before, final)
    stored = watched.reader.race(watched.reader.races(limit=1)[0].id)
    assert stored is not None
    assert "vendor-04" in str(stored.evidence)
    assert "vendor-05" not in str(stored.evidence)
    assert any("probes.race.vendors: 5 → 4" in line.get("change", "") for line in log_lines(watched))


async def test_every_point_of_the_grid_is_a_run_or_was_skipped(watched: Watched) -> None:
    """Also through twenty reloads: those of the redis probe come every 50 ms, whatever is reloaded meanwhile."""
    names = {"probe": "redis"}

    def points(scrape: Scrape) -> float:
        return scrape.total("prober_probe_runs_total", **names) + scrape.total(
            "prober_probe_skipped_total", **names
        )

    before, began = await watched.scrape(), time.monotonic()
    for n in range(20):
        await reload(watched, probes(health={"interval": f"{1000 + n}ms"}))
    after, ended = await watched.scrape(), time.monotonic()
    seconds = ended - began
    # What runs per second is the grid alone; one at each end may fall on either side of a scrape.
    assert points(after) - points(before) == pytest.approx(seconds / 0.05, abs=0.1 * seconds / 0.05 + 4)
    never_fell(before, after)


async def test_a_bad_file_leaves_the_old_one_in_force_and_says_so(watched: Watched) -> None:
    good = watched.stack.config_file.read_text(encoding="utf-8")
    refused = said(watched, "the config before stays in force")
    watched.stack.config_file.write_text(good + "oops: 1\nwebb: {}\n", encoding="utf-8")
    lines = good.count("\n")
    before = await watched.scrape()
    hang_up(watched)
    await watched.becomes(OK, lambda value: value == 0)
    after = await watched.scrape()
    assert after.value(OK_AT) == before.value(OK_AT)
    assert said(watched, "the config before stays in force") == refused + 1
    problems = [line["problem"] for line in log_lines(watched) if line.get("event") == "reload refused"]
    assert any(f":{lines + 1}:1: oops: unknown key" in problem for problem in problems)
    assert any(f":{lines + 2}:1: webb: unknown key" in problem for problem in problems)
    # It goes on as before.
    await watched.grows("prober_probe_runs_total", by=10, probe="redis", outcome="ok")
    watched.stack.config_file.write_text(good, encoding="utf-8")
    await reload(watched)


async def test_what_cannot_change_refuses_the_whole(watched: Watched) -> None:
    good = watched.stack.config_file.read_text(encoding="utf-8")

    def change(document: dict[str, Any]) -> None:
        document["instance"] = "another"
        document["probes"]["redis"]["interval"] = "1s"

    change_config(watched.stack, change)
    hang_up(watched)
    await watched.becomes(OK, lambda value: value == 0)
    (problem,) = [
        line["problem"] for line in log_lines(watched) if line.get("problem", "").startswith("instance: ")
    ]
    assert "restart the prober" in problem
    await watched.grows("prober_probe_runs_total", by=20, probe="redis")
    watched.stack.config_file.write_text(good, encoding="utf-8")
    await reload(watched)


async def test_a_pause_lasts_over_a_reload_and_what_a_pause_is_made_of_is_refused(watched: Watched) -> None:
    good = watched.stack.config_file.read_text(encoding="utf-8")
    pause = watched.stack.data_dir / FILE_NAME
    pause.touch()
    try:
        await watched.becomes("prober_paused", lambda value: value == 1)
        await reload(watched, probes(race={"vendors": 4}, health={"interval": "1200ms"}))
        since = await watched.scrape()
        assert since.value("prober_paused") == 1
        await watched.grows("prober_probe_skipped_total", by=2, since=since, probe="race", reason="paused")
        later = await watched.scrape()
        races = "vendor_routing_race_outcomes_total"
        assert later.total(races) == since.total(races)
        never_fell(since, later)

        def change(document: dict[str, Any]) -> None:
            document["cap"]["burst"] = 100
            document["pause"] = {"until": "2100-01-01T00:00:00Z"}

        change_config(watched.stack, change)
        hang_up(watched)
        await watched.becomes(OK, lambda value: value == 0)
        problems = [line["problem"] for line in log_lines(watched) if line.get("event") == "reload refused"]
        for key in ("cap.burst: ", "pause.until: "):
            assert any(problem.startswith(key) and "restart the prober" in problem for problem in problems)
    finally:
        pause.unlink(missing_ok=True)
        watched.stack.config_file.write_text(good, encoding="utf-8")
    await reload(watched)
    await watched.becomes("prober_paused", lambda value: value == 0)
    await watched.grows("vendor_routing_race_outcomes_total", by=1, outcome="one_winner")


async def test_by_http_it_is_off_until_it_is_enabled(watched: Watched) -> None:
    status, answer = await post(watched)
    assert (status, "web.reload: true" in answer["error"]) == (403, True)
    status, text = await watched.watcher.get("/-/reload")
    assert (status, json.loads(text)["error"]) == (405, "expected POST, got GET")

    def enable(document: dict[str, Any]) -> None:
        document["web"] = {"reload": True}

    await reload(watched, enable)
    assert await post(watched) == (200, {"status": 200, "changed": []})
    change_config(watched.stack, probes(health={"interval": "1500ms"}))
    status, answer = await post(watched)
    assert (status, "probes.health.interval" in answer["changed"]) == (200, True)
    good = watched.stack.config_file.read_text(encoding="utf-8")
    watched.stack.config_file.write_text(good + "oops: 1\n", encoding="utf-8")
    status, answer = await post(watched)
    assert status == 400
    (problem,) = answer["problems"]
    assert "oops: unknown key" in problem
    watched.stack.config_file.write_text(good, encoding="utf-8")
    answers = await asyncio.gather(*(post(watched) for _ in range(4)))
    assert {status for status, _ in answers} <= {200, 409}
    assert 200 in {status for status, _ in answers}


async def test_users_come_and_go_by_reload(watched: Watched) -> None:
    """The 200s and 401s of scrapes follow; with users, a reload wants a password too."""
    file = watched.stack.directory / "web.yaml"
    file.write_text("basic_auth_users:\n  op: " + bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode() + "\n")

    def add(document: dict[str, Any]) -> None:
        document["web_config"] = str(file)

    change_config(watched.stack, add)
    status, answer = await post(watched)
    assert (status, sorted(answer["changed"])) == (200, ["web_config", "web_config.basic_auth_users"])
    assert (await post(watched))[0] == 401
    assert (await watched.watcher.get("/metrics"))[0] == 401

    def remove(document: dict[str, Any]) -> None:
        del document["web_config"]

    change_config(watched.stack, remove)
    assert (await post(watched, "wrong"))[0] == 401
    assert (await post(watched, "right"))[0] == 200
    assert (await watched.watcher.get("/metrics"))[0] == 200


async def test_an_outage_goes_on_with_its_beginning(watched: Watched) -> None:
    stack = watched.stack
    killed = time.monotonic()
    stack.redis.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="redis")
    seen = time.monotonic()

    async def kept() -> bool:
        return bool(watched.reader.open_outages())

    await until("the outage in the journal", kept)
    (outage,) = watched.reader.open_outages()
    for down in ("30ms", "20ms"):
        await reload(watched, probes(redis={"down_interval": down}))
    scrape, at = await watched.scrape(), time.monotonic()
    so_far = scrape.value("redis_recovery_time_seconds")
    assert so_far is not None
    assert so_far <= at - killed
    assert scrape.value("prober_outage", probe="redis") == 1
    before = time.monotonic()
    await stack.redis.start()
    await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")

    async def over() -> bool:
        return not watched.reader.open_outages()

    await until("the end of the outage in the journal", over)
    stored = watched.reader.outages("redis")[0]
    assert stored.id == outage.id
    assert stored.duration is not None
    assert before - seen - 0.5 <= stored.duration <= time.monotonic() - killed


async def test_a_race_and_a_message_under_way_survive(watched: Watched, control: ControlClient) -> None:
    await watched.clean_again()
    before = await watched.scrape()
    await control.plant("stuck_queue")
    accepted = {entry["sid"] for entry in await control.record(Kind.ACCEPTED)}

    async def waiting() -> bool:
        return len({entry["sid"] for entry in await control.record(Kind.ACCEPTED)} - accepted) >= 3

    await until("messages that wait for their effect", waiting)
    messages = {entry["sid"] for entry in await control.record(Kind.ACCEPTED)} - accepted
    since = time.monotonic()
    await control.plant("hang", routes="routing")

    async def racing() -> bool:
        requests = await control.record(Kind.REQUEST, since=since)
        orders = (await rows(watched.stack, "orders"))["orders"]
        return orders > 0 and any(entry["path"].endswith("/accept") for entry in requests)

    await until("a race that waits for its answers", racing)
    # A deadline that those messages have passed by now: they were sent under the one before.
    await reload(watched, probes(webhook={"processing_deadline": "1s"}, race={"vendors": 3}))
    await asyncio.sleep(1.5)
    await reload(watched, probes(webhook={"processing_deadline": "8s"}))
    await control.remove("hang")
    await control.remove("stuck_queue")
    await watched.grows("vendor_routing_race_outcomes_total", since=before, by=1)
    await watched.clean_again()

    async def settled() -> bool:
        found = [watched.reader.webhook(sid) for sid in messages]
        return all(one is not None and one.settlement is not None for one in found)

    await until("every message to be settled", settled)
    settlements = {one.settlement for sid in messages if (one := watched.reader.webhook(sid)) is not None}
    assert settlements <= {"done", "late"}
    after = await watched.scrape()
    never_fell(before, after)
    assert after.total("vendor_routing_race_conditions_total") == 0
    await watched.becomes("prober_synthetic_leftovers", lambda value: value == 0, kind="orders")


async def test_a_probe_goes_and_comes_back(watched: Watched) -> None:
    watched.stack.redis.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="redis")
    before = await watched.scrape()
    await reload(watched, probes(redis={"enabled": False}))
    without = await watched.scrape()
    never_fell(before, without)
    gauges = ("prober_outage", "prober_probe_success", "prober_probe_timeout_seconds")
    assert [without.value(name, probe="redis") for name in gauges] == [None, None, None]
    assert without.value("redis_recovery_time_seconds") is None
    assert not any(name == "redis_queue_backlog" for name, _ in without.samples)

    async def given_up() -> bool:
        return watched.reader.outages("redis")[0].detail.endswith("not watched to its end")

    await until("the outage to be given up in the journal", given_up)
    assert not watched.reader.open_outages()
    assert said(watched, "outage not watched to its end") == 1
    assert without.total("prober_outage_duration_seconds_count", probe="redis") == before.total(
        "prober_outage_duration_seconds_count", probe="redis"
    )
    runs = without.total("prober_probe_runs_total", probe="redis")
    await watched.grows("prober_probe_runs_total", by=5, probe="database")
    assert (await watched.scrape()).total("prober_probe_runs_total", probe="redis") <= runs + 1
    await watched.stack.redis.start()
    await reload(watched, probes(redis={"enabled": True}))
    await watched.becomes("prober_probe_success", lambda value: value == 1, probe="redis")
    await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")
    never_fell(without, await watched.scrape())


async def test_twenty_in_a_row_leave_nothing_behind(watched: Watched) -> None:
    """Every connection of the probers before is closed, and the log knows of no fault."""
    process = Path("/proc") / str(watched.watcher.pid)
    await watched.clean_again()
    await reload(watched)
    await watched.clean_again()

    def sockets() -> int:
        count = 0
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed in this moment
                count += str(descriptor.readlink()).startswith("socket:")
        return count

    def threads() -> int:
        return len(list((process / "task").iterdir()))

    most = 0
    for _ in range(40):
        most = max(most, sockets())
        await asyncio.sleep(0.05)
    before = threads()
    for n in range(20):
        await reload(watched, probes(webhook={"interval": f"{400 + n}ms"}, race={"vendors": 3 + n % 3}))

    async def few() -> bool:
        return sockets() <= most and threads() <= before

    await until(f"no more than {most} sockets and {before} threads", few, timeout=20)
    await watched.clean_again()
    no_trace(watched.watcher)


async def test_new_secrets_are_masked_and_so_are_the_old(watched: Watched) -> None:
    old = config_of(watched.stack)["target"]["auth_token"]
    good = watched.stack.config_file.read_text(encoding="utf-8")

    def other(document: dict[str, Any]) -> None:
        document["target"]["auth_token"] = "another-secret-of-ours"
        document["log"] = {"level": "debug"}

    assert not any(line.get("level") == "debug" for line in log_lines(watched))
    await reload(watched, other)
    await watched.grows("prober_probe_runs_total", by=2, probe="webhook")
    assert any(line.get("change") == "target.auth_token: another value" for line in log_lines(watched))
    assert any(line.get("level") == "debug" for line in log_lines(watched))
    watched.stack.config_file.write_text(good, encoding="utf-8")
    await reload(watched)
    text = watched.watcher.log_file.read_text(encoding="utf-8")
    assert old not in text
    assert "another-secret-of-ours" not in text
    assert yaml.safe_load(good)["target"]["auth_token"] == old
