"""Probes PostgreSQL, directly or through a pooler: a read, a committed write, now and then its statistics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import asyncpg

from prober.clock import Instant, now
from prober.outcome import Outcome, ProbeName, SkipReason
from prober.probes.base import Permission, Probe, Run, Unrestricted
from prober.probes.database_outcome import UNWRITABLE, UnwritableError, database_failure, is_about_writing
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.database_stats import AppPool, read_stats
from prober.probes.network_outcome import Failure, UntriedError
from prober.probes.schema import FENCED_STATE, fenced, insert_heartbeat, update_heartbeat
from prober.result import DatabaseResult, DatabaseStats

# Asks the catalogue whether the heartbeat can be written, in a way that is itself never refused.
_WHY_NOT = """
SELECT current_setting('transaction_read_only') = 'on' AS read_only,
       n.oid IS NOT NULL AND (c.oid IS NOT NULL OR NOT has_schema_privilege(n.oid, 'USAGE')) AS there,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
           AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AS granted
FROM (VALUES (1)) AS one
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'prober'
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'heartbeat'
"""


@dataclass(slots=True)
class _Findings:
    """What one run has found out so far."""

    operations: dict[str, float] = field(default_factory=dict)
    stats: DatabaseStats | None = None
    hidden: list[str] = field(default_factory=list)


class DatabaseProbe:
    """Keeps one connection between good runs and drops it after any failure; never repeats a statement."""

    def __init__(
        self,
        address: DatabaseAddress,
        *,
        instance: str,
        pool: AppPool | None = None,
        details_every: float = 10.0,
        permission: Permission | None = None,
        lease: str = "",
    ) -> None:
        """`details_every` (seconds) is how often the statistics are read; through a pooler they never are.

        `lease` is the name under which the fencing number of `permission` stands in the database.

        Raises ValueError for an instance name that cannot stand in a statement.
        """
        self.name = ProbeName.DATABASE_POOLED if address.pooled else ProbeName.DATABASE
        self._address = address
        self._application_name = f"{MARK}{instance}"
        self._update = update_heartbeat(instance)
        self._insert = insert_heartbeat(instance)
        self._pool = pool or AppPool()
        self._details_every = details_every
        self._details_due = float("-inf")
        self._session: DatabaseSession | None = None
        self._identity_known = False  # whether the start time was read on this connection
        self._write_in_doubt = True  # whether to look before writing, see _write
        self._permission = permission or Unrestricted()
        self._lease = lease
        self._unwritable: Exception | None = None  # why the last write failed, though the server was there

    async def run(self, run: Run) -> DatabaseResult:
        """SELECT 1 and the heartbeat; when urgent, on a connection opened afresh; without the heartbeat where no
        write may be. That it can be read says nothing of a database whose last write was refused.

        `duration` ends with the last of these answers: the statistics are read after them, within the same
        timeout. A connection that was closed between two runs is opened anew, since nothing was asked of it; one
        that closes under a request is a failure.
        """
        started = now()
        found = _Findings()
        trouble: Exception | None = None
        answered: float | None = None
        try:
            async with asyncio.timeout(run.timeout):
                session = await self._connected(run)
                try:
                    await self._operate(session, found.operations)
                except (asyncpg.PostgresError, UnwritableError, UntriedError) as refused:
                    trouble = refused  # it is there: what it tells of itself may say why
                answered = time.monotonic()
                await self._look_closer(session, run, found, trouble is None)
        except asyncio.CancelledError:
            await self.close()
            raise
        except Exception as error:  # whatever the other side does is a result
            if trouble is None:
                trouble, answered = error, time.monotonic()
        if trouble is not None:
            await self.close()
        return self._result(run, started, answered or time.monotonic(), trouble, found)

    def succeed(self, before: Probe) -> None:
        """Know what a pause keeps from being tried."""
        if isinstance(before, DatabaseProbe) and before._address == self._address:
            self._unwritable = before._unwritable

    async def close(self) -> None:
        """Drop the connection."""
        if self._session is not None:
            self._session.drop()
            self._session = None

    async def _connected(self, run: Run) -> DatabaseSession:
        if self._session is not None and (run.urgent or not self._session.is_open):
            await self.close()
        if self._session is None:
            self._session = await open_database(self._address, self._application_name)
            self._identity_known = False
        return self._session

    async def _operate(self, session: DatabaseSession, operations: dict[str, float]) -> None:
        _, operations["select"] = await session.timed("SELECT 1")
        if refused := self._permission.refusal():
            self._untried(refused)
            return
        try:
            operations["write"] = await self._write(session)
        except (asyncpg.PostgresError, UnwritableError) as error:
            if isinstance(error, asyncpg.PostgresError) and error.sqlstate == FENCED_STATE:
                self._untried(SkipReason.NOT_LEADER)
                return
            self._unwritable = error if is_about_writing(error) else None
            raise
        self._unwritable = None

    def _untried(self, refused: SkipReason) -> None:
        """Raise what the last write was refused for, since nothing has shown that it is over."""
        if refused is SkipReason.NOT_LEADER:
            self._unwritable = None  # whoever writes now will see
        if self._unwritable is not None:
            raise UntriedError(self._unwritable, refused)

    async def _write(self, session: DatabaseSession) -> float:
        """Update the heartbeat and return the latency.

        A refused write counts as a rollback of the target's database, so where one is to be expected the
        catalogue is asked first: at the start, after a refusal until it is mended, and on a standby.
        """
        if self._write_in_doubt or session.is_read_only:
            if failure := await self._why_not_writable(session):
                raise UnwritableError(failure)
            await self._send(session, self._insert)
            self._write_in_doubt = False
        try:
            tag, latency = await self._send(session, self._update)
            if tag != "UPDATE 1":
                await self._send(session, self._insert)  # someone removed our row
                tag, latency = await self._send(session, self._update)
        except asyncpg.PostgresError as error:
            self._write_in_doubt = error.sqlstate in UNWRITABLE
            raise
        if tag != "UPDATE 1":
            raise UnwritableError(Failure(Outcome.WRONG_VALUE, f"expected UPDATE 1 of our own row, got {tag}"))
        return latency

    async def _send(self, session: DatabaseSession, write: str) -> tuple[str, float]:
        return await session.timed(fenced(write, self._lease, self._permission.fence))

    async def _why_not_writable(self, session: DatabaseSession) -> Failure | None:
        row = await session.row(_WHY_NOT)
        if row["read_only"]:
            advice = "it is a standby, or default_transaction_read_only is on"
            return Failure(Outcome.READONLY, f"{self._address} takes no writes: {advice}")
        if not row["there"]:
            advice = "run `prober doctor --setup`"
            return Failure(Outcome.MISSING_SCHEMA, f"{self._address} has no table prober.heartbeat: {advice}")
        if not row["granted"]:
            wanted = "USAGE on schema prober and SELECT, INSERT, UPDATE on prober.heartbeat"
            return Failure(Outcome.DENIED, f"our role in {self._address} lacks a grant: it needs {wanted}")
        return None

    async def _look_closer(self, session: DatabaseSession, run: Run, found: _Findings, healthy: bool) -> None:
        due = run.started.mono >= self._details_due
        if self._address.pooled or not session.is_open or not (due or (healthy and not self._identity_known)):
            return
        try:
            found.stats, found.hidden = await read_stats(session, self._pool)
        except asyncpg.PostgresError as error:
            found.hidden = [f"the statistics are not observable: {error}"]
        self._identity_known = True
        self._details_due = run.started.mono + self._details_every

    def _result(
        self, run: Run, started: Instant, answered: float, trouble: Exception | None, found: _Findings
    ) -> DatabaseResult:
        failure = database_failure(trouble, str(self._address)) if trouble is not None else None
        return DatabaseResult(
            probe=self.name,
            run_id=run.id,
            started=started,
            duration=answered - started.mono,
            outcome=failure.outcome if failure else Outcome.OK,
            detail="; ".join([failure.detail, *found.hidden] if failure else found.hidden),
            operations=found.operations,
            stats=found.stats,
        )
