"""What the tests of the proxy share: one in front of a scripted server, blocking clients, megabytes to compare."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator

from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy
from prober.faults.state import Counters, State
from tests.http1.raw_server import PATIENCE, RawServer, Script

_numbers = itertools.count(1)


async def proxy_on(owner: Owner, upstream_port: int, *, seed: int = 0) -> Proxy:
    """Start a proxy in front of a port, in a directory of its own."""
    proxy = Proxy(owner, owner.directory / f"proxy-{next(_numbers)}", upstream_port, seed=seed)
    await proxy.start()
    return proxy


@contextlib.asynccontextmanager
async def before_script(owner: Owner, script: Script) -> AsyncIterator[tuple[Proxy, RawServer]]:
    """A proxy in front of a server that does what the script says; its failures are told at the end."""
    server = RawServer(script)
    try:
        yield await proxy_on(owner, server.port), server
    finally:
        await asyncio.to_thread(server.close)


@contextlib.contextmanager
def connected_to(port: int) -> Iterator[socket.socket]:
    """A blocking client that loses its patience."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        yield client


def payload(size: int, seed: int = 1) -> bytes:
    """Bytes of which no two parts are alike."""
    return random.Random(seed).randbytes(size)


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side says goodbye."""
    parts = []
    while data := client.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


async def counted(proxy: Proxy, what: str, condition: Callable[[Counters], bool]) -> State:
    """Wait until the proxy's own record is as wanted."""
    state = await proxy.state()
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition(state.counters):
                await asyncio.sleep(0.01)
                state = await proxy.state()
    except TimeoutError:
        raise AssertionError(f"waited {PATIENCE:g} s for {what}; there is {state.counters}") from None
    return state


def ping(port: int) -> bytes:
    """What a Redis behind the port says to a PING; raises what the connection raises."""
    with connected_to(port) as client:
        client.sendall(b"PING\r\n")
        return client.recv(100)
