"""Asking the target's database what really happened: claims, effects, rows of a race, cleaning up.

Every call is bounded in time and raises only `NotAskable`, which carries a named outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prober.outcome import Outcome
from prober.probes.base import Permission, Unrestricted
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.schema import fenced
from prober.sql import Sql, literal

# The prober must stay a small guest: claims, effects and races share these.
MAX_CONNECTIONS = 3
# The server gives a write up this much (seconds) after we have, so that none lingers there and holds locks.
LINGER = 1.0
# A lock of ours is never held longer than this, whatever becomes of us (milliseconds).
HELD_AT_MOST_MS = 1000

Values = Mapping[str, object]


class NotAskable(Exception):  # noqa: N818 (it is a state of the world, not an error of ours)
    """The database could not be asked, or said no; `outcome` and `detail` say why."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail


class Witness:
    """A few connections to the target's database, opened when needed and kept while they work.

    Not asyncpg's pool: that one waits for a cancelled query to be acknowledged, which a frozen server never
    does. Here a connection that was cut short is dropped, and the server rolls back what it had begun.

    Writes are held back only by who may write at all (`permission`, asked for an undo); `lease` is the name under
    which their fencing number stands in the database.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        *,
        instance: str,
        permission: Permission | None = None,
        lease: str = "",
    ) -> None:
        self.address = address
        self._permission = permission or Unrestricted()
        self._lease = lease
        self._application_name = f"{MARK}{instance}"
        self._idle: list[DatabaseSession] = []
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)

    async def fetch(self, sql: Sql, values: Values, *, timeout: float) -> Sequence[Mapping[str, Any]]:
        """Run one statement and return its rows, which have the columns that the contract promises."""
        arguments = sql.arguments(values)
        async with self._session(timeout) as session:
            rows = [dict(row) for row in await session.rows(sql.query, *arguments)]
        lacking = [column for column in sql.columns if rows and column not in rows[0]]
        if lacking:
            found, expected = ", ".join(rows[0]), ", ".join(sql.columns)
            raise NotAskable(
                Outcome.ERROR, f"a statement of the contract returned {found}; expected columns {expected}"
            )
        return rows

    async def run(self, statements: Sequence[Sql], values: Values, *, timeout: float) -> None:
        """Run statements in one transaction; all or nothing.

        They are one message of the simple protocol, which the server runs as one transaction (manual, 55.2.2.1):
        one round trip, no transaction left open whatever happens on the way, and safe through a pooler.
        """
        await self.run_each([(sql, values) for sql in statements], timeout=timeout)

    async def run_each(self, writes: Sequence[tuple[Sql, Values]], *, timeout: float) -> None:
        """The same with values of its own for each statement."""
        try:
            filled = [
                sql.filled({name: literal(values[name]) for name in sql.parameters}) for sql, values in writes
            ]
        except ValueError as error:
            raise NotAskable(Outcome.ERROR, f"a value cannot be sent to {self.address}: {error}") from error
        bound = f"SET LOCAL statement_timeout = {int((timeout + LINGER) * 1000)}"
        statements = ";\n".join([bound, *filled])
        async with self._session(timeout) as session:
            await session.timed(self._allowed(statements))

    @asynccontextmanager
    async def hold(self, sql: Sql, values: Values, *, timeout: float) -> AsyncIterator[None]:
        """Keep the locks that a statement takes until the block is left; NotAskable where it cannot take them.

        Should this process be stopped meanwhile, the server gives the locks back by itself.
        """
        arguments = sql.arguments(values)
        async with self._session(timeout) as session:
            bound = f"SET LOCAL idle_in_transaction_session_timeout = {HELD_AT_MOST_MS}"
            await session.timed(f"BEGIN;\n{self._allowed(bound)}")
            if not await session.rows(sql.query, *arguments):
                raise NotAskable(Outcome.ERROR, "the row to lock is not there")
            yield
            await session.timed("COMMIT")

    async def count(self, sql: Sql, values: Values, *, timeout: float) -> int:
        """Run a statement that returns one number."""
        arguments = sql.arguments(values)
        async with self._session(timeout) as session:
            number = (await session.row(sql.query, *arguments))[0]
        if not isinstance(number, int):
            raise NotAskable(Outcome.ERROR, f"a statement of the contract returned {number!r}; expected a count")
        return number

    async def move(self, address: DatabaseAddress) -> None:
        """Ask the same database by another address or password from now on; what is being asked goes on."""
        self.address = address
        await self.close()

    def _allowed(self, statement: str) -> str:
        """What is to be sent to write, right now; NotAskable where this replica may not."""
        if (refused := self._permission.refusal(undo=True)) is not None:
            raise NotAskable(Outcome.DENIED, f"not written: {refused}")
        return fenced(statement, self._lease, self._permission.fence)

    async def close(self) -> None:
        """Drop every idle connection at once."""
        while self._idle:
            self._idle.pop().drop()

    @asynccontextmanager
    async def _session(self, timeout: float) -> AsyncIterator[DatabaseSession]:
        session: DatabaseSession | None = None
        address = self.address
        try:
            async with asyncio.timeout(timeout), self._places:
                session = self._kept() or await open_database(address, self._application_name)
                yield session
        except BaseException as error:
            if session is not None:
                session.drop()
            if not isinstance(error, Exception) or isinstance(error, NotAskable):
                raise
            failure = database_failure(error, str(address))
            raise NotAskable(failure.outcome, failure.detail) from error
        if address is self.address:
            self._idle.append(session)
        else:
            session.drop()

    def _kept(self) -> DatabaseSession | None:
        """Take a connection that still works, if there is one."""
        while self._idle:
            session = self._idle.pop()
            if session.is_open:
                return session
        return None
