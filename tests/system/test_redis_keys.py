"""Our keys in a real Redis: found among many, deleted by name, and not looked for without the right."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from prober.demo.redis_server import RedisServer
from prober.outcome import Outcome
from prober.probes.redis_keys import OurKeys
from prober.probes.redis_outcome import redis_failure
from prober.probes.redis_session import RedisAddress
from prober.probes.resp import RefusedError
from prober.probes.synthetic import Mark, new_run_id

from .probing import ACL_RULE, command


def keys_of(server: RedisServer, username: str | None = None, password: str | None = None) -> OurKeys:
    address = RedisAddress(port=server.port, username=username, password=password or server.password)
    return OurKeys(address, "test")


async def test_ours_are_found_among_many_and_no_others(redis_server: RedisServer, redis_client: Redis) -> None:
    pipeline = redis_client.pipeline(transaction=False)
    for n in range(20_000):
        pipeline.set(f"orders:{n}", "x")
    ours = {Mark("test").key(new_run_id(n)) for n in range(300)}
    strangers = [f"synthetic-prober:test:{n}" for n in range(300)] + ["synthetic-prober:test2:" + "0" * 19]
    for key in [*ours, *strangers]:
        pipeline.set(key, "x")
    await pipeline.execute()
    keys = keys_of(redis_server)
    found = await keys.find()
    assert found.whole
    assert found.keys == ours
    await keys.delete(found.keys)
    assert await redis_client.dbsize() == 20_000 + len(strangers)
    assert (await keys.find()).keys == frozenset()
    await keys.delete([])


async def test_without_the_right_to_scan_it_is_denied_by_name(
    redis_server: RedisServer, redis_client: Redis
) -> None:
    await command(redis_client, "ACL", "SETUSER", "prober", "on", ">secret", *ACL_RULE)
    keys = keys_of(redis_server, username="prober", password="secret")
    with pytest.raises(RefusedError) as caught:
        await keys.find()
    assert redis_failure(caught.value, "Redis").outcome is Outcome.DENIED
    await command(redis_client, "ACL", "SETUSER", "prober", "+scan")
    assert (await keys.find()).whole
