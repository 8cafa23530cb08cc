"""Takes jobs and does them: from Redis, and from the job table what Redis has forgotten or cannot be asked for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn

import asyncpg

from prober.demo.target.bullmq import Job
from prober.demo.target.config import Settings
from prober.demo.target.database import Connection, Database, UnavailableError
from prober.demo.target.faults import StuckQueue
from prober.demo.target.forms import MessageStatements
from prober.demo.target.live import Live
from prober.demo.target.messages import Done, Message, perform
from prober.demo.target.record import Kind, RecordWriter
from prober.demo.target.webhook_queue import REDIS_ERRORS, WebhookQueue

PAUSE = 0.1  # seconds between two tries while something is down, stuck or empty
BACKOFF_LIMIT = 1.0  # seconds
FALLBACK_BATCH = 50
OUTAGE_GRACE = 0.5  # seconds after which a stored job is done without Redis when that was in trouble lately
OUTAGE_MEMORY = 10.0  # seconds: a Redis that came back may have forgotten every job
CLAIM_SECONDS = 10  # a stored job is in the hands of one process for so long

# Moving the due time on is the claim; SKIP LOCKED lets several processes claim at once.
_CLAIM_STORED = f"""
UPDATE webhook_jobs SET due_at = now() + interval '{CLAIM_SECONDS} seconds'
 WHERE message_sid IN (SELECT message_sid FROM webhook_jobs WHERE due_at < now() - make_interval(secs => $1)
                        ORDER BY due_at LIMIT {FALLBACK_BATCH} FOR UPDATE SKIP LOCKED)
RETURNING message_sid, payload
"""  # noqa: S608 - constants of this module


class Consumer:
    """The queue workers of one process."""

    def __init__(
        self,
        settings: Settings,
        statements: MessageStatements,
        live: Live,
        database: Database,
        queue: WebhookQueue,
        record: RecordWriter,
    ) -> None:
        self._settings = settings
        self._statements = statements
        self._live = live
        self._database = database
        self._queue = queue
        self._record = record
        self._slots = asyncio.Semaphore(settings.queue.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> NoReturn:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_jobs())
            group.create_task(self._repeat(self._queue.jobs.promote, PAUSE))
            group.create_task(
                self._repeat(self._queue.jobs.recover_stalled, self._settings.queue.stalled_interval)
            )
            group.create_task(self._repeat(self._resume, PAUSE))
            group.create_task(self._drain_stored())
        raise AssertionError("the workers end only by being cancelled")

    def _stuck(self) -> bool:
        return self._live.state.planted(StuckQueue) is not None

    async def _take_jobs(self) -> NoReturn:
        while True:
            if self._stuck() or self._database.seems_down():
                await asyncio.sleep(PAUSE)
                continue
            await self._slots.acquire()
            try:
                job = await self._queue.take()
            except REDIS_ERRORS:
                job = None
                await asyncio.sleep(PAUSE)
            if job is None:
                self._slots.release()
                continue
            task = asyncio.create_task(self._do(job))
            self._under_way.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()
        if not task.cancelled():
            task.result()

    async def _do(self, job: Job) -> None:
        try:
            if self._stuck():
                # Taken by a BLMOVE that was waiting when the fault was planted.
                await self._queue.jobs.retry(job, 0.0)
                return
            try:
                done = await self._perform(job.data)
            except (UnavailableError, asyncpg.PostgresError):
                await self._queue.jobs.retry(job, min(PAUSE * job.tries, BACKOFF_LIMIT))
            else:
                await self._queue.jobs.finish(job, done)
        except REDIS_ERRORS:
            return  # the job stays active; its lock runs out, and it is taken again and found done

    async def _perform(self, data: dict[str, object]) -> Done:
        task, message = Message.of_job(data)
        done = await self._database.run(
            lambda connection: perform(connection, self._statements, task, message),
            self._settings.database.timeout,
            background=True,
        )
        if done is Done.PROCESSED:
            self._record.write(Kind.PROCESSED, sid=message.sid, task=task)
            self._record.write(Kind.REPLY, sid=message.sid, to=message.sender)
        elif done is Done.SKIPPED:
            self._record.write(Kind.SKIPPED, sid=message.sid)
        else:
            self._record.write(Kind.FOUND, sid=message.sid, task=task)
        return done

    async def _drain_stored(self) -> NoReturn:
        while True:
            drained = 0
            if not self._stuck() and not self._database.seems_down():
                trouble = self._queue.failed_since(time.monotonic() - OUTAGE_MEMORY)
                grace = OUTAGE_GRACE if trouble else self._settings.queue.fallback_grace
                try:
                    drained = await self._drain(grace)
                except (UnavailableError, asyncpg.PostgresError):
                    drained = 0
            if drained < FALLBACK_BATCH:
                await asyncio.sleep(PAUSE * 2)

    async def _drain(self, grace: float) -> int:
        async def claim(connection: Connection) -> list[asyncpg.Record]:
            return await connection.fetch(_CLAIM_STORED, grace)

        rows = await self._database.run(claim, self._settings.database.timeout, background=True)
        for row in rows:
            await self._perform(json.loads(row["payload"]))
        return len(rows)

    async def _resume(self) -> int:
        return 0 if self._stuck() else await self._queue.jobs.resume()

    async def _repeat(self, command: Callable[[], Awaitable[int]], interval: float) -> NoReturn:
        while True:
            with suppress(*REDIS_ERRORS):  # the breaker has counted it; the next round tries again
                await self._queue.guarded(command)
            await asyncio.sleep(interval)

    async def close(self) -> None:
        """Let the jobs in hand come to their end."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=2.0)
