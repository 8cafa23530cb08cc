"""The Redis probe and its tripwire on real servers: healthy, refusing, full, frozen, killed, back again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer, Sentinel
from prober.outcome import Outcome, SkipReason
from prober.probes.redis import RedisProbe
from prober.probes.redis_session import RedisAddress
from prober.probes.redis_tripwire import RedisTripwire
from prober.result import RedisResult

from .probing import ACL_RULE, GONE, HeldBack, command, has_subscriber, run, until


def probe_of(server: RedisServer, queues: tuple[str, ...] = ()) -> RedisProbe:
    address = RedisAddress(port=server.port, password=server.password)
    return RedisProbe(address, instance="test", queues=queues, details_every=0.0)


@pytest_asyncio.fixture
async def probe(redis_server: RedisServer) -> AsyncIterator[RedisProbe]:
    probe = probe_of(redis_server)
    yield probe
    await probe.close()


async def test_a_healthy_server_is_measured_and_left_clean(probe: RedisProbe, redis_client: Redis) -> None:
    result = await probe.run(run())
    assert result.outcome is Outcome.OK
    assert set(result.operations) == {"ping", "write", "read", "delete"}
    assert all(0 < latency < result.duration for latency in result.operations.values())
    assert result.info is not None
    told = await redis_client.info()
    assert (result.info.run_id, result.info.role) == (told["run_id"], "master")
    assert result.info.used_memory > 0
    assert await redis_client.dbsize() == 0


async def test_one_connection_serves_all_healthy_runs(probe: RedisProbe, redis_client: Redis) -> None:
    for _ in range(5):
        assert (await probe.run(run())).ok
    told = await redis_client.info("stats")
    assert told["total_connections_received"] <= 3  # the fixture's readiness check, this redis_client, the probe


async def test_keys_that_a_run_left_are_counted_and_deleted_by_the_next_good_one(
    probe: RedisProbe, redis_client: Redis
) -> None:
    assert (await probe.run(run())).leftovers == 0
    for left in (1, 2):
        assert (await probe.run(run(urgent=True))).leftovers == left
        assert await redis_client.dbsize() == left
    assert (await probe.run(run())).leftovers == 0
    assert await redis_client.dbsize() == 0


async def test_a_successor_deletes_the_keys_that_the_probe_before_left(
    probe: RedisProbe, redis_server: RedisServer, redis_client: Redis
) -> None:
    successor = probe_of(redis_server)
    successor.succeed(probe)
    # The run under way at the exchange leaves a key too.
    assert (await probe.run(run(urgent=True))).leftovers == 1
    assert await redis_client.dbsize() == 1
    successor.succeed(probe)
    assert (await successor.run(run())).leftovers == 0
    assert await redis_client.dbsize() == 0
    await successor.close()


async def test_a_write_that_was_refused_leaves_no_key(probe: RedisProbe, redis_client: Redis) -> None:
    await redis_client.config_set("maxmemory", 1)
    result = await probe.run(run())
    assert (result.outcome, result.leftovers) == (Outcome.OOM, 0)


async def test_urgent_runs_connect_afresh_and_leave_only_what_expires(
    probe: RedisProbe, redis_client: Redis
) -> None:
    before = (await redis_client.info("stats"))["total_connections_received"]
    for _ in range(3):
        result = await probe.run(run(urgent=True))
        assert set(result.operations) == {"ping", "write"}
        assert result.info is not None
    assert (await redis_client.info("stats"))["total_connections_received"] == before + 3
    for key in await redis_client.keys():
        assert str(key).startswith("synthetic-prober:test:")
        assert 0 < await redis_client.ttl(key) <= 60


async def test_the_backlog_counts_what_waits_and_not_what_is_due_later(
    redis_server: RedisServer, redis_client: Redis
) -> None:
    due = int(time.time() * 1000)
    await redis_client.rpush("bull:mail:wait", "1", "2")
    await redis_client.rpush("bull:mail:paused", "3")
    await redis_client.zadd("bull:mail:prioritized", {"4": 1.0, "5": 2.0})
    await redis_client.zadd("bull:mail:delayed", {"6": (due - 1000) * 4096 + 7.0, "7": (due + 3_600_000) * 4096})
    await redis_client.rpush("bull:mail:active", "8")
    probe = probe_of(redis_server, ("mail", "empty"))
    result = await probe.run(run())
    await probe.close()
    assert result.backlog == {"mail": 6, "empty": 0}


async def test_details_come_only_every_so_often(redis_server: RedisServer) -> None:
    probe = RedisProbe(RedisAddress(port=redis_server.port), instance="test", queues=("a",), details_every=3600.0)
    first, second = await probe.run(run()), await probe.run(run())
    await probe.close()
    assert first.info is not None
    assert first.backlog == {"a": 0}
    assert second.info is None
    assert second.backlog is None


async def test_the_least_privilege_user_of_the_documentation_is_enough(
    redis_server: RedisServer, redis_client: Redis
) -> None:
    await command(redis_client, "ACL", "SETUSER", "prober", "on", ">secret", *ACL_RULE)
    address = RedisAddress(port=redis_server.port, username="prober", password="secret")
    probe = RedisProbe(address, instance="test", queues=("mail",))
    result = await probe.run(run())
    await probe.close()
    assert result.outcome is Outcome.OK, result.detail
    assert result.info is not None
    assert result.backlog == {"mail": 0}
    holding = asyncio.create_task(RedisTripwire(address, instance="test").hold())
    await until(lambda: has_subscriber(redis_client))
    holding.cancel()


@pytest.mark.parametrize(
    ("rule", "outcome", "word"),
    [("-set", Outcome.DENIED, "SET"), ("-ping", Outcome.DENIED, "PING"), ("-info", Outcome.OK, "INFO")],
)
async def test_a_missing_permission_is_named(
    redis_server: RedisServer, redis_client: Redis, rule: str, outcome: Outcome, word: str
) -> None:
    await command(redis_client, "ACL", "SETUSER", "prober", "on", ">secret", *ACL_RULE, rule)
    probe = RedisProbe(RedisAddress(port=redis_server.port, username="prober", password="secret"), instance="test")
    result = await probe.run(run())
    await probe.close()
    assert result.outcome is outcome
    assert word in result.detail
    assert "NOPERM" in result.detail
    assert rule != "-info" or result.info is None


@pytest.mark.parametrize(
    ("username", "password"), [(None, None), (None, "wrong"), ("nobody", "secret")], ids=["none", "wrong", "user"]
)
async def test_a_wrong_password_is_named_and_not_repeated(
    owner: Owner, username: str | None, password: str | None
) -> None:
    server = RedisServer(owner, owner.directory / "redis", password="secret")
    await server.start()
    probe = RedisProbe(RedisAddress(port=server.port, username=username, password=password), instance="test")
    result = await probe.run(run())
    assert result.outcome is Outcome.AUTH
    assert "secret" not in result.detail
    assert "wrong'" not in result.detail


async def test_a_full_server_is_oom_and_still_tells_of_itself(probe: RedisProbe, redis_client: Redis) -> None:
    await redis_client.config_set("maxmemory-policy", "noeviction")
    await redis_client.config_set("maxmemory", "1")
    result = await probe.run(run())
    assert result.outcome is Outcome.OOM
    assert set(result.operations) == {"ping"}
    assert result.info is not None
    await redis_client.config_set("maxmemory", "0")
    assert (await probe.run(run(urgent=True))).ok


async def test_a_replica_is_readonly(owner: Owner, redis_server: RedisServer) -> None:
    replica = RedisServer(
        owner, owner.directory / "replica", settings={"replicaof": f"127.0.0.1 {redis_server.port}"}
    )
    await replica.start()
    probe = probe_of(replica)
    result = await probe.run(run())
    await probe.close()
    assert result.outcome is Outcome.READONLY
    assert result.info is not None
    assert result.info.role == "slave"


async def test_too_many_clients(probe: RedisProbe, redis_client: Redis) -> None:
    await redis_client.config_set("maxclients", "1")
    for urgent in (False, True):
        assert (await probe.run(run(urgent=urgent))).outcome is Outcome.TOO_MANY_CONNECTIONS


async def test_a_failed_snapshot_refuses_writes(probe: RedisProbe, redis_client: Redis, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir(mode=0o777)
    await redis_client.config_set("dir", str(gone))
    gone.rmdir()
    await redis_client.config_set("save", "3600 1")
    await redis_client.bgsave()

    async def failed() -> bool:
        return bool((await redis_client.info("persistence"))["rdb_last_bgsave_status"] == "err")

    await until(failed)
    assert (await probe.run(run())).outcome is Outcome.MISCONF
    await redis_client.config_set("save", "")  # or it would not stop without a snapshot


async def test_loading_is_named_until_it_is_over(owner: Owner) -> None:
    server = RedisServer(owner, owner.directory / "redis", settings={"rdbcompression": "no"})
    await server.start()
    redis_client = server.client()
    await command(redis_client, "DEBUG", "POPULATE", 1500, "key", 10_000)
    await redis_client.save()
    await redis_client.aclose()
    server.kill()
    server.settings["key-load-delay"] = 1000  # µs; it answers once every two megabytes
    starting = asyncio.create_task(server.start())
    probe = probe_of(server)
    seen: list[Outcome] = []
    async with asyncio.timeout(20):
        while Outcome.OK not in seen:
            seen.append((await probe.run(run(urgent=True, timeout=1.0))).outcome)
            await asyncio.sleep(0.02)
    await starting
    await probe.close()
    assert Outcome.LOADING in seen
    assert set(seen) <= GONE | {Outcome.LOADING, Outcome.OK}


async def test_a_frozen_server_times_out_within_the_bound_and_is_asked_anew(
    redis_server: RedisServer, probe: RedisProbe
) -> None:
    assert (await probe.run(run())).ok
    redis_server.freeze()
    for urgent in (False, True):
        result = await probe.run(run(urgent=urgent, timeout=0.3))
        assert result.outcome is Outcome.TIMEOUT
        assert 0.2 < result.duration < 3
    redis_server.thaw()
    result = await probe.run(run())
    assert result.ok
    assert result.info is not None  # read at every connect


async def test_a_killed_server_is_refused_and_comes_back_as_another(
    redis_server: RedisServer, probe: RedisProbe
) -> None:
    before = await probe.run(run())
    redis_server.kill()
    await redis_server.wait_gone()
    for urgent in (False, True, True):
        assert (await probe.run(run(urgent=urgent))).outcome in GONE
    await redis_server.start()
    after = await probe.run(run(urgent=True))
    assert after.ok
    assert _run_id(after) != _run_id(before)


async def test_an_ordinary_restart_between_two_runs_shows_as_another_identity(
    redis_server: RedisServer, probe: RedisProbe
) -> None:
    before = await probe.run(run())
    await redis_server.restart()
    after = await probe.run(run())
    assert after.ok
    assert _run_id(after) != _run_id(before)


async def test_a_lost_connection_alone_keeps_the_identity(probe: RedisProbe, redis_client: Redis) -> None:
    before = await probe.run(run())
    await redis_client.client_kill_filter(_type="normal", skipme=True)
    after = await probe.run(run())
    assert after.ok
    assert _run_id(after) == _run_id(before)


def _run_id(result: RedisResult) -> str:
    assert result.info is not None
    return result.info.run_id


async def test_a_run_that_is_cancelled_leaves_no_connection(redis_server: RedisServer, probe: RedisProbe) -> None:
    assert (await probe.run(run())).ok
    redis_server.freeze()
    running = asyncio.create_task(probe.run(run(timeout=30)))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    redis_server.thaw()
    assert (await probe.run(run())).ok


async def test_a_unix_socket(owner: Owner) -> None:
    path = owner.directory / "redis" / "s"
    server = RedisServer(owner, owner.directory / "redis", settings={"unixsocket": str(path)})
    await server.start()
    probe = RedisProbe(RedisAddress(unix_socket=str(path), db=3), instance="test")
    assert (await probe.run(run())).ok
    server.kill()
    assert (await probe.run(run())).outcome in GONE
    await probe.close()


async def test_sentinel_leads_to_the_new_master_past_one_that_is_gone(owner: Owner) -> None:
    master = RedisServer(owner, owner.directory / "master")
    await master.start()
    replica = RedisServer(owner, owner.directory / "replica", settings={"replicaof": f"127.0.0.1 {master.port}"})
    await replica.start()
    sentinel = Sentinel(owner, owner.directory / "sentinel", master, down_after=0.3, failover_timeout=3.0)
    await sentinel.start()
    address = RedisAddress(
        sentinels=(("127.0.0.1", owner.port()), ("127.0.0.1", sentinel.port)), sentinel_master="master"
    )
    probe = RedisProbe(address, instance="test")
    before = await probe.run(run())
    assert before.ok, before.detail
    watcher = sentinel.client()

    async def knows_the_replica() -> bool:
        return len(await command(watcher, "SENTINEL", "REPLICAS", "master")) == 1

    await until(knows_the_replica)
    await watcher.aclose()
    master.kill()
    seen: list[RedisResult] = []
    async with asyncio.timeout(40):
        while not seen or not seen[-1].ok:
            seen.append(await probe.run(run(urgent=True, timeout=1.0)))
            await asyncio.sleep(0.02)
    assert seen[0].outcome in GONE
    assert _run_id(seen[-1]) != _run_id(before)
    assert seen[-1].info is not None
    assert seen[-1].info.role == "master"
    await probe.close()


async def test_sentinels_that_cannot_be_asked_or_do_not_know_are_named(owner: Owner) -> None:
    master = RedisServer(owner, owner.directory / "master")
    await master.start()
    sentinel = Sentinel(owner, owner.directory / "sentinel", master)
    await sentinel.start()
    nobody = RedisProbe(
        RedisAddress(sentinels=(("127.0.0.1", owner.port()),), sentinel_master="master"), instance="test"
    )
    result = await nobody.run(run())
    assert result.outcome is Outcome.REFUSED
    assert "Sentinel" in result.detail
    stranger = RedisProbe(
        RedisAddress(sentinels=(("127.0.0.1", sentinel.port),), sentinel_master="other"), instance="test"
    )
    result = await stranger.run(run())
    assert result.outcome is Outcome.ERROR
    assert "'other'" in result.detail
    sentinel.freeze()
    frozen = RedisProbe(
        RedisAddress(sentinels=(("127.0.0.1", sentinel.port),), sentinel_master="master"), instance="test"
    )
    result = await frozen.run(run(timeout=0.4))
    assert result.outcome is Outcome.TIMEOUT
    assert result.duration < 3


async def test_while_writes_are_held_back_it_is_pinged_and_read(
    redis_server: RedisServer, redis_client: Redis
) -> None:
    held = HeldBack()
    probe = RedisProbe(RedisAddress(port=redis_server.port), instance="test", permission=held)
    await probe.run(run())
    written = (await redis_client.info("commandstats"))["cmdstat_set"]["calls"]
    held.reason = SkipReason.PAUSED
    for urgent in (False, True):
        result = await probe.run(run(urgent=urgent))
        assert (result.outcome, set(result.operations)) == (Outcome.OK, {"ping", "read"})
    assert (await redis_client.info("commandstats"))["cmdstat_set"]["calls"] == written
    redis_server.kill()
    await redis_server.wait_gone()
    assert (await probe.run(run())).outcome in GONE
    await redis_server.start()
    assert (await probe.run(run(urgent=True))).ok
    await probe.close()


async def test_a_server_that_refused_the_last_write_is_not_known_to_be_well_until_one_is_tried(
    redis_server: RedisServer, redis_client: Redis
) -> None:
    held = HeldBack()
    probe = RedisProbe(RedisAddress(port=redis_server.port), instance="test", permission=held)
    await redis_client.config_set("maxmemory-policy", "noeviction")
    await redis_client.config_set("maxmemory", "1")
    assert (await probe.run(run())).outcome is Outcome.OOM
    held.reason = SkipReason.MAINTENANCE
    result = await probe.run(run(urgent=True))
    assert result.outcome is Outcome.NOT_KNOWN
    assert "no write is tried (maintenance)" in result.detail
    assert "maxmemory" in result.detail
    successor = RedisProbe(RedisAddress(port=redis_server.port), instance="test", permission=held)
    successor.succeed(probe)
    assert (await successor.run(run(urgent=True))).outcome is Outcome.NOT_KNOWN
    await successor.close()
    await redis_client.config_set("maxmemory", "0")
    assert (await probe.run(run())).outcome is Outcome.NOT_KNOWN
    held.reason = None
    assert (await probe.run(run())).outcome is Outcome.OK
    held.reason = SkipReason.PAUSED
    assert (await probe.run(run())).outcome is Outcome.OK
    await probe.close()
