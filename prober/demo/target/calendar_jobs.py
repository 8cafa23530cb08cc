"""Jobs that stand in `delayed` of other queues on purpose, as in the deployed system: they are no backlog."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final, NoReturn

from redis.asyncio import Redis

from prober.demo.target.bullmq import Queue
from prober.demo.target.webhook_queue import REDIS_ERRORS

HOUR: Final = 3_600_000  # milliseconds
CHECK_SECONDS: Final = 2.0
EARLY: Final = 10_000  # milliseconds before it is due that a job is taken as done and put to its next time

# queue → (job id, name, time until due); repeatable jobs have BullMQ's form of id.
CALENDAR: Final = (
    ("order-expiry", "order-expiry-1", "expire", 2 * HOUR),
    ("order-expiry", "order-expiry-2", "expire", 24 * HOUR),
    ("bidding-timeout", "bidding-timeout-1", "timeout", HOUR),
    ("payment-reminders", "payment-reminder-1", "remind", 72 * HOUR),
    ("daily-reports", "repeat:5f1c0e8f0a7d4e0b:daily", "report", 24 * HOUR),
    ("credit-reconciliation", "repeat:9b2d7c3a1e6f4b5c:hourly", "reconcile", HOUR),
)


class Calendar:
    """Keeps the jobs of `CALENDAR` in Redis, also after Redis came back empty."""

    def __init__(self, redis: Redis) -> None:
        names = {queue for queue, *_ in CALENDAR}
        self._queues = {
            name: Queue(redis, name, lock_seconds=10, keep_completed=0, holder="calendar") for name in names
        }

    async def run(self) -> NoReturn:
        """Work until cancelled."""
        while True:
            with suppress(*REDIS_ERRORS):  # down; they are put back when it has come up
                await self.keep()
            await asyncio.sleep(CHECK_SECONDS)

    async def keep(self) -> None:
        """Put every job that is missing or about due to its next time."""
        for name, job_id, what, period in CALENDAR:
            queue = self._queues[name]
            now = int(time.time() * 1000)
            due = await queue.due(job_id)
            if due is None or due < now + EARLY:
                await queue.schedule(job_id, what, now + period)
