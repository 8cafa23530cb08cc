"""The faults that go on without any request: sessions that leak and transactions that are rolled back."""

from __future__ import annotations

import asyncio
import time

import asyncpg

from prober.demo.target.database import CONNECTION_ERRORS, Connection, Database, UnavailableError
from prober.demo.target.faults import PoolLeak, Rollbacks, State
from prober.sql import Sql

ROLLBACK_TIMEOUT = 1.0  # seconds
LEAK_RETRY = 0.2  # seconds


class Sabotage:
    """What one worker process of `workers` contributes to these faults; `index` counts from 0.

    `written` is the statement that is rolled back.
    """

    def __init__(self, database: Database, written: Sql, index: int, workers: int) -> None:
        self._database = database
        self._written = written
        self._index = index
        self._workers = workers
        self._leaks: list[asyncio.Task[None]] = []
        self._rollbacks: asyncio.Task[None] | None = None
        self._planted: tuple[PoolLeak | None, Rollbacks | None] = (None, None)

    def apply(self, state: State) -> None:
        """Begin and end what the state says; returns at once."""
        planted = state.planted(PoolLeak), state.planted(Rollbacks)
        if planted == self._planted:
            return
        self.stop()
        self._planted = planted
        leak, rollbacks = planted
        if leak is not None:
            self._leaks = [asyncio.create_task(self._leak()) for _ in range(self._share(leak))]
        if rollbacks is not None:
            self._rollbacks = asyncio.create_task(self._roll_back(rollbacks.per_second / self._workers))

    def stop(self) -> None:
        """End everything."""
        for leak in self._leaks:
            leak.cancel()
        self._leaks = []
        if self._rollbacks is not None:
            self._rollbacks.cancel()
            self._rollbacks = None
        self._planted = (None, None)

    def _share(self, leak: PoolLeak) -> int:
        if leak.sessions is None:
            return self._database.size - 1
        share = leak.sessions // self._workers + (self._index < leak.sessions % self._workers)
        return min(share, self._database.size)

    async def _leak(self) -> None:
        while True:
            try:
                async with self._database.hold() as session:
                    await session.execute("BEGIN")
                    gone = asyncio.Event()
                    session.add_termination_listener(lambda _, gone=gone: gone.set())
                    await gone.wait()
            except (*CONNECTION_ERRORS, asyncpg.PostgresError):
                await asyncio.sleep(LEAK_RETRY)

    async def _roll_back(self, per_second: float) -> None:
        async def once(connection: Connection) -> None:
            await connection.execute("BEGIN")
            await connection.execute(self._written.query)
            await connection.execute("ROLLBACK")

        due = time.monotonic()
        while True:
            try:
                await self._database.run(once, ROLLBACK_TIMEOUT)
            except (UnavailableError, asyncpg.PostgresError):
                await asyncio.sleep(LEAK_RETRY)
            due = max(due + 1.0 / per_second, time.monotonic() - 1.0)
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
