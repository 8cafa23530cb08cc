"""Holds an idle connection to Redis open, so that a crash is noticed when the connection closes."""

from __future__ import annotations

import asyncio

from prober.clock import Instant
from prober.probes.redis_outcome import redis_failure
from prober.probes.redis_session import RedisAddress, open_session
from prober.probes.resp import RedisConnection, Refusal, RefusedError, pack


class RedisTripwire:
    """A subscriber of a channel of our own, on which nobody publishes.

    A subscriber, because Redis closes idle connections after its setting `timeout`, except those of subscribers:
    a plain one would tell of crashes that never were. It sends nothing after that.
    """

    def __init__(self, address: RedisAddress, *, instance: str, connect_timeout: float = 5.0) -> None:
        self._address = address
        self._name = f"synthetic-prober/{instance}/tripwire"
        self._channel = f"synthetic-prober:{instance}"
        self._connect_timeout = connect_timeout

    async def hold(self) -> Instant:
        """Open the connection, wait until it closes, and return that moment.

        Raises ConnectionError with a sentence when it cannot be opened or may not subscribe.
        """
        connection: RedisConnection | None = None
        try:
            try:
                async with asyncio.timeout(self._connect_timeout):
                    connection = await open_session(
                        self._address,
                        client_name=self._name,
                        timeout=self._connect_timeout,
                        subscriber=True,
                    )
                    await self._subscribe(connection)
            except Exception as error:
                raise ConnectionError(redis_failure(error, str(self._address)).detail) from error
            return await asyncio.shield(connection.closed)
        finally:
            if connection is not None:
                connection.drop()

    async def _subscribe(self, connection: RedisConnection) -> None:
        (answer,) = (await connection.ask(pack("SUBSCRIBE", self._channel))).answers
        if isinstance(answer, Refusal):
            raise RefusedError(answer, f"SUBSCRIBE {self._channel}")
        connection.keep_alive()
