"""Holds an idle connection to PostgreSQL open, so that a crash is noticed when the connection closes."""

from __future__ import annotations

import asyncio

from prober.clock import Instant, now
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database


class DatabaseTripwire:
    """A session of the server itself: a pooler keeps its clients' connections open when the server dies.

    It sends nothing once it is set up. `pg_ctl stop -m smart` waits for it, as for every session.
    """

    def __init__(self, address: DatabaseAddress, *, instance: str, connect_timeout: float = 5.0) -> None:
        if address.pooled:
            raise ValueError("a tripwire needs the server's own address: through a pooler it notices nothing")
        self._address = address
        self._application_name = f"{MARK}{instance}/tripwire"
        self._connect_timeout = connect_timeout

    async def hold(self) -> Instant:
        """Open the connection, wait until it closes, and return that moment.

        Raises ConnectionError with a sentence when it cannot be opened.
        """
        closed: asyncio.Future[Instant] = asyncio.get_running_loop().create_future()
        session: DatabaseSession | None = None

        def note_closing(_: object) -> None:
            if not closed.done():
                closed.set_result(now())

        try:
            try:
                async with asyncio.timeout(self._connect_timeout):
                    session = await open_database(self._address, self._application_name)
                    session.connection.add_termination_listener(note_closing)
                    await _stay(session)
            except Exception as error:
                raise ConnectionError(database_failure(error, str(self._address)).detail) from error
            return await closed
        finally:
            if session is not None:
                session.drop()


async def _stay(session: DatabaseSession) -> None:
    """See to it that neither the server's own idle timeout closes it nor a vanished host keeps it."""
    if session.connection.get_server_version() >= (14, 0):
        await session.timed("SET idle_session_timeout = 0")
    session.keep_alive()
