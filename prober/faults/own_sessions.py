"""Faults that sessions of our own are: so many that the server takes no more, or one that holds locks.

They end with their connections, so with whoever holds them; and with a timeout of the server's own, should the
machine that holds them vanish without a word.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from prober.faults.driver import FaultError, GoneError
from prober.outcome import DriverKind, FaultKind, Outcome, Service
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.sql import quoted

CONNECT_TIMEOUT = 10.0  # seconds; a server that is nearly full answers slowly
LOCK_TIMEOUT = 5.0  # seconds to wait for those who write at this moment
AT_ONCE = 8  # connections that are being opened
REFILL = 0.1  # seconds between two looks whether the server takes one more
# So long (seconds) after the application's sessions were reset nobody waits between two looks.
GRAB = 1.0
# Beside the time that is wanted, before the server ends a session by itself (seconds).
MARGIN = 15.0

_OURS = "SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE application_name = $1"
_END = (
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
    " WHERE application_name = $1 AND pid <> pg_catalog.pg_backend_pid()"
)

Shake = Callable[[], Awaitable[object]]


def session_name(instance: str, run_id: str) -> str:
    """The application name of a drill's sessions; PostgreSQL keeps 63 bytes of it."""
    return f"{MARK}{instance}/drill-{run_id[-8:]}"


class _OwnSessions:
    """What both have in common: sessions of one name, dropped to undo, counted to be sure."""

    kind = DriverKind.CLIENT
    service = Service.DATABASE

    def __init__(self, address: DatabaseAddress, name: str, *, lasts: float) -> None:
        """`name` is the sessions' application name; `lasts` (seconds) is how long the fault is wanted."""
        self._address = address
        self._name = name
        self._lasts = lasts
        self._sessions: list[DatabaseSession] = []

    @property
    def how(self) -> Mapping[str, Any]:
        """Their name."""
        return {"application_name": self._name}

    async def undo(self) -> None:
        """Drop our sessions, and have the server end those of one who has died."""
        had = bool(self._sessions)
        while self._sessions:
            self._sessions.pop().drop()
        if not had:
            await self._asked(_END)

    async def check_undone(self) -> None:
        """Count the sessions of our name."""
        left = await self._asked(_OURS)
        if left:
            raise FaultError(f"{left} sessions named {self._name} are still in {self._address}")

    async def _asked(self, query: str) -> int:
        """The first column of the first row; 0 without one."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                # By another name, so that it does not count itself.
                session = await open_database(self._address, f"{MARK}drill-check")
                try:
                    rows = await session.rows(query, self._name)
                finally:
                    session.drop()
        except Exception as error:
            failure = database_failure(error, str(self._address))
            if failure.outcome is Outcome.REFUSED and not self._address.pooled:
                # Nobody listens there any more, so that no session can be left either.
                raise GoneError(f"{self._address} has ended, and the sessions with it") from None
            raise FaultError(failure.detail) from None
        return int(rows[0][0]) if rows else 0

    async def _open(self) -> DatabaseSession:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            return await open_database(self._address, self._name)

    @property
    def _limit_ms(self) -> int:
        return int((self._lasts + MARGIN) * 1000)


class FullServer(_OwnSessions):
    """Sessions that do nothing, until the server (or the pooler) takes no more; at most `most` of them.

    What others give back meanwhile is taken as well. `shake` makes those who have sessions come back for new ones:
    an application keeps the ones that it has.
    """

    fault = FaultKind.SESSIONS

    def __init__(
        self, address: DatabaseAddress, name: str, *, lasts: float, most: int, shake: Shake | None = None
    ) -> None:
        super().__init__(address, name, lasts=lasts)
        self._most = most
        self._shake = shake
        self._filling: asyncio.Task[None] | None = None
        self.held = 0  # the most that there were

    @property
    def sentence(self) -> str:
        """What is done."""
        shaken = ", and the application's sessions are reset once" if self._shake is not None else ""
        return f"sessions of ours in {self._address} until it takes no more (at most {self._most}){shaken}"

    async def inject(self) -> None:
        """Open them; FaultError where the server takes `most` and would take more."""
        full = await self._fill()
        if not full:
            raise FaultError(
                f"{self._address} took {self._most} sessions and would take more; raise drills.database.sessions"
            )
        if self._shake is not None:
            await self._shake()
            grabbed = time.monotonic() + GRAB
            while time.monotonic() < grabbed:
                await self._fill()
        self._filling = asyncio.create_task(self._keep_full())

    async def undo(self) -> None:
        """Stop filling, then drop them."""
        if self._filling is not None:
            self._filling.cancel()
            with suppress(asyncio.CancelledError):
                await self._filling
            self._filling = None
        await super().undo()

    async def _fill(self) -> bool:
        """Open sessions until one is refused; whether one was."""
        while len(self._sessions) < self._most:
            count = min(AT_ONCE, self._most - len(self._sessions))
            answers = await asyncio.gather(*(self._one() for _ in range(count)))
            if not all(answers):
                return True
        return False

    async def _one(self) -> bool:
        """Open one; False when the server is full."""
        try:
            session = await self._open()
            self._sessions.append(session)
            self.held = max(self.held, len(self._sessions))
            if not self._address.pooled and session.connection.get_server_version().major >= 14:
                await session.timed(f"SET idle_session_timeout = {self._limit_ms}")
        except Exception as error:
            failure = database_failure(error, str(self._address))
            if failure.outcome is Outcome.TOO_MANY_CONNECTIONS:
                return False
            raise FaultError(failure.detail) from None
        return True

    async def _keep_full(self) -> None:
        while True:
            await asyncio.sleep(REFILL)
            self._sessions = [session for session in self._sessions if session.is_open]
            if not self._sessions:
                return  # the server has died of something else, and so did this fault
            with suppress(FaultError):
                await self._fill()


class HeldLocks(_OwnSessions):
    """One session in whose transaction these tables are locked against writing; reading goes on."""

    fault = FaultKind.LOCKS

    def __init__(self, address: DatabaseAddress, name: str, *, lasts: float, tables: Sequence[str]) -> None:
        super().__init__(address, name, lasts=lasts)
        self._tables = tuple(tables)

    @property
    def sentence(self) -> str:
        """What is done."""
        return f"a transaction of ours locks {', '.join(self._tables)} in {self._address} against writing"

    async def inject(self) -> None:
        """Take the locks."""
        names = ", ".join(".".join(quoted(part) for part in table.split(".")) for table in self._tables)
        statement = (
            f"BEGIN; SET LOCAL lock_timeout = {int(LOCK_TIMEOUT * 1000)};"
            f" SET LOCAL idle_in_transaction_session_timeout = {self._limit_ms};"
            f" LOCK TABLE {names} IN EXCLUSIVE MODE"
        )
        try:
            session = await self._open()
            self._sessions.append(session)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await session.timed(statement)
        except Exception as error:
            raise FaultError(database_failure(error, str(self._address)).detail) from None
