"""The tripwire of Redis on real servers: it tells of every end, and of nothing else."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from prober.clock import now
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer
from prober.probes.redis_session import RedisAddress
from prober.probes.redis_tripwire import RedisTripwire

from .probing import ACL_RULE, command, has_subscriber, until


async def test_the_tripwire_tells_of_a_kill(redis_server: RedisServer, redis_client: Redis) -> None:
    tripwire = RedisTripwire(RedisAddress(port=redis_server.port), instance="test")
    holding = asyncio.create_task(tripwire.hold())
    await until(lambda: has_subscriber(redis_client))
    await redis_client.aclose()
    assert not holding.done()
    killed = now()
    redis_server.kill()
    closed = await asyncio.wait_for(holding, 5)
    assert killed.mono <= closed.mono < killed.mono + 1
    await redis_server.wait_gone()
    with pytest.raises(ConnectionError, match=f"127.0.0.1:{redis_server.port}"):
        await tripwire.hold()


async def test_the_tripwire_outlives_the_idle_timeout_of_the_server(owner: Owner) -> None:
    server = RedisServer(owner, owner.directory / "redis", settings={"timeout": 1})
    await server.start()
    holding = asyncio.create_task(RedisTripwire(RedisAddress(port=server.port), instance="test").hold())
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert await asyncio.wait_for(reader.read(), 20) == b""  # an ordinary idle redis_client is sent away
    writer.close()
    assert not holding.done()
    server.kill()
    assert (await asyncio.wait_for(holding, 5)).mono <= now().mono


async def test_the_tripwire_says_when_it_may_not_subscribe(redis_server: RedisServer, redis_client: Redis) -> None:
    await command(redis_client, "ACL", "SETUSER", "prober", "on", ">secret", *ACL_RULE, "-subscribe")
    address = RedisAddress(port=redis_server.port, username="prober", password="secret")
    with pytest.raises(ConnectionError, match="SUBSCRIBE"):
        await RedisTripwire(address, instance="test").hold()
