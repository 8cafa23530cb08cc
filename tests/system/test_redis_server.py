"""Redis and Sentinel of our own: passwords, ACLs, persistence, failover, TLS."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio import Sentinel as SentinelClient
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer, Sentinel, TlsFiles, redis_program
from prober.demo.user import ServerError
from tests.certificates import write_certificate

PATIENCE = 60.0  # seconds


async def test_memory_is_lost_with_a_kill(redis_server: RedisServer) -> None:
    async with redis_server.client() as client:
        await client.set("key", "value")
        first = (await client.info("server"))["run_id"]
    redis_server.kill()
    await redis_server.start()
    async with redis_server.client() as client:
        assert await client.get("key") is None
        assert (await client.info("server"))["run_id"] != first
    assert list(redis_server.directory.glob("*.rdb")) == []


async def test_an_append_only_file_survives_a_kill_and_settings_change_between_starts(owner: Owner) -> None:
    settings = {"appendonly": "yes", "appendfsync": "always"}
    server = RedisServer(owner, owner.directory / "redis", settings=settings)
    await server.start()
    async with server.client() as client:
        await client.set("key", "value")
    server.kill()
    server.settings["maxmemory"] = "64mb"
    server.settings["client-output-buffer-limit"] = ["normal 1mb 1mb 5", "pubsub 8mb 2mb 60"]
    await server.start()
    async with server.client() as client:
        assert await client.get("key") == "value"
        assert (await client.config_get("maxmemory"))["maxmemory"] == str(64 * 2**20)
        limits = (await client.config_get("client-output-buffer-limit"))["client-output-buffer-limit"]
        assert "normal 1048576 1048576 5" in str(limits)


async def test_frozen_is_silent_and_thawed_answers(redis_server: RedisServer) -> None:
    redis_server.freeze()
    async with redis_server.client(timeout=0.2) as client:
        with pytest.raises(RedisError):
            await client.ping()
    with pytest.raises(ServerError, match="did not answer"):
        await redis_server.wait_ready(timeout=0.2)
    redis_server.thaw()
    await redis_server.wait_ready()
    redis_server.freeze()
    await redis_server.stop()
    assert not redis_server.running


async def test_a_password_and_an_acl_file(owner: Owner) -> None:
    acl = owner.directory / "users.acl"
    acl.write_text("user default on >main ~* +@all\nuser probe on >small ~prober:* +ping +get\n")
    server = RedisServer(owner, owner.directory / "redis", password="main", acl_file=acl)
    await server.start()
    async with server.client() as client:
        await client.set("prober:a", "1")
    async with Redis.from_url(server.url("probe", "small")) as probe:
        assert await probe.get("prober:a") == b"1"
        with pytest.raises(NoPermissionError):
            await probe.get("other")
        with pytest.raises(NoPermissionError):
            await probe.set("prober:a", "2")
    async with Redis.from_url(server.url("probe", "wrong")) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()


async def test_a_bad_directive_is_told_with_the_log(owner: Owner) -> None:
    server = RedisServer(owner, owner.directory / "redis", settings={"no-such-directive": "1"})
    with pytest.raises(ServerError, match=r"(?s)redis ended with status 1.*no-such-directive"):
        await server.start()


async def test_sentinel_fails_over_to_the_replica(owner: Owner) -> None:
    master = RedisServer(owner, owner.directory / "master", password="secret")
    await master.start()
    settings = {"replicaof": f"127.0.0.1 {master.port}"}
    replica = RedisServer(owner, owner.directory / "replica", settings=settings, password="secret")
    sentinel = Sentinel(owner, owner.directory / "sentinel", master, down_after=0.5)
    await asyncio.gather(replica.start(), sentinel.start())
    client = SentinelClient(  # type: ignore[no-untyped-call]
        [("127.0.0.1", sentinel.port)], socket_timeout=5
    )
    async with asyncio.timeout(PATIENCE):
        while await _replica_ports(client) != [replica.port]:
            await asyncio.sleep(0.05)
        assert await client.discover_master("master") == ("127.0.0.1", master.port)
        master.kill()
        while await _master_port(client) != replica.port:
            await asyncio.sleep(0.05)
        async with replica.client() as promoted:
            await promoted.set("key", "value")
            assert (await promoted.info("replication"))["role"] == "master"
    for connected in client.sentinels:
        await connected.aclose()


async def _replica_ports(client: SentinelClient) -> list[int]:
    try:
        return [int(port) for _, port in await client.discover_slaves("master")]
    except RedisError:
        return []


async def _master_port(client: SentinelClient) -> int | None:
    try:
        return int((await client.discover_master("master"))[1])
    except RedisError:
        return None


@pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs a redis-server with TLS: apt-get install it"
)
async def test_tls(owner: Owner, tmp_path: Path) -> None:
    files = write_certificate(tmp_path, "server")
    tls = TlsFiles(files.certificate, files.key, files.certificate)
    server = RedisServer(owner, owner.directory / "redis", tls=tls, password="secret")
    await server.start()
    assert server.url().startswith("rediss://")
    async with server.client() as client:
        assert await client.ping() is True
    async with Redis.from_url(server.url().replace("rediss", "redis")) as plain:
        with pytest.raises(RedisError):
            await plain.ping()


def test_without_a_redis_that_speaks_tls_the_way_to_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerError, match="apt-get install redis-server"):
        redis_program(with_tls=True)
    assert redis_program().exists()
