"""A small stream of transactions of our own: how many of those that began did not commit.

Not read from the server's statistics, which a crash resets. Each transaction adds one to a counter of ours in the
database, so that in the end the counter itself says how many were committed, also of those whose last answer was
lost.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.schema import HEARTBEAT, insert_heartbeat, update_heartbeat
from prober.suites.results_drill import Rollbacks

HOLD = 0.03  # seconds between the write and its commit
PAUSE = 0.02  # seconds between two transactions, and between two tries to connect
TIMEOUT = 5.0  # seconds, of one statement
READ_TRIES = 20

_COUNT = f"SELECT beat FROM {HEARTBEAT} WHERE instance = $1"  # noqa: S608 - a constant


class Transactions:
    """Begins one transaction after the other, in a row of ours that nobody else writes."""

    def __init__(self, address: DatabaseAddress, instance: str) -> None:
        self._address = address
        self._row = f"{instance}/drill"
        self._update = update_heartbeat(self._row)
        self._session: DatabaseSession | None = None
        self._first: int | None = None
        self.begun = 0
        self.why_not = ""

    async def start(self) -> None:
        """Make the row and read its counter; without it nothing is counted, and `why_not` says why."""
        try:
            async with asyncio.timeout(TIMEOUT):
                session = await self._connected()
                await session.timed(insert_heartbeat(self._row))
                self._first = int((await session.row(_COUNT, self._row))[0])
        except Exception as error:  # whatever the server does is a reason
            self.why_not = database_failure(error, str(self._address)).detail
            self._drop()

    async def forever(self) -> None:
        """Go on until cancelled; what is under way then is ended before this returns."""
        ending = asyncio.Event()
        stream = asyncio.create_task(self._stream(ending))
        try:
            await asyncio.shield(stream)
        except asyncio.CancelledError:
            ending.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * TIMEOUT):
                    await stream
            raise

    async def result(self) -> Rollbacks | None:
        """What came of them, by the counter; None where it cannot be read."""
        if self._first is None:
            return None
        for _ in range(READ_TRIES):
            try:
                async with asyncio.timeout(TIMEOUT):
                    session = await self._connected()
                    last = int((await session.row(_COUNT, self._row))[0])
            except Exception as error:
                self.why_not = database_failure(error, str(self._address)).detail
                self._drop()
                await asyncio.sleep(PAUSE * 10)
                continue
            self._drop()
            rolled_back = max(0, self.begun - (last - self._first))
            return Rollbacks(
                transactions=self.begun,
                rolled_back=rolled_back,
                sentence=(
                    f"a stream of our own began {self.begun} transactions, each adding one to a counter in the "
                    f"database; the counter grew by {last - self._first}, so {rolled_back} did not commit"
                ),
            )
        return None

    async def _stream(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            try:
                async with asyncio.timeout(TIMEOUT):
                    session = await self._connected()
                    await session.timed("BEGIN")
            except Exception:
                self._drop()
                await asyncio.sleep(PAUSE)
                continue
            self.begun += 1
            began = time.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT):
                    await session.timed(self._update)
                    await asyncio.sleep(max(0.0, began + HOLD - time.monotonic()))
                    await session.timed("COMMIT")
            except Exception:
                self._drop()
            await asyncio.sleep(PAUSE)

    async def _connected(self) -> DatabaseSession:
        if self._session is None or not self._session.is_open:
            self._session = await open_database(self._address, f"{MARK}{self._row}")
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.drop()
            self._session = None
