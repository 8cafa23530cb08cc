"""Opens connections: resolve, connect, handshake, each timed apart, all within one timeout."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from prober.http1.endpoint import Endpoint
from prober.http1.errors import Failure, explain
from prober.http1.exchange import Exchange, Limits, split
from prober.http1.protocol import Http1Protocol
from prober.outcome import Outcome

# RFC 8305, 5: how long one address may stay silent before the next is tried beside it.
_STAGGER = 0.25
# How long a server may take to answer our goodbye in TLS before the connection is dropped.
_TLS_GOODBYE = 1.0

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Opening:
    """When a connection was begun, and when its name was resolved, it was accepted, and it was encrypted."""

    started: float
    resolved: float
    connected: float
    secured: float
    tls_not_after: float | None = None


async def dial(
    endpoint: Endpoint,
    *,
    tls: ssl.SSLContext | None,
    limits: Limits,
    timeout: float,
    on_done: Callable[[Http1Protocol], None],
) -> tuple[Http1Protocol, Opening] | Exchange:
    """Open one connection within `timeout` seconds; what prevents it comes back as a failed exchange."""
    started = monotonic()
    ends: list[float] = []  # of the phases that are over
    try:
        async with asyncio.timeout(timeout) as limit:
            literal = _literal(endpoint)
            addresses = literal or await _resolve(endpoint)
            ends.append(started if literal else monotonic())
            sock = await _connect(addresses)
            protocol = Http1Protocol(sock, limits, on_done)
            if tls is None:
                await _attach(sock, protocol)
                ends += [monotonic()] * 2
            else:
                ends.append(monotonic())
                await _attach_tls(sock, protocol, tls, endpoint, timeout)
                ends.append(monotonic())
    except (OSError, ExceptionGroup, UnicodeError) as error:
        finished = monotonic()
        what = _doing(endpoint, len(ends))
        if limit.expired():
            hung = finished - (ends[-1] if ends else started)
            failure = Failure(Outcome.TIMEOUT, f"no answer within {timeout:g} s: {hung:.2f} s spent {what}")
        else:
            failure = explain(error, what)
        padded = [*ends, *[None] * (5 - len(ends))]
        return Exchange(
            outcome=failure.outcome,
            detail=failure.detail,
            phases=split(started, padded, finished),
            started=started,
            finished=finished,
        )
    return protocol, Opening(started, ends[0], ends[1], ends[2], protocol.tls_not_after)


def _doing(endpoint: Endpoint, done: int) -> str:
    """What is going on when `done` phases are over, for a sentence."""
    if done == 0:
        return f"resolving {endpoint.host}"
    return f"{'connecting to' if done == 1 else 'in the TLS handshake with'} {endpoint.host}:{endpoint.port}"


def _literal(endpoint: Endpoint) -> list[Address]:
    """The address of a host that is one and needs no resolving; nothing for a name."""
    address = endpoint.address
    if address is None:
        return []
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return [(family, (endpoint.host, endpoint.port))]


async def _resolve(endpoint: Endpoint) -> list[Address]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


async def _connect(addresses: list[Address]) -> socket.socket:
    """Try the addresses in their order, each next one when the last failed or stays silent; first wins.

    Raises what the only one failed with, or an ExceptionGroup of what each failed with.
    """
    if len(addresses) == 1:
        return await _try(addresses[0])
    waiting = list(addresses)
    under_way: set[asyncio.Task[socket.socket]] = set()
    errors: list[Exception] = []
    try:
        while waiting or under_way:
            if waiting:
                under_way.add(asyncio.create_task(_try(waiting.pop(0))))
            patience = _STAGGER if waiting else None
            done, _ = await asyncio.wait(under_way, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    under_way.discard(task)
                    return task.result()
                under_way.discard(task)
                errors.append(error if isinstance(error, Exception) else OSError(str(error)))
    finally:
        for task in under_way:
            task.add_done_callback(_discard)
            task.cancel()
    raise ExceptionGroup("no address can be connected to", errors)


def _discard(task: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came second."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _try(address: Address) -> socket.socket:
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException as error:
        sock.close()
        error.add_note(str(where[0]))  # `explain` tells by it which of several addresses this was
        raise
    return sock


async def _attach(sock: socket.socket, protocol: Http1Protocol) -> None:
    """Give the socket to the event loop."""
    await asyncio.get_running_loop().create_connection(lambda: protocol, sock=sock)


async def _attach_tls(
    sock: socket.socket, protocol: Http1Protocol, tls: ssl.SSLContext, endpoint: Endpoint, timeout: float
) -> None:
    """Give the socket to the event loop and shake hands; returns when both sides have finished that."""
    await asyncio.get_running_loop().create_connection(
        lambda: protocol,
        sock=sock,
        ssl=tls,
        server_hostname=endpoint.server_name or endpoint.host.removesuffix("."),
        # Our own timeout bounds all phases together and comes first; the loop's must not.
        ssl_handshake_timeout=timeout + 60.0,
        ssl_shutdown_timeout=_TLS_GOODBYE,
    )
