"""The protocol driven by callbacks alone, as a load engine does: no future and no timer per request."""

from __future__ import annotations

import asyncio

from prober.http1 import Endpoint, Limits, RequestSent, build_request
from prober.http1.dial import dial
from prober.http1.errors import Failure
from prober.http1.protocol import Http1Protocol
from prober.outcome import Outcome

from .raw_server import Peer, serving


async def test_the_next_request_starts_in_the_callback_of_the_last() -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    statuses: list[int] = []
    over = asyncio.Event()

    def on_done(protocol: Http1Protocol) -> None:
        assert protocol.started <= (protocol.sent or 0) <= (protocol.first_byte or 0) <= protocol.finished
        statuses.append(protocol.status)
        if len(statuses) < 100:
            assert protocol.reusable
            protocol.start(request)
        else:
            protocol.close()
            over.set()

    with serving(script) as server:
        endpoint = Endpoint.parse(server.url)
        request = build_request("GET", endpoint, "/")
        dialed = await dial(endpoint, tls=None, limits=Limits(), timeout=20, on_done=on_done)
        assert isinstance(dialed, tuple)
        dialed[0].start(request)
        async with asyncio.timeout(20):
            await over.wait()
    assert statuses == [200] * 100
    assert dialed[0].exchanges == 100


async def test_a_lost_connection_fails_what_is_started_on_it_at_once() -> None:
    results: list[tuple[Outcome, RequestSent]] = []

    with serving(lambda peer: peer.sock.close()) as server:
        endpoint = Endpoint.parse(server.url)
        request = build_request("GET", endpoint, "/")
        dialed = await dial(
            endpoint,
            tls=None,
            limits=Limits(),
            timeout=20,
            on_done=lambda p: results.append((p.outcome, p.request_sent)),
        )
        assert isinstance(dialed, tuple)
        protocol, _ = dialed
        async with asyncio.timeout(20):
            while protocol.reusable:
                await asyncio.sleep(0.001)
        protocol.start(request)
        assert results == [(Outcome.CLOSED, RequestSent.NOTHING)]


async def test_the_owner_ends_an_exchange_by_a_failure_of_its_own() -> None:
    results: list[tuple[Outcome, str]] = []
    with serving(Peer.wait_hung_up) as server:
        endpoint = Endpoint.parse(server.url)
        dialed = await dial(
            endpoint,
            tls=None,
            limits=Limits(),
            timeout=20,
            on_done=lambda p: results.append((p.outcome, p.detail)),
        )
        assert isinstance(dialed, tuple)
        protocol, _ = dialed
        protocol.start(build_request("GET", endpoint, "/"))
        protocol.fail(Failure(Outcome.TIMEOUT, "too slow"))
        protocol.fail(Failure(Outcome.TIMEOUT, "once is enough"))
        assert results == [(Outcome.TIMEOUT, "too slow")]
        assert not protocol.reusable
