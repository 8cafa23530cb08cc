"""The client and its permits: nothing leaves without one, a 429 is heeded, and every ending gives it back."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from prober.cap import Cap, Demand
from prober.gate import NO_PERMIT, Gate, OverspentError, Permit
from prober.http1 import Client, Connection, Endpoint, Exchange, build_request
from prober.outcome import Outcome, RouteFamily, SkipReason
from tests.permits import ROUTES, WIDE, permit_for

from .raw_server import Peer, RawServer, Script, serving
from .waiting import wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DATE = b"Date: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
WEBHOOK, ACCEPT, HEALTH = "/api/v1/whatsapp/webhook", "/api/v1/vendor-routing/routing/r/accept", "/health"


def answering(answer: bytes) -> Script:
    def script(peer: Peer) -> None:
        while True:
            peer.read_request()
            peer.send(answer)

    return script


def client_of(server: RawServer) -> Client:
    return Client(Endpoint.parse(server.url))


def request(client: Client, path: str = HEALTH) -> bytes:
    return build_request("POST", client.endpoint, path, {}, b"x=1")


async def opened(client: Client, permit: Permit) -> Connection:
    connection = await client.connect(permit, timeout=20)
    assert isinstance(connection, Connection)
    return connection


async def test_without_a_permit_nobody_is_even_connected_to() -> None:
    with serving(answering(OK)) as server:
        client = client_of(server)
        for permit in (NO_PERMIT, permit_for()):
            with pytest.raises(OverspentError):
                await client.exchange(permit, request(client), timeout=20)
            with pytest.raises(OverspentError):
                await client.connect(permit, timeout=20)
        assert server.accepted == 0


async def test_a_connection_sends_no_more_than_its_permit_holds() -> None:
    seen: list[bytes] = []

    def script(peer: Peer) -> None:
        while True:
            seen.append(peer.read_request())
            peer.send(OK)

    with serving(script) as server:
        client = client_of(server)
        connection = await opened(client, permit_for(pages=2, routing=1))
        for _ in range(2):
            assert (await connection.exchange(request(client), timeout=20)).outcome is Outcome.OK
        with pytest.raises(OverspentError):
            await connection.exchange(request(client), timeout=20)
        with pytest.raises(OverspentError):
            connection.stage(request(client, WEBHOOK))
        assert (await connection.exchange(request(client, ACCEPT), timeout=20)).outcome is Outcome.OK
        connection.renew(permit_for(pages=1))
        assert (await connection.exchange(request(client), timeout=20)).outcome is Outcome.OK
        connection.close()
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (b"Retry-After: 30\r\n", 30.0),
        (b"retry-after: 0\r\n", 0.0),
        (b"Retry-After: 000007\r\n", 7.0),
        (b"Retry-After: 99999999999999\r\n", 3600.0),
        (DATE + b"Retry-After: Wed, 21 Oct 2026 07:28:45 GMT\r\n", 45.0),
        (DATE + b"Retry-After: Wed, 21 Oct 2026 07:00:00 GMT\r\n", 0.0),
        (DATE + b"Retry-After: Thu, 22 Oct 2026 07:28:00 GMT\r\n", 3600.0),
        (b"Retry-After: Wed, 21 Oct 2026 07:28:45 GMT\r\n", None),  # from when on?
        (b"Retry-After: soon\r\n", None),
        (b"Retry-After: -5\r\n", None),
        (b"", None),
    ],
)
async def test_a_429_holds_off_its_family_for_as_long_as_it_says(headers: bytes, wait: float | None) -> None:
    answer = b"HTTP/1.1 429 Too Many Requests\r\n" + headers + b"Content-Length: 0\r\n\r\n"
    with serving(answering(answer)) as server:
        client, gate = client_of(server), Gate(WIDE, ROUTES)
        before = time.monotonic()
        with_permit = permit_for(routing=1, gate=gate)
        exchange = await client.exchange(with_permit, request(client, ACCEPT), timeout=20)
        after = time.monotonic()
    assert exchange.answer is not None
    assert exchange.answer.retry_after == wait
    if not wait:
        assert gate.held_off == {}
        return
    assert set(gate.held_off) == {RouteFamily.ROUTING}
    assert before + wait <= gate.held_off[RouteFamily.ROUTING] <= after + wait


async def test_another_status_holds_off_nobody() -> None:
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(answer)) as server:
        client, gate = client_of(server), Gate(WIDE, ROUTES)
        await client.exchange(permit_for(webhook=1, gate=gate), request(client, WEBHOOK), timeout=20)
    assert gate.held_off == {}


async def test_every_staged_accept_that_is_refused_tells_the_gate() -> None:
    answer = b"HTTP/1.1 429 No\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(answer)) as server:
        client, gate = client_of(server), Gate(WIDE, ROUTES)
        connection = await opened(client, permit_for(routing=1, gate=gate))
        connection.stage(request(client, ACCEPT))
        connection.release()
        await connection.answer(timeout=20)
        connection.close()
    assert set(gate.held_off) == {RouteFamily.ROUTING}


def silent(peer: Peer) -> None:
    peer.wait_hung_up()


@pytest.mark.parametrize("ending", ["answered", "timeout", "closed", "cancelled", "released and closed"])
async def test_every_ending_gives_the_permit_back(ending: str) -> None:
    with serving(answering(OK) if ending == "answered" else silent) as server:
        client, gate = client_of(server), Gate(WIDE, ROUTES)
        permit = permit_for(pages=2, gate=gate)
        connection = await opened(client, permit)
        if ending == "released and closed":
            connection.stage(request(client))
            connection.release()
            permit.close()
            assert gate.in_flight == 2  # it may still arrive
            connection.close()
        else:
            timeout = 0.05 if ending == "timeout" else 20
            task = asyncio.create_task(connection.exchange(request(client), timeout=timeout))
            await asyncio.sleep(0)
            permit.close()
            assert gate.in_flight == 2
            if ending == "closed":
                connection.close()
            elif ending == "cancelled":
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await wait_until(lambda: gate.in_flight == 0)
        connection.close()


async def test_a_connection_that_was_refused_gives_its_permit_back() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        client, gate = Client(Endpoint.parse(f"http://127.0.0.1:{nobody.getsockname()[1]}")), Gate(WIDE, ROUTES)
        permit = permit_for(webhook=1, gate=gate)
        assert isinstance(await client.connect(permit, timeout=20), Exchange)
        permit.close()
    assert gate.in_flight == 0


async def test_what_is_still_in_flight_keeps_others_out() -> None:
    with serving(silent) as server:
        client = client_of(server)
        gate = Gate(Cap(rate=100, burst=200, in_flight=1, webhook=1, webhook_window=1.0), ROUTES)
        permit = permit_for(pages=1, gate=gate)
        task = asyncio.create_task(client.exchange(permit, request(client), timeout=20))
        await asyncio.sleep(0.05)
        permit.close()
        assert await gate.permit(Demand(pages=1), patience=0.05) is SkipReason.CAP
        task.cancel()
        assert isinstance(await gate.permit(Demand(pages=1), patience=20.0), Permit)
        await asyncio.gather(task, return_exceptions=True)
