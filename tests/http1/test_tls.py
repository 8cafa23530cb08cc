"""TLS: what is wrong with a certificate is said, the handshake has a phase, and its end is known."""

from __future__ import annotations

import datetime
import socket
from dataclasses import replace

import pytest

from prober.http1 import (
    Client,
    Connection,
    Endpoint,
    Exchange,
    RequestSent,
    build_request,
    release_all,
    tls_context,
)
from prober.outcome import Outcome, Phase
from tests.permits import any_permit

from .certificates import Authority
from .raw_server import Peer, Script, serving
from .waiting import wait_finished, wait_until


def answer_each(peer: Peer) -> None:
    while True:
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def ask(authority: Authority, url: str, *, timeout: float = 20.0, verify: bool = True) -> Exchange:
    endpoint = Endpoint.parse(url)
    context = tls_context(ca_file=authority.ca_file, verify=verify)
    client = Client(endpoint, tls=context)
    return await client.exchange(any_permit(), build_request("GET", endpoint, "/"), timeout=timeout)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_good_certificate_and_when_it_ends(authority: Authority, host: str) -> None:
    context, ends = authority.server(host)
    with serving(answer_each, context) as server:
        exchange = await ask(authority, f"https://{host}:{server.port}")
    assert exchange.outcome is Outcome.OK
    assert exchange.tls_not_after == ends
    assert exchange.phases[Phase.TLS] > 0
    assert sum(exchange.phases.values()) == pytest.approx(exchange.duration, abs=1e-9)
    assert exchange.request_sent is RequestSent.WHOLE


@pytest.mark.parametrize(
    ("host", "lasts", "said"),
    [
        ("localhost", datetime.timedelta(days=-1), "certificate has expired"),
        ("other.example", datetime.timedelta(days=1), "Hostname mismatch"),
    ],
)
async def test_a_bad_certificate_is_tls_and_says_why(
    authority: Authority, host: str, lasts: datetime.timedelta, said: str
) -> None:
    context, _ = authority.server(host, lasts)
    with serving(answer_each, context) as server:
        exchange = await ask(authority, f"https://localhost:{server.port}")
        careless = await ask(authority, f"https://localhost:{server.port}", verify=False)
    assert exchange.outcome is Outcome.TLS
    assert said in exchange.detail
    assert exchange.request_sent is RequestSent.NOTHING
    assert careless.outcome is Outcome.OK
    assert careless.tls_not_after is None


async def test_an_unknown_authority_is_tls(authority: Authority) -> None:
    context, _ = authority.server("localhost")
    with serving(answer_each, context) as server:
        endpoint = Endpoint.parse(f"https://localhost:{server.port}")
        exchange = await Client(endpoint).exchange(any_permit(), build_request("GET", endpoint, "/"), timeout=20)
    assert exchange.outcome is Outcome.TLS
    assert "certificate" in exchange.detail


@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"\0" * 100])
async def test_a_server_without_tls_is_tls(authority: Authority, sent: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_exactly(1)
        peer.send(sent)
        peer.wait_hung_up()

    with serving(script) as server:
        exchange = await ask(authority, f"https://localhost:{server.port}")
    assert exchange.outcome is Outcome.TLS
    assert "in the TLS handshake with localhost" in exchange.detail


@pytest.mark.parametrize(
    ("leave", "outcome"),
    [(Peer.reset, Outcome.RESET), (lambda peer: peer.sock.shutdown(socket.SHUT_WR), Outcome.CLOSED)],
    ids=["reset", "close"],
)
async def test_hanging_up_in_the_handshake_is_told_as_it_happened(
    authority: Authority, leave: Script, outcome: Outcome
) -> None:
    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        leave(peer)

    with serving(script) as server:
        exchange = await ask(authority, f"https://localhost:{server.port}")
    assert exchange.outcome is outcome
    assert "in the TLS handshake" in exchange.detail
    assert exchange.phases[Phase.TLS] > 0


async def test_a_silent_handshake_is_a_timeout_and_the_connection_is_closed(authority: Authority) -> None:
    with serving(Peer.wait_hung_up) as server:
        exchange = await ask(authority, f"https://localhost:{server.port}", timeout=1)
        await wait_finished(server)
    assert exchange.outcome is Outcome.TIMEOUT
    assert f"spent in the TLS handshake with localhost:{server.port}" in exchange.detail
    assert exchange.phases[Phase.TLS] == max(exchange.phases.values())
    assert exchange.request_sent is RequestSent.NOTHING


async def test_closed_and_reset_after_the_request(authority: Authority) -> None:
    context, _ = authority.server("localhost")

    def script(peer: Peer) -> None:
        peer.read_request()
        if peer.number == 0:
            peer.reset()
        elif peer.number == 1:
            peer.sock.unwrap()  # type: ignore[attr-defined]

    with serving(script, context) as server:
        url = f"https://localhost:{server.port}"
        assert (await ask(authority, url)).outcome is Outcome.RESET
        assert (await ask(authority, url)).outcome is Outcome.CLOSED
        assert (await ask(authority, url)).outcome is Outcome.CLOSED


async def test_a_connection_is_reused_and_its_end_is_noticed(authority: Authority) -> None:
    context, ends = authority.server("localhost")

    def script(peer: Peer) -> None:
        for _ in range(2):
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(script, context) as server:
        endpoint = Endpoint.parse(f"https://localhost:{server.port}")
        request = build_request("POST", endpoint, "/")
        connection = await Client(endpoint, tls=tls_context(ca_file=authority.ca_file)).connect(
            any_permit(), timeout=20
        )
        assert isinstance(connection, Connection)
        assert connection.opening[Phase.TLS] > 0
        assert connection.usable
        exchanges = [await connection.exchange(request, timeout=20) for _ in range(2)]
        server.wait_finished()  # the loop stands still, so that only a look at the socket itself can notice it
        assert not connection.usable
        lost = await connection.exchange(request, timeout=20)
        connection.close()
    assert [e.reused for e in exchanges] == [False, True]
    assert [e.tls_not_after for e in exchanges] == [ends, ends]
    assert lost.outcome is Outcome.CLOSED
    assert lost.request_sent is RequestSent.NOTHING


async def test_large_messages_both_ways(authority: Authority) -> None:
    context, _ = authority.server("localhost")

    def script(peer: Peer) -> None:
        size = len(peer.read_request())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"%09d" % size * 100_000)

    with serving(script, context) as server:
        endpoint = Endpoint.parse(f"https://localhost:{server.port}")
        request = build_request("POST", endpoint, "/", {}, b"x" * 9_000_000)
        client = Client(endpoint, tls=tls_context(ca_file=authority.ca_file))
        exchange = await client.exchange(any_permit(), request, timeout=20)
    assert exchange.outcome is Outcome.OK
    assert exchange.answer is not None
    assert exchange.answer.body == b"%09d" % len(request) * 100_000
    assert exchange.request_sent is RequestSent.WHOLE
    assert exchange.sent is not None
    assert exchange.started <= exchange.sent <= exchange.finished


async def test_staged_requests_are_completed_by_their_release(authority: Authority) -> None:
    context, _ = authority.server("localhost")
    quiet: list[bool] = []

    def script(peer: Peer) -> None:
        size = len(request)
        peer.read_exactly(size - 3)
        quiet.append(peer.nothing_more_within(0.1))
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + peer.read_exactly(3))

    with serving(script, context) as server:
        endpoint = Endpoint.parse(f"https://localhost:{server.port}")
        request = build_request("POST", endpoint, "/", {}, b'{"vendorId":"v"}')
        client = Client(endpoint, tls=tls_context(ca_file=authority.ca_file))
        opened = [await client.connect(any_permit(), timeout=20) for _ in range(3)]
        connections = [c for c in opened if isinstance(c, Connection)]
        assert len(connections) == 3
        for connection in connections:
            connection.stage(request, 3)
        await wait_until(lambda: len(quiet) == 3)
        instants = release_all(connections)
        exchanges = [await connection.answer(timeout=20) for connection in connections]
        for connection in connections:
            connection.close()
    assert quiet == [True] * 3
    assert instants == sorted(instants)
    for exchange, instant in zip(exchanges, instants, strict=True):
        assert exchange.outcome is Outcome.OK
        assert exchange.answer is not None
        assert exchange.answer.body == b'v"}'
        assert exchange.sent == instant
        assert exchange.phases[Phase.TLS] == 0.0


async def test_the_server_may_bear_another_name_than_its_host(authority: Authority) -> None:
    context, _ = authority.server("orders.internal")
    with serving(answer_each, context) as server:
        endpoint = replace(Endpoint.parse(f"https://127.0.0.1:{server.port}"), server_name="orders.internal")
        client = Client(endpoint, tls=tls_context(ca_file=authority.ca_file))
        exchange = await client.exchange(any_permit(), build_request("GET", endpoint, "/"), timeout=20)
    assert exchange.outcome is Outcome.OK
