"""Servers that hang, lie, flood and hang up cost the Redis and database probes bounded time and memory."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from prober.clock import now
from prober.outcome import Outcome
from prober.probes.base import Run
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.redis import RedisProbe
from prober.probes.redis_session import RedisAddress

Behaviour = Callable[[socket.socket], None]

TIMEOUT = 1.0
PATIENCE = 4.0  # seconds; far above the timeout, far below a hang
MEMORY = 16 << 20  # bytes; a flood over loopback brings hundreds of megabytes in a second
CHUNK = b"x" * 65536


@contextlib.contextmanager
def serve(behaviour: Behaviour) -> Iterator[int]:
    """Let `behaviour` talk to whoever connects, in a thread of its own; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                clients.append(client)
                with contextlib.suppress(OSError):
                    behaviour(client)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)  # ends a send that the thread is in
                client.close()
            thread.join(5)
            assert not thread.is_alive()


def says(*parts: bytes, then_close: bool = False) -> Behaviour:
    """Wait for a first request, then send."""

    def behave(client: socket.socket) -> None:
        client.recv(4096)
        for part in parts:
            client.sendall(part)
        if then_close:
            client.close()

    return behave


def floods(opening: bytes, endlessly: bytes = CHUNK) -> Behaviour:
    def behave(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(opening)
        while True:
            client.sendall(endlessly)

    return behave


def drips(opening: bytes, drop: bytes) -> Behaviour:
    def behave(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(opening)
        while True:
            client.sendall(drop)
            time.sleep(0.02)

    return behave


def resets(client: socket.socket) -> None:
    client.recv(4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def closes_at_once(client: socket.socket) -> None:
    client.close()


def refuses_every_command(text: bytes) -> Behaviour:
    def behave(client: socket.socket) -> None:
        while request := client.recv(4096):
            client.sendall(b"-%b\r\n" % text * request.count(b"*"))

    return behave


REDIS: list[tuple[str, Behaviour, set[Outcome]]] = [
    ("another protocol", says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), {Outcome.GARBAGE}),
    ("binary", floods(b"", b"\x00\xff" * 4096), {Outcome.GARBAGE}),
    ("an endless bulk", floods(b"$1000000000\r\n"), {Outcome.TOO_LARGE}),
    ("an endless line", floods(b"+"), {Outcome.GARBAGE}),
    ("an endless array", floods(b"*200000\r\n", b":1\r\n" * 9999), {Outcome.TOO_LARGE}),
    ("endless answers", floods(b"", b":1\r\n" * 9999), {Outcome.GARBAGE, Outcome.TOO_LARGE}),
    ("a nesting bomb", floods(b"", b"*1\r\n" * 9999), {Outcome.GARBAGE}),
    ("silence", says(), {Outcome.TIMEOUT}),
    ("a drip", drips(b"+", b"x"), {Outcome.TIMEOUT}),
    ("half an answer", says(b"+O", then_close=True), {Outcome.CLOSED}),
    ("a close", closes_at_once, {Outcome.CLOSED, Outcome.RESET}),
    ("a reset", resets, {Outcome.RESET}),
    ("loading", refuses_every_command(b"LOADING Redis is loading the dataset in memory"), {Outcome.LOADING}),
    ("full", says(b"-ERR max number of clients reached\r\n", then_close=True), {Outcome.TOO_MANY_CONNECTIONS}),
]

ERROR_57P03 = b"SFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"
AUTHENTICATED = b"R" + struct.pack("!ii", 8, 0)

POSTGRES: list[tuple[str, Behaviour, set[Outcome]]] = [
    ("another protocol", says(b"HTTP/1.1 400 Bad Request\r\n\r\n", then_close=True), {Outcome.GARBAGE}),
    ("an endless message", floods(b"R" + struct.pack("!i", 2**31 - 1)), {Outcome.TOO_LARGE}),
    ("endless parameters", floods(AUTHENTICATED, b"S\x00\x00\x00\x08a\x00b\x00" * 999), {Outcome.TOO_LARGE}),
    ("a length that lies", floods(b"", b"R\x00\x00\x00\x00"), {Outcome.GARBAGE}),
    ("binary", floods(b"", b"\x00\xff" * 4096), {Outcome.GARBAGE}),
    ("silence", says(), {Outcome.TIMEOUT}),
    ("a drip", drips(b"S\x00\x00\x03\xe8", b"x"), {Outcome.TIMEOUT}),
    ("silence after the login", says(AUTHENTICATED), {Outcome.TIMEOUT}),
    ("a close", closes_at_once, {Outcome.CLOSED, Outcome.RESET}),
    ("a reset", resets, {Outcome.RESET}),
    ("starting", says(b"E" + struct.pack("!i", len(ERROR_57P03) + 4) + ERROR_57P03), {Outcome.STARTING}),
]


def a_run(*, urgent: bool) -> Run:
    return Run(id="run1", started=now(), timeout=TIMEOUT, urgent=urgent)


async def outcome_within_bounds(probe: RedisProbe | DatabaseProbe, *, urgent: bool) -> Outcome:
    tracemalloc.start()
    try:
        result = await probe.run(a_run(urgent=urgent))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await probe.close()
    assert peak < MEMORY
    assert result.duration < PATIENCE
    assert now().mono - result.started.mono < PATIENCE
    assert result.detail
    return result.outcome


@pytest.mark.parametrize("urgent", [False, True], ids=["calm", "urgent"])
@pytest.mark.parametrize(("behaviour", "outcomes"), [row[1:] for row in REDIS], ids=[row[0] for row in REDIS])
async def test_redis(behaviour: Behaviour, outcomes: set[Outcome], urgent: bool) -> None:
    with serve(behaviour) as port:
        probe = RedisProbe(RedisAddress(port=port), instance="test", queues=("mail",))
        assert await outcome_within_bounds(probe, urgent=urgent) in outcomes


@pytest.mark.parametrize(
    ("behaviour", "outcomes"), [row[1:] for row in POSTGRES], ids=[row[0] for row in POSTGRES]
)
async def test_postgres(behaviour: Behaviour, outcomes: set[Outcome]) -> None:
    with serve(behaviour) as port:
        address = DatabaseAddress(dsn=f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=disable")
        probe = DatabaseProbe(address, instance="test")
        assert await outcome_within_bounds(probe, urgent=False) in outcomes


async def test_postgres_that_refuses_tls() -> None:
    with serve(says(b"N")) as port:
        address = DatabaseAddress(dsn=f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=require")
        probe = DatabaseProbe(address, instance="test")
        assert await outcome_within_bounds(probe, urgent=False) is Outcome.TLS


async def test_a_flood_before_tls_is_bounded_too() -> None:
    with serve(floods(b"")) as port:
        address = DatabaseAddress(dsn=f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=prefer")
        probe = DatabaseProbe(address, instance="test")
        outcome = await outcome_within_bounds(probe, urgent=False)
        assert outcome in {Outcome.TLS, Outcome.TOO_LARGE}
