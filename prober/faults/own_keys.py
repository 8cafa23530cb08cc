"""Keys of our own in Redis, so that a restart has something to load: named one by one, and they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from prober.faults.driver import FaultError
from prober.outcome import DriverKind, FaultKind, Service
from prober.probes.redis_outcome import redis_failure
from prober.probes.redis_session import RedisAddress, open_session
from prober.probes.resp import RedisConnection, Refusal, RefusedError, pack

BATCH = 1_000
VALUE = b"synthetic-prober" * 8
EXPIRY = 900  # seconds: should nobody be left to delete them
TIMEOUT = 10.0  # seconds for one batch


class LoadedKeys:
    """So many keys `PREFIX:0`, `PREFIX:1` …; the prefix is ours, so nothing else can be hit."""

    kind = DriverKind.CLIENT
    fault = FaultKind.KEYS
    service = Service.REDIS

    def __init__(self, address: RedisAddress, prefix: str, count: int) -> None:
        self._address = address
        self._prefix = prefix
        self._count = count

    @property
    def sentence(self) -> str:
        """What is done."""
        return f"{self._count} keys {self._prefix}:… in Redis, which expire within {EXPIRY // 60} minutes"

    @property
    def how(self) -> Mapping[str, Any]:
        """Their names."""
        return {"prefix": self._prefix, "count": self._count}

    async def inject(self) -> None:
        """Write them."""
        await self._each("SET", lambda name: pack("SET", name, VALUE, "EX", EXPIRY))

    async def undo(self) -> None:
        """Delete them."""
        await self._each("UNLINK", lambda name: pack("UNLINK", name))

    async def check_undone(self) -> None:
        """Ask for every one of them."""
        left = await self._each("EXISTS", lambda name: pack("EXISTS", name))
        if left:
            raise FaultError(f"{left} of {self._count} keys {self._prefix}:… are still there")

    def _names(self) -> Iterator[list[str]]:
        for first in range(0, self._count, BATCH):
            yield [f"{self._prefix}:{n}" for n in range(first, min(first + BATCH, self._count))]

    async def _each(self, doing: str, command: Any) -> int:
        """Send one command for each key; the sum of the numbers that come back."""
        total = 0
        try:
            async with asyncio.timeout(TIMEOUT):
                connection = await open_session(
                    self._address, client_name="synthetic-prober/drill", timeout=TIMEOUT
                )
            try:
                for names in self._names():
                    total += await _asked(connection, doing, [command(name) for name in names])
            finally:
                connection.drop()
        except Exception as error:
            raise FaultError(redis_failure(error, str(self._address)).detail) from None
        return total


async def _asked(connection: RedisConnection, doing: str, commands: list[bytes]) -> int:
    async with asyncio.timeout(TIMEOUT):
        answers = (await connection.ask(*commands)).answers
    for answer in answers:
        if isinstance(answer, Refusal):
            raise RefusedError(answer, doing)
    return sum(answer for answer in answers if isinstance(answer, int))
