"""Staging and releasing: nothing is whole before the release, everything at once after it."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic

import pytest

from prober.http1 import Client, Connection, Endpoint, RequestSent, build_request, release_all
from prober.outcome import Outcome, Phase
from tests.permits import any_permit

from .raw_server import Peer, RawServer, serving
from .waiting import wait_finished, wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = b'{"vendorId":"v-1"}'


def request_to(server: RawServer) -> bytes:
    """Made before connecting, since scripts that read by its size start then."""
    return build_request("POST", Endpoint.parse(server.url), "/accept", {}, BODY)


async def connect(server: RawServer) -> Connection:
    connection = await Client(Endpoint.parse(server.url)).connect(any_permit(), timeout=20)
    assert isinstance(connection, Connection)
    return connection


@pytest.mark.parametrize("hold", [1, 2, len(BODY), len(BODY) + 5])
async def test_all_but_the_held_bytes_are_on_the_wire_and_the_rest_follows(hold: int) -> None:
    staged: list[bytes] = []
    released: list[bytes] = []

    def script(peer: Peer) -> None:
        staged.append(peer.read_exactly(len(request) - hold))
        assert peer.nothing_more_within(0.1)
        staged.append(b"quiet")
        released.append(peer.read_exactly(hold))
        peer.send(OK)
        peer.wait_hung_up()

    with serving(script) as server:
        request = request_to(server)
        connection = await connect(server)
        connection.stage(request, hold)
        await wait_until(lambda: len(staged) == 2)
        before = monotonic()
        instant = connection.release()
        after = monotonic()
        exchange = await connection.answer(timeout=20)
        assert connection.usable
        connection.close()
        await wait_finished(server)
    assert staged[0] + released[0] == request
    assert exchange.outcome is Outcome.OK
    assert exchange.request_sent is RequestSent.WHOLE
    assert before <= exchange.started <= instant <= after
    assert exchange.sent == instant
    assert exchange.phases[Phase.SEND] == pytest.approx(instant - exchange.started, abs=1e-9)
    assert sum(exchange.phases.values()) == pytest.approx(exchange.finished - exchange.started, abs=1e-9)


async def test_many_are_released_in_order_and_all_are_answered() -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + request[-19:])

    with serving(script) as server:
        endpoint = Endpoint.parse(server.url)
        client = Client(endpoint)
        opened = await asyncio.gather(*(client.connect(any_permit(), timeout=20) for _ in range(50)))
        connections = [c for c in opened if isinstance(c, Connection)]
        assert len(connections) == 50
        for lap in range(2):
            bodies = [b'{"vendorId":"%04d"}' % (100 * lap + i) for i in range(50)]
            for connection, body in zip(connections, bodies, strict=True):
                connection.stage(build_request("POST", endpoint, "/", {}, body))
            instants = release_all(connections)
            exchanges = await asyncio.gather(*(c.answer(timeout=20) for c in connections))
            assert instants == sorted(instants)
            assert [e.answer and e.answer.body for e in exchanges] == bodies
            assert [e.sent for e in exchanges] == instants
            assert [e.reused for e in exchanges] == [lap > 0] * 50
        for connection in connections:
            connection.close()


async def test_an_answer_before_the_release_is_told_and_the_rest_is_not_sent() -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.read_exactly(len(request) - 1)
        peer.send(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")
        peer.wait_hung_up()
        got.append(peer._pending)

    with serving(script) as server:
        request = request_to(server)
        connection = await connect(server)
        connection.stage(request)
        await wait_finished(server)
        released = connection.release()
        exchange = await connection.answer(timeout=20)
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert exchange.answer.header("Retry-After") == "3"
    assert exchange.request_sent is RequestSent.PARTLY
    assert exchange.sent is None
    assert exchange.started <= released
    assert exchange.duration == 0.0
    assert got == [b""]


@pytest.mark.parametrize(
    ("leave", "outcome"), [(Peer.reset, Outcome.RESET), (lambda peer: peer.sock.close(), Outcome.CLOSED)]
)
async def test_a_connection_lost_before_its_release_is_told_by_the_answer(leave: object, outcome: Outcome) -> None:
    def script(peer: Peer) -> None:
        peer.read_exactly(len(request) - 1)
        assert callable(leave)
        leave(peer)

    with serving(script) as server:
        request = request_to(server)
        connection = await connect(server)
        connection.stage(request)
        await wait_finished(server)
        await wait_until(lambda: not connection.usable)
        connection.release()
        exchange = await connection.answer(timeout=20)
    assert exchange.outcome is outcome
    assert exchange.request_sent is RequestSent.PARTLY
    assert exchange.sent is None


async def test_lost_unnoticed_before_its_release_is_told_too() -> None:
    def script(peer: Peer) -> None:
        peer.read_exactly(len(request) - 1)
        peer.reset()

    with serving(script) as server:
        request = request_to(server)
        connection = await connect(server)
        connection.stage(request)
        server.wait_finished()  # the loop stands still and cannot notice
        connection.release()
        exchange = await connection.answer(timeout=20)
    assert exchange.outcome is Outcome.RESET
    assert exchange.request_sent is RequestSent.PARTLY


async def test_a_refusal_that_came_before_a_failed_release_is_still_the_answer() -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(10)  # what stays unread makes the kernel reset the connection on closing
        peer.send(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    with serving(script) as server:
        request = request_to(server)
        connection = await connect(server)
        connection.stage(request)
        server.wait_finished()
        connection.release()
        exchange = await connection.answer(timeout=20)
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert exchange.answer.status == 503
    assert exchange.request_sent is RequestSent.PARTLY


async def test_an_idle_connection_already_closed_cannot_be_staged_on() -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(OK)

    with serving(script) as server:
        request = request_to(server)
        connection = await connect(server)
        await connection.exchange(request, timeout=20)
        server.wait_finished()
        connection.stage(request)
        connection.release()
        exchange = await connection.answer(timeout=20)
    assert exchange.outcome is Outcome.CLOSED
    assert exchange.request_sent is RequestSent.NOTHING


async def test_the_timeout_counts_from_the_release() -> None:
    with serving(Peer.wait_hung_up) as server:
        request = request_to(server)
        connection = await connect(server)
        connection.stage(request)
        await asyncio.sleep(0.2)
        connection.release()
        exchange = await connection.answer(timeout=0.2)
    assert exchange.outcome is Outcome.TIMEOUT
    assert "for the first byte" in exchange.detail
    assert exchange.duration >= 0.19
    assert exchange.phases[Phase.WAIT] == max(exchange.phases.values())
    assert exchange.request_sent is RequestSent.WHOLE


async def test_a_staged_request_too_large_for_the_kernel_still_arrives_whole() -> None:
    def script(peer: Peer) -> None:
        assert released.wait(20)
        got.append(peer.read_request())
        peer.send(OK)

    got: list[bytes] = []
    released = threading.Event()
    with serving(script) as server:
        connection = await connect(server)
        request = build_request("POST", Endpoint.parse(server.url), "/", {}, b"x" * 30_000_000 + b"end")
        connection.stage(request, 3)
        connection.release()
        released.set()
        exchange = await connection.answer(timeout=20)
        connection.close()
    assert exchange.outcome is Outcome.OK
    assert got == [request]
    assert exchange.sent is not None
    assert exchange.started <= exchange.sent <= exchange.finished


async def test_out_of_order_is_a_mistake() -> None:
    with serving(Peer.wait_hung_up) as server:
        request = request_to(server)
        connection = await connect(server)
        with pytest.raises(RuntimeError, match="staged"):
            connection.release()
        with pytest.raises(RuntimeError, match="released"):
            await connection.answer(timeout=1)
        with pytest.raises(ValueError, match="hold"):
            connection.stage(request, 0)
        with pytest.raises(ValueError, match="hold"):
            connection.stage(request, len(request) + 1)
        connection.stage(request)
        with pytest.raises(RuntimeError, match="released"):
            await connection.answer(timeout=1)
        with pytest.raises(RuntimeError, match="one exchange"):
            connection.stage(request)
        connection.close()
