"""Opens a connection to PostgreSQL, itself or through a pooler, whose requests are bounded and timed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import asyncpg

from prober.probes.keepalive import keep_alive
from prober.probes.metered import Meter, metered_loop

MARK = "synthetic-prober/"  # every session of ours has an application_name that begins so


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAddress:
    """Where PostgreSQL is: `dsn` as libpq takes it (postgresql://…); `password` replaces the one in it.

    `pooled`: the way goes through a pooler in transaction mode (PgBouncer), so nothing may stay in a session.
    """

    dsn: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    pooled: bool = False

    def __str__(self) -> str:
        return "the pooled database" if self.pooled else "the database"


class DatabaseSession:
    """One connection. After any exception but a refusal by SQLSTATE it is to be dropped."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], meter: Meter) -> None:
        self.connection = connection
        self._meter = meter

    @property
    def is_open(self) -> bool:
        """Whether it can still be asked, as far as this side knows."""
        return not self.connection.is_closed()

    @property
    def is_read_only(self) -> bool:
        """Whether the server said at connect that it takes no writes (PostgreSQL 14 and later say so)."""
        told = self.connection.get_settings()
        return "on" in (
            getattr(told, "in_hot_standby", None),
            getattr(told, "default_transaction_read_only", None),
        )

    async def timed(self, statement: str) -> tuple[str, float]:
        """Send one statement by the simple protocol: one round trip, nothing prepared, committed by itself.

        Returns its command tag (`UPDATE 1`) and the seconds from sending to the last byte of the answer.
        """
        self._meter.begin()
        sent = time.monotonic()
        try:
            tag = await self.connection.execute(statement)
        except Exception as error:
            raise self._meter.named(error) from error
        return tag, self._meter.last_arrival - sent

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement, by the extended protocol. Untimed."""
        self._meter.begin()
        try:
            return await self.connection.fetch(query, *arguments)
        except Exception as error:
            raise self._meter.named(error) from error

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """The one row that `query` always returns, by the extended protocol. Untimed."""
        found = await self.rows(query, *arguments)
        if len(found) != 1:
            raise AssertionError(f"a query for one row returned {len(found)}")
        return found[0]

    def drop(self) -> None:
        """Close at once: `close` would wait for a server that may be frozen."""
        self.connection.terminate()

    def keep_alive(self) -> None:
        """Let the kernel find out when the other host vanishes without a word."""
        if self._meter.transport is not None:
            keep_alive(self._meter.transport)


async def open_database(address: DatabaseAddress, application_name: str) -> DatabaseSession:
    """Connect. The caller bounds the time. Raises OSError, GarbageError, OverrunError or what asyncpg raises."""
    meter = Meter()
    try:
        connection = await asyncpg.connect(
            address.dsn,
            password=address.password,
            loop=metered_loop(meter),
            # Through PgBouncer the next statement may meet another server, which knows no prepared statement.
            statement_cache_size=0 if address.pooled else 20,
            server_settings={"application_name": application_name},
        )
    except Exception as error:
        raise meter.named(error) from error
    return DatabaseSession(connection, meter)
