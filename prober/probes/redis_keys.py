"""The keys that the Redis probe may have left: found by a bounded scan for our own prefix, and deleted.

For a command only: a scan walks through the whole keyspace, which a daemon must never do.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from prober.probes.redis_session import RedisAddress, open_session
from prober.probes.resp import Answer, GarbageError, RedisConnection, Refusal, RefusedError, pack
from prober.probes.synthetic import Mark

CONNECT_TIMEOUT = 5.0
# Keys that Redis looks at in one step: well under a millisecond of its time.
STEP = 500
MOST_FOUND = 4 * STEP
# The whole scan (seconds); a million keys take about two.
SCAN_TIMEOUT = 60.0
_RUN = re.compile(r"[0-9a-f]{19}")


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The keys of an instance; `whole` says that all of Redis was looked through."""

    keys: frozenset[str]
    whole: bool


class OurKeys:
    """The keys of one instance. Raises what `redis_failure` names."""

    def __init__(self, address: RedisAddress, instance: str) -> None:
        self._address = address
        self._mark = Mark(instance)

    async def find(self) -> FoundKeys:
        """Look through Redis for them, for as long as `SCAN_TIMEOUT`."""
        connection = await self._connect()
        try:
            return await self._scan(connection)
        finally:
            connection.drop()

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete these."""
        if not (named := sorted(keys)):
            return
        connection = await self._connect()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await _asked(connection, "DEL", pack("DEL", *named))
        finally:
            connection.drop()

    async def _connect(self) -> RedisConnection:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            return await open_session(
                self._address,
                client_name=f"synthetic-prober/{self._mark.instance}",
                timeout=CONNECT_TIMEOUT,
                most_items=MOST_FOUND,
            )

    async def _scan(self, connection: RedisConnection) -> FoundKeys:
        prefix, found, cursor = self._mark.key_prefix, set[str](), b"0"
        ends = time.monotonic() + SCAN_TIMEOUT
        while True:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                command = pack("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", STEP)
                answer = await _asked(connection, "SCAN", command)
            cursor, keys = _read(answer)
            # A key that only begins like ours has no id of a run behind it.
            found |= {key for key in keys if _RUN.fullmatch(key.removeprefix(prefix))}
            if cursor == b"0" or time.monotonic() > ends:
                return FoundKeys(frozenset(found), whole=cursor == b"0")


async def _asked(connection: RedisConnection, doing: str, command: bytes) -> Answer:
    (answer,) = (await connection.ask(command)).answers
    if isinstance(answer, Refusal):
        raise RefusedError(answer, doing)
    return answer


def _read(answer: Answer) -> tuple[bytes, list[str]]:
    match answer:
        case [bytes(cursor), list(keys)]:
            return cursor, [key.decode("utf-8", "replace") for key in keys if isinstance(key, bytes)]
    raise GarbageError(f"expected a cursor and keys, got {str(answer)[:60]!r}")
