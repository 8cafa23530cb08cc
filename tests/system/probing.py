"""What the tests of the Redis and database probes share: runs, conditions, sessions, a database prepared."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis

from prober.clock import now
from prober.demo.postgres import Postgres
from prober.outcome import Outcome, SkipReason
from prober.probes.base import Run
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.database_stats import AppPool
from prober.probes.redis_acl import rules
from prober.result import DatabaseStats

# A listening socket whose process is on its way out may still take a connection, and then resets it.
GONE = {Outcome.REFUSED, Outcome.CLOSED, Outcome.RESET}

# What the documentation says the probe needs, in the words of Redis 6.
ACL_RULE = rules("bull", read_only_keys=False)

numbers = itertools.count(1)


class HeldBack:
    """A permission that holds writes back while the test names a reason."""

    fence: int | None = None

    def __init__(self) -> None:
        self.reason: SkipReason | None = None

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        return None if undo else self.reason


def run(*, urgent: bool = False, timeout: float = 10.0) -> Run:
    return Run(id=f"run{next(numbers)}", started=now(), timeout=timeout, urgent=urgent)


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 20.0) -> None:
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def probing(
    dsn: str, *, pooled: bool = False, pool: AppPool | None = None, details_every: float = 0.0
) -> AsyncIterator[DatabaseProbe]:
    probe = DatabaseProbe(
        DatabaseAddress(dsn=dsn, pooled=pooled), instance="test", pool=pool, details_every=details_every
    )
    try:
        yield probe
    finally:
        await probe.close()


@asynccontextmanager
async def connected(dsn: str, name: str = "someone") -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": name})
    try:
        yield connection
    finally:
        connection.terminate()


def as_role(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    return f"postgresql://{role}:{role}@{parts.hostname}:{parts.port}{parts.path}"


async def command(client: Redis, *words: str | int) -> Any:
    """Send what the client has no typed method for."""
    return await client.execute_command(*words)  # type: ignore[no-untyped-call]


async def has_subscriber(client: Redis) -> bool:
    return bool((await client.pubsub_numsub("synthetic-prober:test"))[0][1])


async def stats_of(dsn: str, pool: AppPool | None = None) -> tuple[DatabaseStats, str]:
    """What one run reads of a server, and what it says it cannot see."""
    async with probing(dsn, pool=pool) as probe:
        result = await probe.run(run())
    assert result.stats is not None, result.detail
    return result.stats, result.detail


async def rollbacks(postgres: Postgres, dsn: str) -> int:
    """Rolled-back transactions of the database, once every session of ours has handed in its count."""
    name = urlsplit(dsn).path[1:]
    async with connected(postgres.dsn()) as connection:

        async def left() -> bool:
            seen = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name)
            return bool(seen == 0)

        await until(left)
        counted = await connection.fetchval("SELECT xact_rollback FROM pg_stat_database WHERE datname = $1", name)
        assert isinstance(counted, int)
        return counted
