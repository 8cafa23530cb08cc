"""Whether a service answers again, asked from outside: a connection of our own, a ping, a select."""

from __future__ import annotations

import asyncio

from prober.config.model import Config
from prober.daemon.assembly import database_addresses, redis_address
from prober.faults.driver import FaultError
from prober.outcome import Service
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, open_database
from prober.probes.redis_outcome import redis_failure
from prober.probes.redis_session import open_session
from prober.probes.resp import Refusal, RefusedError, pack

TIMEOUT = 2.0  # seconds


async def answers(service: Service, config: Config) -> None:
    """Ask once; FaultError, with what came, unless the service answers. Nothing to ask: fine."""
    ask = _redis if service is Service.REDIS else _database
    await ask(config)


async def _redis(config: Config) -> None:
    if not config.probes.redis.enabled:
        return
    address = redis_address(config.probes.redis)
    try:
        async with asyncio.timeout(TIMEOUT):
            connection = await open_session(address, client_name="synthetic-prober/drill", timeout=TIMEOUT)
            try:
                (answer,) = (await connection.ask(pack("PING"))).answers
                if isinstance(answer, Refusal):
                    raise RefusedError(answer, "PING")
            finally:
                connection.drop()
    except Exception as error:
        raise FaultError(redis_failure(error, str(address)).detail) from None


async def _database(config: Config) -> None:
    direct, pooled = database_addresses(config.probes.database)
    address = direct or pooled
    if address is None or not config.probes.database.enabled:
        return
    try:
        async with asyncio.timeout(TIMEOUT):
            session = await open_database(address, f"{MARK}drill-check")
            try:
                await session.timed("SELECT 1")
            finally:
                session.drop()
    except Exception as error:
        raise FaultError(database_failure(error, str(address)).detail) from None
