"""How connections end: refused, reset, stalled, by ourselves or by a side; each as TCP tells it and counted."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from typing import Any

import pytest
from redis.asyncio import Redis

from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy
from prober.demo.redis_server import RedisServer
from prober.faults.conditions import CLEAR, changed
from prober.faults.plan import Lot, draw_fate
from tests.http1.raw_server import PATIENCE, Peer
from tests.system.proxying import before_script, connected_to, counted, payload, ping, proxy_on, read_all

CONNECTIONS = 100
PONG = b"+PONG\r\n"


def reset_now(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def talk_on(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.recv(1)


async def outcomes(proxy: Proxy, count: int) -> list[str]:
    """What one connection after the other meets."""

    def one() -> str:
        try:
            return "pass" if ping(proxy.port) == PONG else "closed"
        except ConnectionResetError:
            return "reset"

    return [await asyncio.to_thread(one) for _ in range(count)]


async def test_refused_is_refused_and_the_port_stays_ours(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    with connected_to(proxy.port) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == PONG
        state = await proxy.set(refuse=True)
        assert state.counters.resets == 1
        with pytest.raises(ConnectionResetError):
            client.recv(100)
        for _ in range(10):
            with pytest.raises(ConnectionRefusedError):
                ping(proxy.port)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", proxy.port))
    await proxy.clear()
    assert await asyncio.to_thread(ping, proxy.port) == PONG
    for _ in range(3):
        await proxy.set(refuse=True, freeze=True)
        with pytest.raises(ConnectionRefusedError):
            ping(proxy.port)
        await proxy.set(refuse=False, freeze=False)
        assert await asyncio.to_thread(ping, proxy.port) == PONG


async def test_a_reset_on_command_hits_all_that_are_open_and_none_after(
    owner: Owner, redis_server: RedisServer
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    with connected_to(proxy.port) as one, connected_to(proxy.port) as two:
        for client in (one, two):
            client.sendall(b"PING\r\n")
            assert client.recv(100) == PONG
        assert (await proxy.reset()).counters.resets == 2
        for client in (one, two):
            with pytest.raises(ConnectionResetError):
                client.recv(100)
    assert await asyncio.to_thread(ping, proxy.port) == PONG


async def test_a_share_of_new_connections_is_reset_and_the_same_ones_with_the_same_seed(
    owner: Owner, redis_server: RedisServer
) -> None:
    conditions = changed(CLEAR, {"reset": 0.3})
    wanted = [draw_fate(conditions, 11, number).lot.value for number in range(1, CONNECTIONS + 1)]
    for _ in range(2):
        proxy = await proxy_on(owner, redis_server.port, seed=11)
        await proxy.set(reset=0.3)
        assert await outcomes(proxy, CONNECTIONS) == wanted
        counters = (await proxy.state()).counters
        assert (counters.connections, counters.resets) == (CONNECTIONS, wanted.count("reset"))
        await proxy.clear()
        assert await outcomes(proxy, 20) == ["pass"] * 20


async def test_a_reset_after_some_bytes_lets_exactly_these_pass(owner: Owner) -> None:
    received: list[bytes] = []

    def collect(peer: Peer) -> None:
        data = b""
        try:
            while part := peer.sock.recv(1 << 16):
                data += part
        except ConnectionResetError:
            data += b"reset"
        received.append(data)

    ending = {"share": 1, "when": "bytes", "within": 500_000}
    sent = payload(1_000_000)
    async with before_script(owner, collect) as (proxy, server):
        await proxy.set(reset=ending)
        for number in range(1, 6):
            with connected_to(proxy.port) as client, pytest.raises((ConnectionResetError, BrokenPipeError)):
                await asyncio.to_thread(talk_on, client, sent)
            await asyncio.to_thread(server.wait_finished)
            fate = draw_fate(changed(CLEAR, {"reset": ending}), 0, number)
            # What the server's kernel still held when the reset came is gone for the server, as with any reset.
            assert (sent + b"reset").startswith(received[-1].removesuffix(b"reset"))
            assert received[-1].endswith(b"reset")
            assert len(received[-1]) - len(b"reset") <= fate.after_bytes
        drawn = [draw_fate(changed(CLEAR, {"reset": ending}), 0, number).after_bytes for number in range(1, 6)]
        counters = (await proxy.state()).counters
        assert (counters.bytes_up, counters.resets) == (sum(drawn), 5)


async def test_a_reset_at_the_answer_comes_when_the_work_is_done(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(latency=0.01, reset={"share": 1, "when": "answer"})
    for _ in range(5):
        with connected_to(proxy.port) as client:
            client.sendall(b"INCR count\r\n")
            with pytest.raises(ConnectionResetError):
                client.recv(100)
    async with Redis(port=redis_server.port) as direct:
        assert await direct.get("count") == b"5"
    counters = (await proxy.state()).counters
    assert (counters.resets, counters.bytes_down) == (5, 0)


async def test_a_reset_within_some_seconds_spares_who_was_faster(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port, seed=3)
    ending = {"share": 1, "when": "seconds", "within": 3}
    await proxy.set(reset=ending)
    fate = draw_fate(changed(CLEAR, {"reset": ending}), 3, 1)
    assert (fate.lot, fate.after_bytes) == (Lot.RESET, math.inf)
    with connected_to(proxy.port) as client, pytest.raises(ConnectionResetError):
        await asyncio.to_thread(client.recv, 1)
    with connected_to(proxy.port) as client:
        await counted(proxy, "the connection", lambda counters: counters.open == 1)
        await proxy.set(freeze=True)
        client.settimeout(3.5)  # by then it would have been reset
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(client.recv, 1)
        client.settimeout(PATIENCE)
        await proxy.set(freeze=False)
        with pytest.raises(ConnectionResetError):
            await asyncio.to_thread(client.recv, 1)
    await proxy.set(reset={"share": 1, "when": "seconds", "within": 3600})
    assert await outcomes(proxy, 5) == ["pass"] * 5
    await counted(proxy, "the connections to end", lambda counters: counters.open == 0)


@pytest.mark.parametrize("ending", [{"share": 1}, {"share": 1, "when": "answer"}], ids=["accept", "answer"])
async def test_a_stalled_connection_stays_open_without_a_word(
    owner: Owner, redis_server: RedisServer, ending: dict[str, Any]
) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    await proxy.set(stall=ending)
    with connected_to(proxy.port) as client:
        client.sendall(b"INCR count\r\n")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        state = await counted(proxy, "the stall", lambda counters: counters.stalls == 1)
        assert state.counters.open == 1
    # Nobody waits for it any more.
    await counted(proxy, "the stalled one to be given up", lambda counters: counters.open == 0)
    with connected_to(proxy.port) as client:
        client.sendall(b"INCR count\r\n")
        await counted(proxy, "the stall", lambda counters: counters.stalls == 2)
        await proxy.clear()
        with pytest.raises(ConnectionResetError):
            client.recv(100)
    async with Redis(port=redis_server.port) as direct:
        assert await direct.get("count") == (None if ending == {"share": 1} else b"2")


async def test_an_upstream_that_refuses_is_told_as_a_reset(owner: Owner, port: int) -> None:
    proxy = await proxy_on(owner, port)
    assert await outcomes(proxy, 3) == ["reset"] * 3
    counters = (await proxy.state()).counters
    assert (counters.upstream_failures, counters.resets, counters.open) == (3, 0, 0)


@pytest.mark.parametrize("latency", [0, 0.05])
async def test_a_reset_by_the_server_reaches_the_client_after_what_was_said(owner: Owner, latency: float) -> None:
    def answer_and_reset(peer: Peer) -> None:
        peer.read_exactly(5)
        peer.send(b"bye")
        peer.read_exactly(3)
        peer.reset()

    async with before_script(owner, answer_and_reset) as (proxy, _):
        await proxy.set(latency=latency)
        with connected_to(proxy.port) as client:
            client.sendall(b"hello")
            assert await asyncio.to_thread(client.recv, 100) == b"bye"
            client.sendall(b"bye")
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(client.recv, 100)
        state = await counted(proxy, "the end", lambda counters: counters.open == 0)
        assert (state.counters.resets, state.counters.resets_passed) == (0, 1)


@pytest.mark.parametrize("latency", [0, 0.05])
async def test_a_reset_by_the_client_reaches_the_server(owner: Owner, latency: float) -> None:
    heard: list[object] = []

    def listen(peer: Peer) -> None:
        heard.append(peer.read_exactly(5))
        try:
            heard.append(peer.sock.recv(1))
        except ConnectionResetError:
            heard.append("reset")

    async with before_script(owner, listen) as (proxy, server):
        await proxy.set(latency=latency)
        with connected_to(proxy.port) as client:
            client.sendall(b"hello")
            await counted(proxy, "the hello", lambda counters: counters.bytes_up == 5)
            reset_now(client)
        await asyncio.to_thread(server.wait_finished)
        assert heard == [b"hello", "reset"]
        assert (await proxy.state()).counters.resets_passed == 1


async def test_a_goodbye_of_the_server_is_a_goodbye_and_talking_on_is_a_reset(owner: Owner) -> None:
    def answer(peer: Peer) -> None:
        peer.send(b"x" * 100_000)

    async with before_script(owner, answer) as (proxy, _):
        with connected_to(proxy.port) as client:
            assert await asyncio.to_thread(read_all, client) == b"x" * 100_000
            # Nobody is there any more: the first word meets a reset, and that ends it for us as well.
            client.sendall(b"hello?")
            state = await counted(proxy, "the reset", lambda counters: counters.resets_passed == 1)
            assert state.counters.open == 0
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                client.sendall(b"hello?")


async def test_a_crash_of_the_upstream_ends_every_connection(owner: Owner, redis_server: RedisServer) -> None:
    proxy = await proxy_on(owner, redis_server.port)
    with connected_to(proxy.port) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == PONG
        redis_server.kill()
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 100) == b""
    await redis_server.start()
    assert await asyncio.to_thread(ping, proxy.port) == PONG
    state = await counted(proxy, "the end", lambda counters: counters.open == 0)
    assert state.counters.resets == 0
