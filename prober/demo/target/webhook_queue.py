"""The queue `whatsapp-webhooks` as webhook and workers use it: Redis with short timeouts, behind a breaker."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from prober.demo.target.breaker import Breaker
from prober.demo.target.bullmq import Job, Queue
from prober.demo.target.config import Settings
from prober.demo.target.faults import LateProcessing, StuckQueue, Switch
from prober.demo.target.live import Live
from prober.demo.target.messages import Message, Task

NAME = "whatsapp-webhooks"
# RuntimeError: what uvloop raises out of redis-py when a connection that was just made is closed already.
REDIS_ERRORS = (RedisError, OSError, TimeoutError, RuntimeError)
BLOCK_SECONDS = 0.5  # how long a worker's BLMOVE waits; jobs with a priority are looked for between two
ADDING_AT_ONCE = 16
PRIORITY = 5  # of jobs while the fault stuck_queue piles up `prioritized`

T = TypeVar("T")


def redis_client(url: str, timeout: float) -> Redis:
    """A client that tries once: what to do about a failure is decided here and not in the library."""
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0))


class WebhookQueue:
    """Adds and takes jobs. `redis` is the client of quick commands."""

    def __init__(self, settings: Settings, live: Live) -> None:
        self._live = live
        self._breaker = Breaker(failures=settings.breaker.failures, open_seconds=settings.breaker.open_seconds)
        # More at once would each open a connection, and time out over it.
        self._adding = asyncio.Semaphore(ADDING_AT_ONCE)
        self.redis = redis_client(settings.redis.url, settings.redis.timeout)
        self._blocking = redis_client(settings.redis.url, BLOCK_SECONDS + settings.redis.timeout)
        self.jobs = Queue(
            self.redis,
            NAME,
            lock_seconds=settings.queue.lock_seconds,
            keep_completed=settings.queue.keep_completed,
            holder=secrets.token_hex(8),
        )

    async def add(self, message: Message, task: Task) -> bool:
        """Queue a job about a message; False when Redis does not take it. A job already queued is one taken."""
        state = self._live.state
        late, stuck = state.planted(LateProcessing), state.planted(StuckQueue)
        suffix = {Task.SKIP: ":skip", Task.AGAIN: f":again:{secrets.token_hex(4)}"}.get(task, "")
        try:
            async with self._adding:
                await self.guarded(
                    lambda: self.jobs.add(
                        message.sid + suffix,
                        "incoming",
                        message.job(task),
                        delay=late.delay_seconds if late is not None else 0.0,
                        priority=PRIORITY if stuck is not None and stuck.pile == "prioritized" else 0,
                        paused=stuck is not None and stuck.pile == "paused",
                    )
                )
        except REDIS_ERRORS:
            return False
        return True

    async def take(self) -> Job | None:
        """The next job, waiting for it for a moment; raises one of REDIS_ERRORS."""
        job = await self.jobs.take(self._blocking, BLOCK_SECONDS)
        self._breaker.succeeded()
        return job

    async def guarded(self, command: Callable[[], Awaitable[T]]) -> T:
        """Run a command through the breaker; raises one of REDIS_ERRORS."""
        breaking = self._live.state.on(Switch.CIRCUIT_BREAKER)
        if breaking and not self._breaker.allows(time.monotonic()):
            raise ConnectionError("Redis: circuit open")
        try:
            result = await command()
        except REDIS_ERRORS:
            self._breaker.failed(time.monotonic())
            raise
        self._breaker.succeeded()
        return result

    def failed_since(self, moment: float) -> bool:
        """Whether Redis did not answer some time after this moment (monotonic seconds)."""
        return self._breaker.failed_since(moment)

    async def close(self) -> None:
        """Give back every connection."""
        await self.redis.aclose()
        await self._blocking.aclose()
