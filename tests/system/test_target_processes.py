"""The target's processes: they share the work, are replaced when they die, and end with their parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from prober.demo.process import Owner, gone
from prober.demo.procfs import Identity, identify
from prober.demo.redis_server import RedisServer
from prober.demo.target.faults import FaultName
from prober.demo.target.record import Kind
from tests.system.target_client import HTTPS, WEBHOOK, Outside, Sms, eventually, outside, start_target


async def workers(someone: Outside) -> list[Identity]:
    found = [identify(pid) for pid in await someone.control.workers()]
    return [process for process in found if process is not None]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[1])


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_workers_end_with_the_parent(
    owner: Owner, database: str, redis_server: RedisServer, end: signal.Signals
) -> None:
    target = await start_target(owner, database, redis_server)
    async with outside(target) as someone:
        children = await workers(someone)
    assert len(children) == 2
    parent = identify(target.pid)
    os.kill(target.pid, end)
    assert await gone([*children, *([parent] if parent else [])], 10.0) == []


async def test_a_killed_worker_is_replaced_and_its_messages_are_processed(
    owner: Owner, database: str, redis_server: RedisServer
) -> None:
    target = await start_target(owner, database, redis_server, queue={"lock_seconds": 1.0})
    async with outside(target) as someone:
        before = await someone.control.workers()
        accepted: list[Sms] = []

        async def send() -> None:
            for _ in range(150):
                sms = Sms()
                try:
                    status, _ = await someone.webhook(sms)
                except (OSError, aiohttp.ServerDisconnectedError):
                    continue  # it was on its way to the worker that died: not accepted, as far as we know
                assert status == 200
                accepted.append(sms)

        senders = [asyncio.create_task(send()) for _ in range(4)]
        await eventually(lambda: someone.recorded(Kind.PROCESSED), "messages flow")
        os.kill(before[0], signal.SIGKILL)
        await asyncio.gather(*senders)
        assert len(accepted) > 500

        async def replaced() -> bool:
            now = await someone.control.workers()
            return len(now) == 2 and before[0] not in now

        await eventually(replaced, "the worker is replaced")
        bodies = [sms.body for sms in accepted]

        async def all_processed() -> bool:
            rows = await someone.value("SELECT count(*) FROM whatsapp_messages WHERE body = ANY($1)", bodies)
            return bool(rows >= len(bodies))

        await eventually(all_processed, "every accepted message is processed")
        rows = await someone.value("SELECT count(*) FROM whatsapp_messages WHERE body = ANY($1)", bodies)
        assert rows == len(bodies)


async def test_a_replacement_starts_with_the_faults_that_are_planted(
    owner: Owner, database: str, redis_server: RedisServer
) -> None:
    target = await start_target(owner, database, redis_server)
    async with outside(target) as someone:
        await someone.control.plant(FaultName.ERRORS)
        before = await someone.control.workers()
        os.kill(before[0], signal.SIGKILL)

        async def replaced() -> bool:
            now = await someone.control.workers()
            return len(now) == 2 and before[0] not in now

        await eventually(replaced, "the worker is replaced")
        statuses = set()
        for _ in range(4):
            async with someone.http.get(WEBHOOK, headers={**HTTPS, "Connection": "close"}) as response:
                statuses.add(response.status)
        assert statuses == {500}
        ends = [entry for entry in await someone.recorded(Kind.WORKER) if entry["event"] == "ended"]
        assert [(entry["process"], entry["code"]) for entry in ends] == [(before[0], -signal.SIGKILL)]


async def test_without_its_fork_server_no_worker_is_left_and_the_record_says_why(
    owner: Owner, database: str, redis_server: RedisServer
) -> None:
    target = await start_target(owner, database, redis_server)
    async with outside(target) as someone:
        children = await workers(someone)
        parents = {parent_of(child.pid) for child in children}
        (fork_server,) = parents - {target.pid}
        os.kill(fork_server, signal.SIGKILL)
        assert await gone(children, 10.0) == []

        async def said() -> bool:
            entries = await someone.recorded(Kind.WORKER)
            return any("fork server" in entry.get("reason", "") for entry in entries)

        await eventually(said, "the record says why none is replaced")
    await target.stop()
    assert target.returncode == 0


async def test_connections_are_dealt_out_in_turn(owner: Owner, database: str, redis_server: RedisServer) -> None:
    target = await start_target(owner, database, redis_server, workers=3)
    async with outside(target) as someone:
        for _ in range(6):
            async with someone.http.get(WEBHOOK, headers={**HTTPS, "Connection": "close"}) as response:
                assert response.status == 200
        served = [entry["pid"] for entry in await someone.recorded(Kind.REQUEST, path=WEBHOOK)]
        assert sorted(served.count(pid) for pid in set(served)) == [2, 2, 2]


async def test_the_record_can_be_reset_and_counts(owner: Owner, database: str, redis_server: RedisServer) -> None:
    target = await start_target(owner, database, redis_server)
    async with outside(target) as someone:
        for _ in range(3):
            await someone.webhook(Sms(), signature=None)
        assert (await someone.control.summary())[Kind.REQUEST] == 3
        await someone.control.reset_record()
        assert (await someone.control.summary())[Kind.REQUEST] == 0
        await someone.webhook(Sms(), signature=None)
        entries = await someone.control.record(Kind.REQUEST)
        assert len(entries) == 1
        assert await someone.control.record(since=entries[0]["mono"] + 3600) == []


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"redis": {"url": "redis://x"}}, 2, "database"),
        ({"databse": {}}, 2, "databse"),
        ({"listen": "nowhere"}, 2, "HOST:PORT"),
        ({"faults": {"slow": {"delay": 1}}}, 2, "delay_ms"),
        ({"database": {"dsn": "postgresql://postgres@127.0.0.1:1/x"}, "create_schema": True}, 3, "tables"),
    ],
)
def test_bad_settings_are_one_clear_error(
    tmp_path: Path, settings: dict[str, object], code: int, said: str
) -> None:
    file = tmp_path / "target.json"
    good = {
        "database": {"dsn": "postgresql://x"},
        "redis": {"url": "redis://x"},
        "auth_token": "x",
        "data_dir": str(tmp_path),
    }
    if "redis" in settings:
        del good["database"]
    file.write_text(json.dumps({**good, **settings}), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "prober.demo.target", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
