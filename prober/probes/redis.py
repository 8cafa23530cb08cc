"""Probes Redis: a ping and a write, read and delete of our own key, and now and then what it tells of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from prober.clock import Instant, now
from prober.outcome import Outcome, ProbeName, SkipReason
from prober.probes.base import Permission, Probe, Run, Unrestricted
from prober.probes.network_outcome import UntriedError
from prober.probes.redis_info import INFO, TIME, Missing, backlog_commands, read_backlog, read_info, read_time
from prober.probes.redis_outcome import WrongValueError, redis_failure
from prober.probes.redis_session import RedisAddress, open_session
from prober.probes.resp import Answer, RedisConnection, Refusal, RefusedError, pack
from prober.probes.synthetic import Mark
from prober.result import RedisInfo, RedisResult

KEY_EXPIRY = 60  # seconds; far above any timeout, so that a key can only outlive a run that was cut off
MOST_LEFT = 60  # keys of runs that were cut off which are remembered, to be deleted before they expire


@dataclass(slots=True)
class _Findings:
    """What one run has found out so far."""

    operations: dict[str, float] = field(default_factory=dict)
    info: RedisInfo | None = None
    backlog: dict[str, int] | None = None
    missing: list[Missing] = field(default_factory=list)


class RedisProbe:
    """Keeps one connection between good runs and drops it after any failure; never repeats a command."""

    name = ProbeName.REDIS

    def __init__(
        self,
        address: RedisAddress,
        *,
        instance: str,
        queues: Sequence[str] = (),
        queue_prefix: str = "bull",
        details_every: float = 10.0,
        permission: Permission | None = None,
    ) -> None:
        """`queues` are BullMQ queues; `details_every` (seconds) is how often INFO and the backlog are read."""
        self._address = address
        self._instance = instance
        self._queues = tuple(queues)
        self._queue_prefix = queue_prefix
        self._details_every = details_every
        self._details_due = float("-inf")
        self._connection: RedisConnection | None = None
        self._identity_known = False  # whether `run_id` was read on this connection
        self._left: dict[str, float] = {}  # keys that may still be there → when they have expired (monotonic)
        self._permission = permission or Unrestricted()
        self._unwritable: Exception | None = None  # why the last write failed, though Redis was there

    async def run(self, run: Run) -> RedisResult:
        """Ping, write, read and delete; when urgent connect afresh, ping and write; ping and read where no write
        may be. That it can be read says nothing of a Redis whose last write was refused.

        `duration` ends with the last of these answers: INFO and the backlog are read after them, within the same
        timeout. A connection that was closed between two runs is opened anew, since nothing was asked of it; one
        that closes under a request is a failure.
        """
        started = now()
        found = _Findings()
        trouble: Exception | None = None
        answered: float | None = None
        try:
            async with asyncio.timeout(run.timeout):
                connection = await self._connected(run)
                try:
                    await self._operate(connection, run, found.operations)
                except (RefusedError, WrongValueError, UntriedError) as refused:
                    trouble = refused  # Redis is there: what it tells of itself may say why
                answered = time.monotonic()
                if trouble is None and not run.urgent:
                    await self._delete_left(connection)
                await self._look_closer(connection, run, found, trouble is None)
        except asyncio.CancelledError:
            await self.close()
            raise
        except Exception as error:
            if trouble is None:
                trouble, answered = error, time.monotonic()
        if trouble is not None:
            await self.close()
        return self._result(run, started, answered or time.monotonic(), trouble, found)

    def succeed(self, before: Probe) -> None:
        """Answer for the keys that the one before may have left; know what a pause keeps from being tried."""
        if not isinstance(before, RedisProbe):
            return
        self._left = before._left
        if str(before._address) == str(self._address):
            self._unwritable = before._unwritable

    async def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    async def _connected(self, run: Run) -> RedisConnection:
        if self._connection is not None and (run.urgent or not self._connection.is_open):
            await self.close()
        if self._connection is None:
            self._connection = await open_session(
                self._address, client_name=f"synthetic-prober/{self._instance}", timeout=run.timeout
            )
            self._identity_known = False
        return self._connection

    async def _operate(self, connection: RedisConnection, run: Run, operations: dict[str, float]) -> None:
        key = Mark(self._instance).key(run.id)
        value = run.id.encode()
        await _expect(b"PONG", "PING", pack("PING"), connection, operations, "ping")
        if refused := self._permission.refusal():
            await _expect(None, "GET", pack("GET", key), connection, operations, "read")
            if refused is SkipReason.NOT_LEADER:
                self._unwritable = None  # whoever writes now will see whether it is over
            if self._unwritable is not None:
                raise UntriedError(self._unwritable, refused)
            return
        self._remember(key)
        try:
            await _expect(b"OK", "SET", pack("SET", key, value, "EX", KEY_EXPIRY), connection, operations, "write")
        except RefusedError as error:
            self._left.pop(key, None)
            self._unwritable = error
            raise
        self._unwritable = None
        if run.urgent:
            return
        await _expect(value, "GET", pack("GET", key), connection, operations, "read")
        if self._permission.refusal(undo=True) is None:  # else it expires by itself
            await _expect(1, "DEL", pack("DEL", key), connection, operations, "delete")
            self._left.pop(key, None)

    def _remember(self, key: str) -> None:
        self._left[key] = time.monotonic() + KEY_EXPIRY
        if len(self._left) > MOST_LEFT:
            del self._left[next(iter(self._left))]

    async def _delete_left(self, connection: RedisConnection) -> None:
        """Delete what runs left that were cut off: untimed, and after what is timed."""
        if self._left and self._permission.refusal() is None:
            (answer,) = (await connection.ask(pack("DEL", *self._left))).answers
            if not isinstance(answer, Refusal):
                self._left.clear()

    def _count_left(self) -> int:
        current = time.monotonic()
        for key in [key for key, expired in self._left.items() if expired <= current]:
            del self._left[key]
        return len(self._left)

    async def _look_closer(self, connection: RedisConnection, run: Run, found: _Findings, healthy: bool) -> None:
        due = run.started.mono >= self._details_due
        if not connection.is_open or not (due or (healthy and not self._identity_known)):
            return
        *told, clock = (await connection.ask(*INFO, TIME)).answers
        info = read_info(told)
        if isinstance(info, Missing):
            found.missing.append(info)
        else:
            found.info = info
        self._identity_known = True
        if not due:
            return
        self._details_due = run.started.mono + self._details_every
        if self._queues:
            backlog = await self._backlog(connection, clock)
            if isinstance(backlog, Missing):
                found.missing.append(backlog)
            else:
                found.backlog = backlog

    async def _backlog(self, connection: RedisConnection, clock: Answer) -> dict[str, int] | Missing:
        # Overdue by the clock of Redis: ours may be stepped, and that one is the same for every prober.
        now_ms = read_time(clock)
        if isinstance(now_ms, Missing):
            return now_ms
        asked = await connection.ask(*backlog_commands(self._queue_prefix, self._queues, now_ms))
        return read_backlog(self._queues, asked.answers)

    def _result(
        self, run: Run, started: Instant, answered: float, trouble: Exception | None, found: _Findings
    ) -> RedisResult:
        failure = redis_failure(trouble, str(self._address)) if trouble is not None else None
        sentences = [failure.detail] if failure else []
        sentences += [f"{missing.what} is not observable: {missing.why}" for missing in found.missing]
        return RedisResult(
            probe=self.name,
            run_id=run.id,
            started=started,
            duration=answered - started.mono,
            outcome=failure.outcome if failure else Outcome.OK,
            detail="; ".join(sentences),
            operations=found.operations,
            info=found.info,
            backlog=found.backlog,
            leftovers=self._count_left(),
        )


async def _expect(
    wanted: Answer,
    doing: str,
    command: bytes,
    connection: RedisConnection,
    operations: dict[str, float],
    operation: str,
) -> None:
    """One timed round trip. Its latency counts only when the answer is the one wanted."""
    exchange = await connection.ask(command)
    (answer,) = exchange.answers
    if isinstance(answer, Refusal):
        raise RefusedError(answer, doing)
    if answer != wanted:
        raise WrongValueError(f"{doing} on our own key: expected {_short(wanted)}, got {_short(answer)}")
    operations[operation] = exchange.latency


def _short(answer: Answer) -> str:
    return "nothing" if answer is None else repr(answer)[:80]
