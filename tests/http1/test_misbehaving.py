"""Servers that do everything wrong: each becomes a named outcome in bounded time, and none an exception."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Callable
from time import monotonic

import pytest

from prober.http1 import Client, Endpoint, Exchange, Limits, RequestSent, build_request
from prober.outcome import Outcome, Phase
from tests.permits import any_permit

from .raw_server import Peer, Script, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HALF_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"
HALF_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def ask(
    script: Script, *, timeout: float = 20.0, limits: Limits | None = None, body: bytes = b"x=1"
) -> Exchange:
    """One exchange with a server of that script, checked for what holds of every exchange."""
    with serving(script) as server:
        endpoint = Endpoint.parse(server.url)
        request = build_request("POST", endpoint, "/webhook", {}, body)
        before = monotonic()
        exchange = await Client(endpoint, limits=limits).exchange(any_permit(), request, timeout=timeout)
        took = monotonic() - before
        await asyncio.to_thread(server.wait_finished)
    assert took < timeout + 5
    assert before <= exchange.started <= exchange.finished <= before + took
    assert sum(exchange.phases.values()) == pytest.approx(exchange.duration, abs=1e-9)
    assert (exchange.outcome is Outcome.OK) == (exchange.detail == "")
    assert not exchange.reused
    return exchange


def after_request(*steps: Callable[[Peer], object]) -> Script:
    """A script that reads the request, then does these steps."""

    def script(peer: Peer) -> None:
        peer.read_request()
        for step in steps:
            step(peer)

    return script


def send(data: bytes) -> Callable[[Peer], None]:
    return lambda peer: peer.send(data)


async def test_a_good_server_is_ok() -> None:
    exchange = await ask(after_request(send(OK)))
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert (exchange.answer.status, exchange.answer.body) == (200, b"ok")
    assert exchange.request_sent is RequestSent.WHOLE
    assert exchange.sent is not None


@pytest.mark.parametrize("status", [301, 404, 429, 500, 503])
async def test_any_status_is_an_answer(status: int) -> None:
    exchange = await ask(after_request(send(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)))
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert exchange.answer.status == status


STALLS = [
    (b"", Phase.WAIT, "for the first byte"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", Phase.WAIT, "for the first byte"),
    (HALF_HEAD, Phase.RECEIVE, "hangs in its headers, after 27 bytes"),
    (HALF_BODY, Phase.RECEIVE, "hangs after 5 of 10 bytes of its body"),
    (CHUNKED + b"5\r\nhe", Phase.RECEIVE, "hangs after 2 bytes of its body"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", Phase.RECEIVE, "hangs after 5 bytes of its body"),
]


async def test_a_server_that_stalls_is_a_timeout_that_says_where() -> None:
    exchanges = await asyncio.gather(
        *(ask(after_request(send(sent), Peer.wait_hung_up), timeout=1.5) for sent, _, _ in STALLS)
    )
    for exchange, (_, phase, said) in zip(exchanges, STALLS, strict=True):
        assert exchange.outcome is Outcome.TIMEOUT
        assert exchange.detail.startswith("no answer within 1.5 s: ")
        assert said in exchange.detail
        assert exchange.phases[phase] == max(exchange.phases.values())
        assert exchange.duration >= 1.49
        assert exchange.request_sent is RequestSent.WHOLE


async def test_a_server_that_reads_nothing_is_a_timeout_in_sending() -> None:
    def script(peer: Peer) -> None:
        peer.read_exactly(1)
        silent.wait(20)

    silent = threading.Event()
    with serving(script) as server:
        endpoint = Endpoint.parse(server.url)
        request = build_request("POST", endpoint, "/", {}, b"x" * 30_000_000)
        exchange = await Client(endpoint).exchange(any_permit(), request, timeout=1)
        silent.set()
    assert exchange.outcome is Outcome.TIMEOUT
    assert "sending the request, which was not taken whole" in exchange.detail
    assert exchange.phases[Phase.SEND] == max(exchange.phases.values())
    assert exchange.sent is None
    assert exchange.request_sent is RequestSent.PARTLY


async def test_a_large_request_is_sent_whole_and_timed() -> None:
    def script(peer: Peer) -> None:
        request = peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % len(request))

    exchange = await ask(script, body=b"x" * 9_000_000)
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert int(exchange.answer.body) > 9_000_000
    assert exchange.request_sent is RequestSent.WHOLE


@pytest.mark.parametrize("data", [OK, CHUNKED + b"1\r\nx\r\n" * 100])
async def test_a_byte_at_a_time_is_bounded_by_the_timeout(data: bytes) -> None:
    exchange = await ask(after_request(lambda peer: peer.trickle(data, 0.05)), timeout=1)
    assert exchange.outcome is Outcome.TIMEOUT
    assert "it began" in exchange.detail


@pytest.mark.parametrize(
    ("head", "part", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, "body is longer than 100000 bytes"),
        (CHUNKED, b"ffff\r\n" + b"x" * 65535 + b"\r\n", "body is longer than 100000 bytes"),
        (CHUNKED, b"1;" + b"x" * 65536, "chunk extensions or trailers do not end"),
        (CHUNKED + b"0\r\n", b"X-A: b\r\n" * 1000, "more than 128 headers"),
        (CHUNKED + b"0\r\nX: ", b"x" * 65536, "chunk extensions or trailers do not end"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, "more than 128 headers"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 65536, "headers are longer than 65536 bytes"),
        (b"HTTP/1.1 200 ", b"O" * 65536, "headers are longer than 65536 bytes"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "more than 8 interim answers"),
        (b"", b"\r\n" * 10000, "headers are longer than 65536 bytes"),
    ],
    ids=[
        "body",
        "chunks",
        "chunk extension",
        "trailers",
        "trailer",
        "headers",
        "header",
        "status line",
        "1xx",
        "CRLF",
    ],
)
async def test_a_server_that_never_ends_is_stopped_at_the_limit(head: bytes, part: bytes, said: str) -> None:
    taken: list[int] = []

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(head)
        taken.append(peer.send_for_ever(part))

    exchange = await ask(script, limits=Limits(body_bytes=100_000))
    assert exchange.outcome is Outcome.TOO_LARGE
    assert said in exchange.detail
    assert exchange.answer is None
    # What fits into the buffers of two sockets, and no more, was sent after we stopped listening.
    assert taken[0] < 20_000_000


async def test_an_endless_body_costs_bounded_memory() -> None:
    part = b"x" * 1_000_000
    tracemalloc.start()
    try:
        exchange = await ask(
            after_request(send(b"HTTP/1.1 200 OK\r\n\r\n"), lambda peer: peer.send_for_ever(part)),
            limits=Limits(body_bytes=2_000_000),
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert exchange.outcome is Outcome.TOO_LARGE
    assert peak < 10_000_000


async def test_a_body_announced_too_large_is_not_waited_for() -> None:
    exchange = await ask(
        after_request(send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), Peer.wait_hung_up)
    )
    assert exchange.outcome is Outcome.TOO_LARGE
    assert "body of 99999999 bytes is longer than 1048576" in exchange.detail


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", "expected HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "begins with b'PRI * HTTP/2.0"),
        (b"+PONG\r\n", "begins with b'+PONG"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "present with",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok", "Content-Length"),
        (CHUNKED + b"xyz\r\n", "chunk size"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "another protocol"),
    ],
)
async def test_garbage_is_named_and_shown(sent: bytes, said: str) -> None:
    exchange = await ask(after_request(send(sent), Peer.wait_hung_up))
    assert exchange.outcome is Outcome.GARBAGE
    assert said in exchange.detail
    assert exchange.answer is None


async def test_a_server_that_speaks_first_is_garbage() -> None:
    def script(peer: Peer) -> None:
        peer.send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        peer.wait_hung_up()

    exchange = await ask(script)
    assert exchange.outcome is Outcome.GARBAGE


async def test_more_than_the_length_said_is_garbage_beside_the_answer() -> None:
    exchange = await ask(after_request(send(OK + b"and more"), Peer.wait_hung_up))
    assert exchange.outcome is Outcome.GARBAGE
    assert "more came after it" in exchange.detail
    assert exchange.answer is not None
    assert exchange.answer.body == b"ok"


async def test_interim_answers_are_passed_over() -> None:
    exchange = await ask(after_request(send(b"HTTP/1.1 100 Continue\r\n\r\n"), send(OK)))
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert exchange.answer.status == 200


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "before its first byte"),
        (HALF_HEAD, "in its headers, after 27 bytes"),
        (HALF_BODY, "after 5 of 10 bytes of its body"),
        (CHUNKED + b"5\r\nhello\r\n", "after 5 bytes of its body"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "before its first byte"),
    ],
)
async def test_closed_early_is_closed_and_says_where(sent: bytes, said: str) -> None:
    exchange = await ask(after_request(send(sent)))
    assert exchange.outcome is Outcome.CLOSED
    assert said in exchange.detail
    assert exchange.request_sent is RequestSent.WHOLE
    assert exchange.answer is None


async def test_closed_at_the_end_of_a_body_without_length_is_ok() -> None:
    exchange = await ask(after_request(send(b"HTTP/1.1 200 OK\r\n\r\nall of it")))
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert exchange.answer.body == b"all of it"


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY, b"HTTP/1.1 200 OK\r\n\r\nhello"])
async def test_reset_is_reset_wherever(sent: bytes) -> None:
    exchange = await ask(after_request(send(sent), Peer.reset))
    assert exchange.outcome is Outcome.RESET
    assert "connection reset by peer" in exchange.detail
    assert exchange.answer is None
    assert exchange.request_sent is RequestSent.WHOLE


@pytest.mark.parametrize("leave", [Peer.reset, lambda peer: peer.sock.close()], ids=["reset", "close"])
async def test_gone_before_the_request_was_read_is_reset_or_closed(leave: Callable[[Peer], None]) -> None:
    # Whether our bytes met an RST or a FIN is the network's affair; it must be one of the two.
    exchange = await ask(leave)
    assert exchange.outcome in (Outcome.RESET, Outcome.CLOSED)


@pytest.mark.parametrize("size", [3, 20_000_000])
async def test_a_refusal_before_the_request_was_read_is_still_an_answer(size: int) -> None:
    def script(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        if size > 3:
            peer.wait_hung_up()

    for _ in range(10):  # it may come before, while or after the request is sent
        exchange = await ask(script, body=b"x" * size)
        assert exchange.outcome is Outcome.OK
        assert exchange.answer is not None
        assert exchange.answer.status == 503


async def test_a_cancelled_exchange_closes_its_connection() -> None:
    with serving(after_request(Peer.wait_hung_up)) as server:
        endpoint = Endpoint.parse(server.url)
        task = asyncio.create_task(
            Client(endpoint).exchange(any_permit(), build_request("GET", endpoint, "/"), timeout=60)
        )
        while not server.accepted:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(server.wait_finished)


async def test_no_time_left_sends_nothing() -> None:
    with serving(Peer.wait_hung_up) as server:
        endpoint = Endpoint.parse(server.url)
        exchange = await Client(endpoint).exchange(any_permit(), build_request("POST", endpoint, "/"), timeout=0)
    assert exchange.outcome is Outcome.TIMEOUT
    assert exchange.request_sent is RequestSent.NOTHING
