"""The load engine against servers that do whatever they like: each answer has its name, and none is guessed."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from prober.http1 import Endpoint, tls_context
from prober.suites.load.dialing import LONGEST_PAUSE, Dialer, pause_after
from prober.suites.load.engine import MOST_IN_ONE_LOOK, Engine, Settings, due_at
from prober.suites.load.supply import Composed
from prober.suites.load.tally import Tally
from tests.http1.certificates import Authority
from tests.http1.raw_server import Peer, serving
from tests.suites.load.composing import composer

TIMEOUT = 1.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


def engine_for(
    url: str,
    concurrency: int = 1,
    rate: float | None = None,
    timeout: float = TIMEOUT,
    tls: ssl.SSLContext | None = None,
) -> Engine:
    made = composer(url)
    supply = Composed(made)
    supply.allow(10**9)
    endpoint = Endpoint.parse(url)
    settings = Settings(concurrency=concurrency, rate=rate, timeout=timeout, accepted=frozenset({200}), slot=0.1)
    return Engine(settings, Dialer(endpoint, tls, timeout), supply)


def answering(*pieces: bytes, then: Callable[[Peer], None] = Peer.wait_hung_up) -> Callable[[Peer], None]:
    """A server that reads one request, answers in these pieces, and does something then."""

    def script(peer: Peer) -> None:
        peer.read_request()
        for piece in pieces:
            peer.send(piece)
            time.sleep(0.01)
        then(peer)

    return script


def leave(_: Peer) -> None:
    """Close in order."""


def endlessly(data: bytes) -> Callable[[Peer], None]:
    def send(peer: Peer) -> None:
        peer.send_for_ever(data)

    return send


WHOLE = {
    "length": answering(OK),
    "in pieces": answering(OK[:5], OK[5:20], OK[20:]),
    "chunked": answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nO\r\n", b"1\r\nK\r\n0\r\n\r\n"
    ),
    "no body": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "closing": answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK", then=leave),
    "until the end": answering(b"HTTP/1.1 200 OK\r\n\r\nO", b"K", then=leave),
    "after an interim one": answering(b"HTTP/1.1 100 Continue\r\n\r\n", OK),
    "HTTP/1.0": answering(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nOK", then=leave),
}
FAILED = {
    "garbage": ("garbage", answering(b"SSH-2.0-OpenSSH_9.2\r\n")),
    "another HTTP": ("garbage", answering(b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")),
    "too much": ("garbage", answering(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
    "trailing": ("garbage", answering(OK + b"x")),
    "switching": ("garbage", answering(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")),
    "cut off": ("closed", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK", then=leave)),
    "cut off in chunks": (
        "closed",
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nOK", then=leave),
    ),
    "nothing": ("closed", answering(then=leave)),
    "reset": ("reset", answering(then=Peer.reset)),
    "silence": ("timeout", answering()),
    "half": ("timeout", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nOK")),
    "endless head": (
        "too_large",
        answering(OK[:17], then=endlessly(b"X: " + b"x" * 900 + b"\r\n")),
    ),
    "endless body": (
        "too_large",
        answering(OK[:17] + b"\r\n", then=endlessly(b"x" * 999)),
    ),
    "large": ("too_large", answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")),
}
ANSWERED = {
    "server_error": (b"HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n", "failed"),
    "rate_limited": (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", "rejected"),
    "403": (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "rejected"),
    "redirect": (b"HTTP/1.1 301 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "rejected"),
    "204": (b"HTTP/1.1 204 Nothing\r\n\r\n", "rejected"),
}


async def loaded(engine: Engine, seconds: float) -> tuple[Tally, Tally]:
    """What came of the warm-up, and of sending for so long."""
    try:
        warm = await engine.warm_up()
        engine.begin(time.monotonic())
        await asyncio.sleep(seconds)
        engine.halt()
        await engine.drained()
    finally:
        engine.close()
    return warm, engine.tally


async def one_message(script: Callable[[Peer], None]) -> Tally:
    with serving(script) as server:
        engine = engine_for(server.url)
        try:
            return await engine.warm_up()
        finally:
            engine.close()


@pytest.mark.parametrize("how", WHOLE)
async def test_a_whole_answer_is_taken_however_it_is_cut_and_framed(how: str) -> None:
    tally = await one_message(WHOLE[how])
    assert (tally.sent, tally.accepted, tally.failed, tally.rejected) == (1, 1, {}, {})
    assert list(tally.ordinals) == [1]


@pytest.mark.parametrize("how", FAILED)
async def test_everything_else_has_its_name(how: str) -> None:
    outcome, script = FAILED[how]
    tally = await one_message(script)
    assert (tally.sent, tally.accepted, tally.failed, tally.rejected) == (1, 0, {outcome: 1}, {})
    assert tally.details[outcome]
    assert sum(len(slot.micros) for slot in tally.slots) == 0


@pytest.mark.parametrize("kind", ANSWERED)
async def test_a_refusal_is_counted_by_its_status(kind: str) -> None:
    answer, where = ANSWERED[kind]
    tally = await one_message(answering(answer))
    assert (tally.sent, tally.accepted) == (1, 0)
    assert getattr(tally, where) == {kind: 1}


async def test_a_closed_port_is_refused_and_costs_no_storm_of_tries() -> None:
    with serving(leave) as server:
        url = server.url
    engine = engine_for(url, concurrency=4)
    try:
        warm = await engine.warm_up()
        assert warm.failed == {"refused": 4}
        cpu = time.process_time()
        engine.begin(time.monotonic())
        await asyncio.sleep(1.0)
        engine.halt()
    finally:
        engine.close()
    # 0.05 + 0.1 + 0.2 + 0.4 + … a quarter less at the least: no lane can have tried more often than this.
    assert 4 <= engine.tally.failed["refused"] <= 4 * 7
    assert engine.tally.sent == engine.tally.failed["refused"]
    assert time.process_time() - cpu < 0.8


def keep_answering(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(OK)


async def test_a_closed_loop_has_one_message_under_way_on_each_connection() -> None:
    with serving(keep_answering) as server:
        warm, tally = await loaded(engine_for(server.url, concurrency=3), 0.3)
        assert warm.accepted == server.accepted == 3
    assert tally.sent == tally.accepted == len(tally.ordinals) == len(set(tally.ordinals)) > 3
    assert not set(tally.ordinals) & set(warm.ordinals)


async def test_an_open_loop_sends_what_is_due_however_slow_the_answers_are() -> None:
    def slowly(peer: Peer) -> None:
        while True:
            peer.read_request()
            time.sleep(0.2)
            peer.send(OK)

    with serving(slowly) as server:
        _, tally = await loaded(engine_for(server.url, concurrency=2, rate=50.0, timeout=5.0), 1.0)
    # 2 connections of 5 a second take 10 of the 50 that were due; the others waited, which is in the latency.
    assert 45 <= tally.sent + tally.unsent <= 70
    assert tally.sent <= 15
    latencies = sorted(value for slot in tally.slots for value in slot.micros)
    assert latencies[-1] > 500_000


async def test_a_server_that_closes_after_each_answer_gets_a_new_connection_each_time() -> None:
    def once(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    with serving(once) as server:
        _, tally = await loaded(engine_for(server.url), 0.3)
        assert tally.accepted == tally.sent > 1
        assert tally.failed == {}
        assert server.accepted > tally.accepted


async def test_one_that_answers_twice_is_not_believed_again() -> None:
    def babbling(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        time.sleep(0.05)
        peer.send(OK)
        peer.wait_hung_up()

    with serving(babbling) as server:
        engine = engine_for(server.url)
        try:
            assert (await engine.warm_up()).accepted == 1
            await asyncio.sleep(0.3)
            assert server.accepted == 2  # the first connection was dropped, unasked as it spoke
        finally:
            engine.close()


async def test_an_answer_that_was_read_before_means_the_same_and_only_as_a_whole_one() -> None:
    """What is known by its bytes is neither what came in pieces before, nor a piece of another answer."""
    other = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    inside = b"HTTP/1.1 429 Slow\r\nContent-Length: %d\r\n\r\n" % len(OK)
    script = ([OK], [OK], [other], [other], [OK[:9], OK[9:]], [OK], [inside, OK], [OK], [OK + OK])
    answered: list[int] = []

    def scripted(peer: Peer) -> None:
        for pieces in script if peer.number == 0 else ():
            peer.read_request()
            answered.append(peer.number)
            for piece in pieces:
                peer.send(piece)
                time.sleep(0.02)
        peer.wait_hung_up()

    with serving(scripted) as server:
        engine = engine_for(server.url, timeout=5.0)
        try:
            assert (await engine.warm_up()).accepted == 1
            engine.begin(time.monotonic())
            async with asyncio.timeout(20):
                while not engine.tally.failed:
                    await asyncio.sleep(0.01)
        finally:
            engine.close()
    assert engine.tally.accepted == 4
    assert engine.tally.rejected == {"403": 2, "rate_limited": 1}
    assert engine.tally.failed == {"garbage": 1}


async def test_answers_of_one_round_of_the_loop_came_at_one_instant() -> None:
    engine = engine_for("http://127.0.0.1:1")
    first = engine.arrived()
    time.sleep(0.001)  # noqa: ASYNC251 - the round has to last
    assert {engine.arrived() for _ in range(MOST_IN_ONE_LOOK - 1)} == {first}
    second = engine.arrived()
    assert second > first
    for _ in range(2):
        await asyncio.sleep(0)
    assert engine.arrived() > second


async def test_latencies_are_those_of_the_server_however_many_answer_at_once() -> None:
    """A hundred answers in one round: none of them came before its time."""
    released = threading.Barrier(100)

    def together(peer: Peer) -> None:
        while True:
            peer.read_request()
            with suppress(threading.BrokenBarrierError):  # at the end only some are asked once more
                released.wait(1)
            time.sleep(0.05)
            peer.send(OK)

    with serving(together) as server:
        _, tally = await loaded(engine_for(server.url, concurrency=100, timeout=20.0), 0.3)
    latencies = [value for slot in tally.slots for value in slot.micros]
    assert len(latencies) == tally.sent >= 100
    assert min(latencies) >= 50_000


@pytest.mark.parametrize("rate", [None, 2000.0])
async def test_connections_that_go_while_others_send_mix_nothing_up(rate: float | None) -> None:
    """Requests are written past the loop: none may reach a connection that took the place of a closed one."""

    def few(peer: Peer) -> None:
        for _ in range(1 + peer.number % 4):
            peer.read_request()
            peer.send(OK)
        if peer.number % 3:
            peer.reset()

    with serving(few) as server:
        _, tally = await loaded(engine_for(server.url, concurrency=8, rate=rate, timeout=5.0), 0.5)
        assert server.accepted > 16
    assert tally.accepted > 8
    assert set(tally.failed) <= {"reset", "closed"}
    assert tally.accepted + sum(tally.failed.values()) == tally.sent
    assert len(tally.ordinals) == len(set(tally.ordinals))


async def test_it_works_through_tls(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path)
    context = authority.server("127.0.0.1")[0]
    with serving(keep_answering, tls=context) as server:
        engine = engine_for(server.url, concurrency=2, timeout=5.0, tls=tls_context(ca_file=authority.ca_file))
        warm, tally = await loaded(engine, 0.2)
    assert warm.accepted == 2
    assert tally.accepted == tally.sent > 2
    with serving(keep_answering, tls=context) as server:
        engine = engine_for(server.url, timeout=5.0, tls=tls_context())
        try:
            assert (await engine.warm_up()).failed == {"tls": 1}  # nobody else knows this authority
        finally:
            engine.close()


def test_pauses_between_tries_grow_and_end() -> None:
    pauses = [pause_after(tries) for tries in range(12)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize("rate", [0.5, 40.0, 1000.0, 3333.0, 20_000.0])
def test_a_schedule_keeps_its_rate_and_never_goes_back(rate: float) -> None:
    instants = [due_at(100.0, count, rate) for count in range(5000)]
    assert instants == sorted(instants)
    assert instants[0] == 100.0
    assert all(-1e-9 < instant - (100.0 + count / rate) < 0.001 + 1e-9 for count, instant in enumerate(instants))
