"""Asking the target's database what really happened: claims, effects, rows of a race, cleaning up.

Every call is bounded in time and raises only `NotAskable`, which carries a named outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from prober.outcome import Outcome
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress
from prober.sql import Sql

# The prober must stay a small guest: claims, effects and races share these.
MAX_CONNECTIONS = 3

Values = Mapping[str, object]


class NotAskable(Exception):  # noqa: N818 (it is a state of the world, not an error of ours)
    """The database could not be asked, or said no; `outcome` and `detail` say why."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


async def _keep_as_is(_connection: object) -> None:
    """Skip the RESET on release: we never change a session's state, and a pooler may sit in between."""


class Witness:
    """A small pool of connections to the target's database, opened when needed.

    Through a pooler in transaction mode prepared statements cannot be kept: there each query prepares anew.
    """

    def __init__(self, address: DatabaseAddress, *, instance: str) -> None:
        self._address = address
        self._application_name = f"{MARK}{instance}"
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    async def fetch(self, sql: Sql, values: Values, *, timeout: float) -> list[Mapping[str, Any]]:
        """Run one statement and return its rows, which have the columns that the contract promises."""
        async with self._connection(timeout) as connection:
            rows = list(await connection.fetch(sql.query, *sql.arguments(values)))
        lacking = [column for column in sql.columns if rows and column not in rows[0]]
        if lacking:
            found, expected = ", ".join(rows[0].keys()), ", ".join(sql.columns)
            raise NotAskable(
                Outcome.ERROR, f"a statement of the contract returned {found}; expected columns {expected}"
            )
        return rows

    async def run(self, statements: Sequence[Sql], values: Values, *, timeout: float) -> None:
        """Run statements in one transaction; all or nothing."""
        async with self._connection(timeout) as connection, connection.transaction():
            for sql in statements:
                await connection.execute(sql.query, *sql.arguments(values))

    async def count(self, sql: Sql, values: Values, *, timeout: float) -> int:
        """Run a statement that returns one number."""
        async with self._connection(timeout) as connection:
            number = await connection.fetchval(sql.query, *sql.arguments(values))
        if not isinstance(number, int):
            raise NotAskable(Outcome.ERROR, f"a statement of the contract returned {number!r}; expected a count")
        return number

    async def close(self) -> None:
        """Drop every connection at once."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    @asynccontextmanager
    async def _connection(self, timeout: float) -> AsyncIterator[Any]:
        connection = None
        try:
            async with asyncio.timeout(timeout):
                pool = await self._opened(timeout)
                connection = await pool.acquire(timeout=timeout)
                yield connection
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if connection is not None:
                # Its state is unknown (a cancelled query may still be running): never use it again.
                connection.terminate()
            failure = database_failure(error, str(self._address))
            raise NotAskable(failure.outcome, failure.detail) from error
        finally:
            if connection is not None and self._pool is not None:
                await self._pool.release(connection)

    async def _opened(self, timeout: float) -> asyncpg.Pool[Any]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._address.dsn,
                    password=self._address.password,
                    min_size=0,
                    max_size=MAX_CONNECTIONS,
                    max_inactive_connection_lifetime=300.0,
                    statement_cache_size=0 if self._address.pooled else 100,
                    timeout=timeout,
                    reset=_keep_as_is,
                    server_settings={"application_name": self._application_name},
                )
            return self._pool
