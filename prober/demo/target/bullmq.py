"""A queue in Redis in BullMQ's key layout: `bull:{queue}:…`, as BullMQ 5 lays it out, without its event streams.

Lists `wait`, `active`, `paused`; sorted sets `prioritized`, `delayed` (score: due time in milliseconds × 4096 plus
a counter), `completed`; a hash for each job; `id` (counter), `meta`, `stalled`, and `{job}:lock`. Every step is
one Lua script, hence atomic. Delivery is at least once: a job whose worker died is taken again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

PREFIX: Final = "bull"
SCORE_UNIT: Final = 4096

# A job id that is queued already is not queued twice; one that is done makes room for another.
_ADD = """
local base, id = ARGV[1], ARGV[2]
local job = base .. id
if redis.call('EXISTS', job) == 1 and redis.call('ZREM', base .. 'completed', id) == 0 then return 0 end
redis.call('DEL', job)
local n = redis.call('INCR', base .. 'id')
local due, priority = tonumber(ARGV[6]), tonumber(ARGV[7])
redis.call('HSET', job, 'name', ARGV[3], 'data', ARGV[4], 'opts', ARGV[8], 'timestamp', ARGV[5],
           'delay', math.max(due - tonumber(ARGV[5]), 0), 'priority', priority, 'atm', 0)
redis.call('HSETNX', base .. 'meta', 'version', 'bullmq:5.0.0')
if due > 0 then redis.call('ZADD', base .. 'delayed', due * 4096 + n % 4096, id)
elseif priority > 0 then redis.call('ZADD', base .. 'prioritized', priority * 4294967296 + n % 4294967296, id)
elseif ARGV[9] == '1' then redis.call('LPUSH', base .. 'paused', id)
else redis.call('LPUSH', base .. 'wait', id) end
return 1
"""

# Without an id: the next of wait, then of prioritized. With one: a job that BLMOVE has moved to active.
_TAKE = """
local base, id = ARGV[1], ARGV[2]
if id == '' then
  id = redis.call('RPOPLPUSH', base .. 'wait', base .. 'active')
  if not id then
    local first = redis.call('ZPOPMIN', base .. 'prioritized')
    id = first[1]
    if not id then return false end
    redis.call('LPUSH', base .. 'active', id)
  end
end
if redis.call('EXISTS', base .. id) == 0 then
  redis.call('LREM', base .. 'active', 1, id)
  return {id}
end
redis.call('SET', base .. id .. ':lock', ARGV[3], 'PX', ARGV[4])
redis.call('SREM', base .. 'stalled', id)
redis.call('HSET', base .. id, 'processedOn', ARGV[5])
local tries = redis.call('HINCRBY', base .. id, 'atm', 1)
return {id, redis.call('HGET', base .. id, 'data'), tries}
"""

# A worker that lost its lock has lost the job to another, which will finish it.
_FINISH = """
local base, id = ARGV[1], ARGV[2]
if redis.call('GET', base .. id .. ':lock') ~= ARGV[3] then return 0 end
redis.call('DEL', base .. id .. ':lock')
redis.call('LREM', base .. 'active', 1, id)
redis.call('SREM', base .. 'stalled', id)
redis.call('HSET', base .. id, 'finishedOn', ARGV[4], 'returnvalue', ARGV[5])
redis.call('ZADD', base .. 'completed', ARGV[4], id)
local old = redis.call('ZRANGE', base .. 'completed', 0, -1 - tonumber(ARGV[6]))
for _, done in ipairs(old) do redis.call('DEL', base .. done) end
if #old > 0 then redis.call('ZREM', base .. 'completed', unpack(old)) end
return 1
"""

_RETRY = """
local base, id = ARGV[1], ARGV[2]
if redis.call('GET', base .. id .. ':lock') ~= ARGV[3] then return 0 end
redis.call('DEL', base .. id .. ':lock')
redis.call('LREM', base .. 'active', 1, id)
redis.call('SREM', base .. 'stalled', id)
local due = tonumber(ARGV[4])
if due > 0 then redis.call('ZADD', base .. 'delayed', due * 4096, id)
else redis.call('RPUSH', base .. 'wait', id) end
return 1
"""

_PROMOTE = """
local base = ARGV[1]
local due = redis.call('ZRANGEBYSCORE', base .. 'delayed', 0, tonumber(ARGV[2]) * 4096 + 4095, 'LIMIT', 0, 500)
for _, id in ipairs(due) do
  redis.call('ZREM', base .. 'delayed', id)
  redis.call('LPUSH', base .. 'wait', id)
end
return #due
"""

# As in BullMQ: whoever is active without a lock in two rounds has no worker any more.
_RECOVER = """
local base = ARGV[1]
local moved = 0
for _, id in ipairs(redis.call('SMEMBERS', base .. 'stalled')) do
  if redis.call('EXISTS', base .. id .. ':lock') == 0 and redis.call('LREM', base .. 'active', 1, id) > 0 then
    redis.call('RPUSH', base .. 'wait', id)
    moved = moved + 1
  end
end
redis.call('DEL', base .. 'stalled')
for _, id in ipairs(redis.call('LRANGE', base .. 'active', 0, -1)) do
  if redis.call('EXISTS', base .. id .. ':lock') == 0 then redis.call('SADD', base .. 'stalled', id) end
end
return moved
"""

_RESUME = """
local base = ARGV[1]
local moved = 0
while redis.call('RPOPLPUSH', base .. 'paused', base .. 'wait') do moved = moved + 1 end
return moved
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the hands of a worker. `tries` counts the times it was taken, this one included."""

    id: str
    data: dict[str, Any]
    tries: int


class Queue:
    """One queue; `holder` names who takes its jobs. Methods raise redis.RedisError or OSError without Redis."""

    def __init__(self, redis: Redis, name: str, *, lock_seconds: float, keep_completed: int, holder: str) -> None:
        self._redis = redis
        self._base = f"{PREFIX}:{name}:"
        self._lock_ms = int(lock_seconds * 1000)
        self._keep = keep_completed
        self._holder = holder
        self._scripts: Mapping[str, AsyncScript] = {
            script: redis.register_script(script)
            for script in (_ADD, _TAKE, _FINISH, _RETRY, _PROMOTE, _RECOVER, _RESUME)
        }

    async def add(
        self,
        job_id: str,
        name: str,
        data: Mapping[str, Any],
        *,
        delay: float = 0.0,
        priority: int = 0,
        paused: bool = False,
    ) -> bool:
        """Queue a job, due in `delay` seconds; False when a job of this id is queued already."""
        now = _now_ms()
        due = now + int(delay * 1000) if delay > 0 else 0
        options = json.dumps({"jobId": job_id, "attempts": 1_000_000, "delay": int(delay * 1000)})
        arguments: list[str | int] = [job_id, name, json.dumps(data), now, due, priority, options, int(paused)]
        return bool(await self._call(_ADD, *arguments))

    async def take(self, blocking: Redis, wait: float) -> Job | None:
        """The next job, now in `active` and locked; None when none came within `wait` seconds.

        `blocking` is a client whose socket timeout is well above `wait`.
        """
        taken = await self._call(_TAKE, "", self._holder, self._lock_ms, _now_ms())
        if taken is None:
            base = self._base
            job_id = await blocking.blmove(f"{base}wait", f"{base}active", wait, "RIGHT", "LEFT")  # type: ignore[arg-type]
            if job_id is None:
                return None
            taken = await self._call(_TAKE, job_id, self._holder, self._lock_ms, _now_ms())
        if taken is None or len(taken) < 3:
            return None
        return Job(taken[0].decode(), json.loads(taken[1]), int(taken[2]))

    async def finish(self, job: Job, result: str) -> None:
        """Move a job to `completed`, of which only the latest are kept."""
        await self._call(_FINISH, job.id, self._holder, _now_ms(), json.dumps(result), self._keep)

    async def retry(self, job: Job, delay: float) -> None:
        """Give a job back, to be taken again after `delay` seconds; 0 puts it in front of all others."""
        await self._call(_RETRY, job.id, self._holder, _now_ms() + int(delay * 1000) if delay > 0 else 0)

    async def promote(self) -> int:
        """Move delayed jobs that are due to `wait`; how many."""
        return int(await self._call(_PROMOTE, _now_ms()))

    async def recover_stalled(self) -> int:
        """Give jobs of dead workers back; how many. To be called once per stalled interval."""
        return int(await self._call(_RECOVER))

    async def resume(self) -> int:
        """Move all of `paused` to `wait`; how many."""
        return int(await self._call(_RESUME))

    async def schedule(self, job_id: str, name: str, due_ms: int) -> None:
        """Make a job stand in `delayed` until `due_ms` (Unix milliseconds), whatever was known of it."""
        pipeline = self._redis.pipeline(transaction=True)
        job: dict[str | bytes | bytearray | memoryview[int] | int | float, Any] = {
            "name": name,
            "data": "{}",
            "opts": "{}",
            "timestamp": _now_ms(),
            "delay": due_ms - _now_ms(),
        }
        pipeline.hset(self._base + job_id, mapping=job)
        pipeline.zadd(f"{self._base}delayed", {job_id: due_ms * SCORE_UNIT})
        await pipeline.execute()

    async def due(self, job_id: str) -> int | None:
        """When a delayed job is due, Unix milliseconds; None when it is not in `delayed`."""
        score = await self._redis.zscore(f"{self._base}delayed", job_id)
        return None if score is None else int(float(score)) // SCORE_UNIT

    async def _call(self, script: str, *arguments: str | int | bytes) -> Any:
        return await self._scripts[script](keys=[], args=[self._base, *arguments])


def _now_ms() -> int:
    return int(time.time() * 1000)
