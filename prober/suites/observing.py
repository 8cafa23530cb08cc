"""Looks at the target from beside while a suite runs: pool usage, backlog and memory, once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import database_addresses, redis_address
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.database_stats import AppPool, read_stats
from prober.probes.redis_info import TIME, Missing, backlog_commands, read_backlog, read_time
from prober.probes.redis_outcome import redis_failure
from prober.probes.redis_session import RedisAddress, open_session
from prober.probes.resp import RedisConnection
from prober.suites.load.memory import MemorySource, Unseen
from prober.suites.pace import regularly

EVERY = 1.0  # seconds
TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment (CLOCK_MONOTONIC): a share 0..1, jobs of the largest queue, bytes."""

    at: float
    pool: float | None = None
    backlog: int | None = None
    memory: int | None = None


@dataclass(slots=True)
class Looks:
    """All that was seen, and why something was not, by what it is."""

    looks: list[Look] = field(default_factory=list)
    why_not: dict[str, str] = field(default_factory=dict)


class PoolSource:
    """The share of the application's pool that is in use, as the database probe reads it."""

    def __init__(self, address: DatabaseAddress, config: Config) -> None:
        target = config.target
        self._address = address
        self._name = f"{MARK}{config.instance}"
        self._pool = AppPool(
            role=target.app_role,
            application_name=target.app_name,
            size=target.pool_size,
            instances=target.app_instances,
        )
        self._session: DatabaseSession | None = None

    async def read(self) -> float | Unseen:
        """0..1 and more, or why it cannot be told. Never raises for what the server does."""
        if not self._pool.is_known:
            return Unseen("set target.app_role or target.app_name, by which the application's sessions are known")
        try:
            async with asyncio.timeout(TIMEOUT):
                if self._session is None or not self._session.is_open:
                    self._session = await open_database(self._address, self._name)
                stats, hidden = await read_stats(self._session, self._pool)
        except Exception as error:  # whatever the server does is named
            self.close()
            return Unseen(database_failure(error, str(self._address)).detail)
        return Unseen("; ".join(hidden)) if stats.pool_usage is None else stats.pool_usage

    def close(self) -> None:
        """Drop the connection."""
        if self._session is not None:
            self._session.drop()
            self._session = None


class BacklogSource:
    """The jobs that wait in the contract's largest queue, as the Redis probe counts them."""

    def __init__(self, address: RedisAddress, config: Config, contract: Contract) -> None:
        self._address = address
        self._name = f"{MARK}{config.instance}"
        self._queues = contract.queues
        self._connection: RedisConnection | None = None

    async def read(self) -> int | Unseen:
        """Jobs, or why they cannot be counted. Never raises for what the server does."""
        try:
            async with asyncio.timeout(TIMEOUT):
                if self._connection is None:
                    self._connection = await open_session(self._address, client_name=self._name, timeout=TIMEOUT)
                clock = read_time((await self._connection.ask(TIME)).answers[0])
                if isinstance(clock, Missing):
                    return Unseen(clock.why)
                commands = backlog_commands(self._queues.prefix, self._queues.names, clock)
                found = read_backlog(self._queues.names, (await self._connection.ask(*commands)).answers)
        except Exception as error:  # whatever the server does is named
            self.close()
            return Unseen(redis_failure(error, str(self._address)).detail)
        return Unseen(found.why) if isinstance(found, Missing) else max(found.values(), default=0)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.drop()
            self._connection = None


class Observer:
    """Looks each second until it is stopped. Sources that are not configured say so once."""

    def __init__(self, config: Config, contract: Contract) -> None:
        direct, _ = database_addresses(config.probes.database)
        redis = config.probes.redis
        self._pool = PoolSource(direct, config) if direct is not None and config.probes.database.enabled else None
        self._backlog = BacklogSource(redis_address(redis), config, contract) if redis.enabled else None
        self._memory = None if contract.memory is None else MemorySource(contract.memory, config, contract)
        self.seen = Looks()
        if self._pool is None:
            self.seen.why_not["pool usage"] = "no direct way to the database is configured (probes.database.dsn)"
        if self._backlog is None:
            self.seen.why_not["backlog"] = "no Redis is configured (probes.redis)"
        if self._memory is None:
            self.seen.why_not["the target's memory"] = "the contract names no source (memory)"

    async def look(self) -> Look:
        """Look once; nothing here waits longer than TIMEOUT."""
        at = time.monotonic()
        pool, backlog, memory = await asyncio.gather(
            self._read("pool usage", None if self._pool is None else self._pool.read),
            self._read("backlog", None if self._backlog is None else self._backlog.read),
            self._read("the target's memory", None if self._memory is None else self._memory.read),
        )
        look = Look(
            at=at,
            pool=None if pool is None else float(pool),
            backlog=None if backlog is None else int(backlog),
            memory=None if memory is None else int(memory),
        )
        self.seen.looks.append(look)
        return look

    async def forever(self) -> None:
        """Look until cancelled."""
        await regularly(self.look, EVERY)

    def close(self) -> None:
        """Drop every connection."""
        for source in (self._pool, self._backlog, self._memory):
            if source is not None:
                source.close()

    async def _read(
        self, what: str, read: Callable[[], Awaitable[float | int | Unseen]] | None
    ) -> float | int | None:
        found = None if read is None else await read()
        if isinstance(found, Unseen):
            self.seen.why_not[what] = found.why
            return None
        return found
