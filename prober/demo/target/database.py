"""PostgreSQL as the target's application uses it: a pool that survives crashes and freezes, behind a breaker.

Own pool instead of asyncpg's: that one sends a reset after each use, and on a timeout it asks the server to
cancel and waits for that, which against a frozen server means for ever. This one drops the connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg

from prober.demo.target.breaker import Breaker
from prober.demo.target.config import BreakerSettings, DatabaseSettings
from prober.demo.target.faults import Switch
from prober.demo.target.live import Live
from prober.sql import Sql

APPLICATION_NAME = "whatsapp-ordering-system"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
T = TypeVar("T")


class UnavailableError(Exception):
    """A dependency did not answer; whether it did what was asked is not known."""


# The server is gone, going, coming, full, or never answered. RuntimeError: what uvloop raises out of asyncpg when
# a connection that was just made is closed already.
CONNECTION_ERRORS = (
    RuntimeError,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)


async def rows(connection: Connection, sql: Sql, **values: object) -> list[asyncpg.Record]:
    """Run a statement with parameters by name: all its rows."""
    return await connection.fetch(sql.query, *sql.arguments(values))


async def value(connection: Connection, sql: Sql, **values: object) -> Any:
    """Run a statement: the first column of its first row, None without one."""
    return await connection.fetchval(sql.query, *sql.arguments(values))


class Database:
    """The pool of one worker process."""

    def __init__(self, settings: DatabaseSettings, breaker: BreakerSettings, size: int, live: Live) -> None:
        self._settings = settings
        self._breaker = Breaker(failures=breaker.failures, open_seconds=breaker.open_seconds)
        self._live = live
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(size)
        self._requests = asyncio.Semaphore(max(size - 1, 1))
        self.size = size

    def seems_down(self) -> bool:
        """Whether work should rather wait than try."""
        return self._live.state.on(Switch.CIRCUIT_BREAKER) and self._breaker.is_open(time.monotonic())

    async def run(
        self, work: Callable[[Connection], Awaitable[T]], timeout: float | None, *, background: bool = False
    ) -> T:
        """Do some work on a connection within `timeout` seconds, once one of the pool is free.

        Without a timeout it is waited for as blindly as the deployed system does: for `frozen_timeout`.
        Background work waits for any session, requests leave it one: so under load jobs are done too.
        Raises UnavailableError, and the database's own errors for what is wrong with the work.
        """
        if self.seems_down():
            raise UnavailableError("PostgreSQL: circuit open")
        patience = self._settings.pool_timeout
        try:
            # All sessions being busy says nothing about the server, so it does not count in the breaker.
            async with AsyncExitStack() as turn:
                async with asyncio.timeout(patience):
                    for queue in (self._free,) if background else (self._requests, self._free):
                        await turn.enter_async_context(queue)
                return await self._guarded(work, timeout)
        except TimeoutError:
            raise UnavailableError(f"PostgreSQL: no session of the pool became free in {patience:g} s") from None

    async def _guarded(self, work: Callable[[Connection], Awaitable[T]], timeout: float | None) -> T:
        # Here and not before: the server may have gone while we waited for a session.
        if self._live.state.on(Switch.CIRCUIT_BREAKER) and not self._breaker.allows(time.monotonic()):
            raise UnavailableError("PostgreSQL: circuit open")
        try:
            result = await self._work(work, timeout)
        except UnavailableError:
            self._breaker.failed(time.monotonic())
            raise
        self._breaker.succeeded()
        return result

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Connection]:
        """Take a session out of the pool for as long as one likes; raises CONNECTION_ERRORS."""
        await self._free.acquire()
        try:
            connection = await self._take(self._settings.connect_timeout)
            try:
                yield connection
            finally:
                connection.terminate()
        finally:
            self._free.release()

    async def _work(self, work: Callable[[Connection], Awaitable[T]], timeout: float | None) -> T:
        if timeout is None:
            # Who waits blindly for an answer waits as long for a session.
            patience = timeout = self._settings.frozen_timeout
        else:
            patience = min(self._settings.connect_timeout, timeout)
        try:
            connection = await self._take(patience)
        except CONNECTION_ERRORS as error:
            raise UnavailableError(f"PostgreSQL: {error or type(error).__name__}") from error
        # Terminating makes the statement fail at once; cancelling it would wait for the server.
        timer = asyncio.get_running_loop().call_later(timeout, connection.terminate)
        reusable = False
        try:
            result = await work(connection)
            reusable = True
        except CONNECTION_ERRORS as error:
            raise UnavailableError(f"PostgreSQL: {error or type(error).__name__}") from error
        except AttributeError as error:
            # asyncpg, when the timer ends its connection between two steps of its own.
            if not connection.is_closed():
                raise
            raise UnavailableError(f"PostgreSQL: gave up after {timeout:g} s") from error
        except asyncpg.PostgresError:
            reusable = not connection.is_closed() and not connection.is_in_transaction()
            raise
        finally:
            timer.cancel()
            if reusable and not connection.is_closed():
                self._idle.append(connection)
            else:
                connection.terminate()
        return result

    async def _take(self, timeout: float) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await asyncpg.connect(
            self._settings.dsn,
            timeout=timeout,
            statement_cache_size=self._settings.statement_cache_size,
            # Times without zone are UTC, as the application writes them.
            server_settings={"application_name": APPLICATION_NAME, "timezone": "UTC"},
        )

    def close(self) -> None:
        """Drop every idle connection."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()
