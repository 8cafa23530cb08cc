"""Not a byte is lost, doubled or out of order: megabytes both ways through each condition, to real servers."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer
from tests.http1.raw_server import Peer
from tests.system.proxying import before_script, connected_to, counted, payload, proxy_on, read_all

MEGABYTE = 1_000_000

CONDITIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "latency": {"latency": 0.02},
    "jitter": {"latency": 0.02, "jitter": 0.02},
    "bandwidth": {"bandwidth": 4 * MEGABYTE},
    "one way": {"latency": 0.01, "jitter": 0.01, "down": {"bandwidth": 4 * MEGABYTE}},
    "no fate met": {"reset": {"share": 0.5, "when": "bytes", "within": 1e12}, "stall": 0},
}
conditions = pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS)


@conditions
async def test_a_redis_behind_it_keeps_megabytes(
    owner: Owner, redis_server: RedisServer, condition: dict[str, Any]
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(**condition)
    values = {f"key {number}": payload(MEGABYTE, number) for number in range(3)}
    async with Redis(port=proxy.port) as through, Redis(port=redis_server.port) as direct:
        await asyncio.gather(*(through.set(key, value) for key, value in values.items()))
        assert {key: await direct.get(key) for key in values} == values
        found = await asyncio.gather(*(through.get(key) for key in values))
        assert dict(zip(values, found, strict=True)) == values
    counters = (await proxy.state()).counters
    assert counters.bytes_up > 3 * MEGABYTE
    assert counters.bytes_down > 3 * MEGABYTE
    assert (counters.resets, counters.stalls, counters.upstream_failures) == (0, 0, 0)


@conditions
async def test_a_postgresql_behind_it_keeps_megabytes(
    owner: Owner, postgres: Postgres, database: str, condition: dict[str, Any]
) -> None:
    proxy = await proxy_on(owner, postgres.port)
    await proxy.set(**condition)
    value = payload(2 * MEGABYTE)
    connection = await asyncpg.connect(database, host="127.0.0.1", port=proxy.port, ssl=False)
    try:
        await connection.execute("CREATE TABLE t (value bytea)")
        await connection.execute("INSERT INTO t VALUES ($1)", value)
        assert await connection.fetchval("SELECT value FROM t") == value
        assert await connection.fetchval("SELECT sum(n) FROM generate_series(1, 20000) AS n") == 200010000
        assert len(await connection.fetch("SELECT n FROM generate_series(1, 20000) AS n")) == 20000
    finally:
        await connection.close()
    assert (await proxy.state()).counters.bytes_down > 2 * MEGABYTE


async def test_frozen_nothing_moves_and_thawed_nothing_was_lost(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(bandwidth=20 * MEGABYTE)
    value = payload(8 * MEGABYTE)
    async with Redis(port=proxy.port) as through:
        writing = asyncio.ensure_future(through.set("key", value))
        await counted(proxy, "some bytes to pass", lambda counters: counters.bytes_up > MEGABYTE)
        frozen = await proxy.set(freeze=True)
        assert frozen.counters.bytes_up < 8 * MEGABYTE
        await asyncio.sleep(0.3)
        later = await proxy.state()
        assert later.counters == frozen.counters
        assert not writing.done()
        await proxy.set(freeze=False)
        await writing
        reading = asyncio.ensure_future(through.get("key"))
        await counted(proxy, "some bytes to pass", lambda counters: counters.bytes_down > MEGABYTE)
        frozen = await proxy.set(freeze=True)
        await asyncio.sleep(0.3)
        assert (await proxy.state()).counters == frozen.counters
        assert not reading.done()
        await proxy.clear()
        assert await reading == value


async def test_a_connection_made_while_frozen_is_served_when_thawed(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(freeze=True)
    with connected_to(proxy.port) as client:
        client.sendall(b"PING\r\n")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        assert (await proxy.state()).counters.connections == 0
        await proxy.clear()
        client.settimeout(20)
        assert await asyncio.to_thread(client.recv, 100) == b"+PONG\r\n"


async def test_cleared_what_waited_comes_at_once(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(latency=3600)
    with connected_to(proxy.port) as client:
        client.sendall(b"PING\r\n")
        await counted(proxy, "the connection", lambda counters: counters.open == 1)
        assert (await proxy.state()).counters.bytes_up == 0
        await proxy.clear()
        assert await asyncio.to_thread(client.recv, 100) == b"+PONG\r\n"


async def test_every_answer_takes_the_latency_of_both_ways_at_least(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(latency=0.03, jitter=0.01)
    with connected_to(proxy.port) as client:
        for _ in range(20):
            began = time.monotonic()
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
            assert time.monotonic() - began >= 0.04


async def test_many_chunks_wait_at_the_same_time(owner: Owner, redis_server: RedisServer) -> None:
    """A hundred commands a little apart are late by one latency, and not by one latency each."""
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(latency=0.2)
    with connected_to(proxy.port) as client:
        began = time.monotonic()
        for number in range(100):
            client.sendall(b"ECHO %04d\r\n" % number)
            await asyncio.sleep(0.001)
        wanted = b"".join(b"$4\r\n%04d\r\n" % number for number in range(100))
        answer = b""
        while len(answer) < len(wanted):
            answer += await asyncio.to_thread(client.recv, 10_000)
        assert answer == wanted
        assert time.monotonic() - began < 100 * 0.2


async def test_a_bandwidth_is_never_exceeded(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    value = payload(MEGABYTE)
    async with Redis(port=redis_server.port) as direct:
        await direct.set("key", value)
    await proxy.set(down={"bandwidth": 2 * MEGABYTE})
    async with Redis(port=proxy.port) as through:
        await through.ping()
        began = time.monotonic()
        assert await through.get("key") == value
        assert time.monotonic() - began >= 0.5


def echo_after_the_end(peer: Peer) -> None:
    data = b""
    peer.sock.settimeout(20)
    while part := peer.sock.recv(1 << 16):
        data += part
    peer.send(data[::-1])


@conditions
async def test_a_side_that_has_said_goodbye_still_hears_the_other(owner: Owner, condition: dict[str, Any]) -> None:
    value = payload(2 * MEGABYTE)

    def ask(port: int) -> bytes:
        with connected_to(port) as client:
            client.sendall(value)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    async with before_script(owner, echo_after_the_end) as (proxy, _):
        await proxy.set(**condition)
        assert await asyncio.to_thread(ask, proxy.port) == value[::-1]
        state = await counted(proxy, "the end", lambda counters: counters.open == 0)
        assert (state.counters.bytes_up, state.counters.bytes_down) == (len(value), len(value))
        assert (state.counters.resets, state.counters.resets_passed) == (0, 0)
