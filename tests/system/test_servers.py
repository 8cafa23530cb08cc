"""The servers of our own: they start, die, freeze and come back, as root and as anybody."""

from __future__ import annotations

import asyncpg
import pytest

from prober.demo import procfs
from prober.demo.postgres import Postgres
from prober.demo.redis_server import RedisServer


async def test_a_kill_and_a_start_right_after_keep_what_was_committed(postgres: Postgres, database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    family = procfs.tree([procfs.identify(postgres.pid) or pytest.fail("no postmaster")])
    assert len(family) > 3
    postgres.kill()
    await postgres.start()
    assert not any(procfs.is_alive(process) for process in family)
    again = await asyncpg.connect(database)
    assert await again.fetchval("SELECT answer FROM kept") == 42
    await again.close()
    with pytest.raises((ConnectionError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.execute("SELECT 1")


async def test_redis_answers_after_a_kill(redis_server: RedisServer) -> None:
    client = redis_server.client()
    await client.set("key", "value")
    await client.aclose()
    redis_server.kill()
    await redis_server.start()
    assert await client.get("key") is None
    await client.aclose()
