"""Keep-alive: what is reused, what is noticed before it is, and that nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from prober.http1 import Client, Connection, Endpoint, RequestSent, build_request
from prober.outcome import Outcome, Phase
from tests.permits import any_permit

from .raw_server import Peer, RawServer, serving
from .waiting import wait_finished, wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def connect(server: RawServer) -> tuple[Connection, bytes]:
    endpoint = Endpoint.parse(server.url)
    connection = await Client(endpoint).connect(any_permit(), timeout=20)
    assert isinstance(connection, Connection)
    return connection, build_request("POST", endpoint, "/", {}, b"x=1")


async def test_one_connection_serves_many_exchanges() -> None:
    answers = [
        OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: u\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        OK,
    ]

    def script(peer: Peer) -> None:
        for answer in answers:
            peer.read_request()
            peer.send(answer)
        peer.wait_hung_up()

    with serving(script) as server:
        connection, request = await connect(server)
        exchanges = [await connection.exchange(request, timeout=20) for _ in answers]
        assert connection.usable
        connection.close()
        await wait_finished(server)
        assert server.accepted == 1
    assert [e.outcome for e in exchanges] == [Outcome.OK] * len(answers)
    assert [e.reused for e in exchanges] == [False] + [True] * (len(answers) - 1)
    assert [e.answer and e.answer.status for e in exchanges] == [200, 200, 204, 304, 404, 200]
    for exchange in exchanges:
        assert exchange.phases[Phase.DNS] == exchange.phases[Phase.CONNECT] == exchange.phases[Phase.TLS] == 0.0
        assert sum(exchange.phases.values()) == pytest.approx(exchange.duration, abs=1e-9)


async def test_what_opening_took_is_told_apart() -> None:
    with serving(Peer.wait_hung_up) as server:
        connection, _ = await connect(server)
        assert connection.opening[Phase.DNS] == connection.opening[Phase.TLS] == 0.0
        assert connection.opening[Phase.CONNECT] > 0
        connection.close()


async def test_a_head_may_be_followed_by_anything() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        peer.read_request()
        peer.send(OK)

    with serving(script) as server:
        endpoint = Endpoint.parse(server.url)
        connection, _ = await connect(server)
        head = await connection.exchange(build_request("HEAD", endpoint, "/"), timeout=20)
        get = await connection.exchange(build_request("GET", endpoint, "/"), timeout=20)
        connection.close()
    assert head.outcome is get.outcome is Outcome.OK
    assert head.answer is not None
    assert head.answer.body == b""
    assert head.answer.header("Content-Length") == "1000"
    assert get.answer is not None
    assert get.answer.body == b"ok"
    assert get.reused


@pytest.mark.parametrize("linger", [Peer.reset, lambda peer: peer.sock.close()], ids=["reset", "close"])
async def test_an_idle_connection_closed_by_the_server_is_noticed_and_nothing_is_sent(linger: object) -> None:
    requests: list[bytes] = []
    idle = threading.Event()

    def script(peer: Peer) -> None:
        requests.append(peer.read_request())
        peer.send(OK)
        assert idle.wait(20)
        assert callable(linger)
        linger(peer)

    with serving(script) as server:
        connection, request = await connect(server)
        assert (await connection.exchange(request, timeout=20)).outcome is Outcome.OK
        assert connection.usable
        idle.set()
        server.wait_finished()  # the loop stands still, so that only a look at the socket itself can notice it
        assert not connection.usable
        exchange = await connection.exchange(request, timeout=20)
        again = await connection.exchange(request, timeout=20)
        assert server.accepted == 1
    assert exchange.outcome in (Outcome.CLOSED, Outcome.RESET)
    assert "idle connection" in exchange.detail
    assert exchange.request_sent is RequestSent.NOTHING
    assert exchange.reused
    assert again.request_sent is RequestSent.NOTHING
    assert len(requests) == 1


async def test_closed_while_the_request_is_on_its_way_is_told_and_not_repeated() -> None:
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        requests.append(peer.read_request())
        peer.send(OK)
        requests.append(peer.read_request())

    with serving(script) as server:
        connection, request = await connect(server)
        await connection.exchange(request, timeout=20)
        exchange = await connection.exchange(request, timeout=20)
        connection.close()
        assert server.accepted == 1
    assert exchange.outcome in (Outcome.CLOSED, Outcome.RESET)
    assert exchange.request_sent is RequestSent.WHOLE
    assert len(requests) == 2


async def test_bytes_nobody_asked_for_make_an_idle_connection_unusable() -> None:
    idle = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)
        assert idle.wait(20)
        peer.send(OK)
        peer.wait_hung_up()

    with serving(script) as server:
        connection, request = await connect(server)
        assert (await connection.exchange(request, timeout=20)).outcome is Outcome.OK
        idle.set()
        await wait_until(lambda: not connection.usable)
        exchange = await connection.exchange(request, timeout=20)
    assert exchange.outcome is Outcome.GARBAGE
    assert "no request had asked for" in exchange.detail
    assert exchange.request_sent is RequestSent.NOTHING


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"junk",
        b"nonsense",
    ],
    ids=["connection: close", "HTTP/1.0", "junk", "garbage"],
)
async def test_the_connection_is_closed_when_it_cannot_be_used_again(answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)
        peer.wait_hung_up()

    with serving(script) as server:
        connection, request = await connect(server)
        await connection.exchange(request, timeout=20)
        assert not connection.usable
        await wait_finished(server)
        exchange = await connection.exchange(request, timeout=20)
    assert exchange.outcome is not Outcome.OK
    assert exchange.request_sent is RequestSent.NOTHING


async def test_a_timed_out_connection_is_closed() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.wait_hung_up()

    with serving(script) as server:
        connection, request = await connect(server)
        exchange = await connection.exchange(request, timeout=0.05)
        await wait_finished(server)
        assert not connection.usable
    assert exchange.outcome is Outcome.TIMEOUT


async def test_closing_it_ends_an_exchange_under_way() -> None:
    with serving(Peer.wait_hung_up) as server:
        connection, request = await connect(server)
        task = asyncio.create_task(connection.exchange(request, timeout=60))
        await asyncio.sleep(0)
        connection.close()
        exchange = await task
        connection.close()
    assert exchange.outcome is Outcome.NOT_KNOWN
    assert "given up" in exchange.detail


async def test_two_exchanges_at_once_are_a_mistake() -> None:
    with serving(Peer.wait_hung_up) as server:
        connection, request = await connect(server)
        task = asyncio.create_task(connection.exchange(request, timeout=60))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one exchange at a time"):
            await connection.exchange(request, timeout=1)
        connection.close()
        await task


async def test_a_busy_loop_does_not_turn_an_answer_into_a_timeout_of_the_server() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)

    with serving(script) as server:
        connection, request = await connect(server)
        task = asyncio.create_task(connection.exchange(request, timeout=0.1))
        await asyncio.sleep(0)  # the request is sent; from here the loop stands still
        server.wait_finished()
        time.sleep(0.2)  # noqa: ASYNC251 - past the timeout, while the answer lies in the socket
        exchange = await task
        connection.close()
    assert exchange.outcome is Outcome.OK
