"""The way to the server: names, addresses, refusals and silence."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from prober.http1 import Client, Endpoint, Exchange, RequestSent, build_request
from prober.http1.dial import _connect
from prober.http1.errors import explain
from prober.outcome import Outcome, Phase
from tests.permits import any_permit

from .raw_server import Peer, serving


def answer_ok(peer: Peer) -> None:
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is ours, so that nobody else listens on it, and that refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that it answers a further one with silence."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def ask(url: str, *, timeout: float = 20.0) -> Exchange:
    endpoint = Endpoint.parse(url)
    return await Client(endpoint).exchange(any_permit(), build_request("GET", endpoint, "/"), timeout=timeout)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


async def test_nobody_listening_is_refused(closed_port: int) -> None:
    exchange = await ask(f"http://127.0.0.1:{closed_port}")
    assert exchange.outcome is Outcome.REFUSED
    assert exchange.detail == f"connecting to 127.0.0.1:{closed_port}: connection refused"
    assert exchange.request_sent is RequestSent.NOTHING
    assert exchange.phases[Phase.CONNECT] == exchange.duration
    assert exchange.sent is None


async def test_a_server_that_does_not_accept_is_a_timeout_in_connecting(silent_port: int) -> None:
    exchange = await ask(f"http://127.0.0.1:{silent_port}", timeout=0.3)
    assert exchange.outcome is Outcome.TIMEOUT
    assert f"spent connecting to 127.0.0.1:{silent_port}" in exchange.detail
    assert exchange.phases[Phase.CONNECT] == exchange.duration
    assert exchange.request_sent is RequestSent.NOTHING


async def test_a_name_that_does_not_exist_is_dns() -> None:
    exchange = await ask("http://prober-test.invalid")
    assert exchange.outcome is Outcome.DNS
    assert exchange.detail.startswith("resolving prober-test.invalid: the name does not resolve: ")
    assert exchange.phases[Phase.DNS] == exchange.duration
    assert exchange.request_sent is RequestSent.NOTHING


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop resolves in threads of libuv, which cannot be held up
async def test_a_resolver_that_does_not_answer_is_a_timeout_in_dns() -> None:
    held = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as resolver:
        asyncio.get_running_loop().set_default_executor(resolver)
        resolver.submit(held.wait, 20)
        exchange = await ask("http://localhost", timeout=0.2)
        held.set()
    assert exchange.outcome is Outcome.TIMEOUT
    assert "spent resolving localhost" in exchange.detail
    assert exchange.phases[Phase.DNS] == exchange.duration


async def test_no_route_is_unreachable() -> None:
    exchange = await ask("http://255.255.255.255:9", timeout=5)  # broadcast: no TCP goes there
    assert exchange.outcome is Outcome.UNREACHABLE


async def test_a_name_takes_the_phase_dns() -> None:
    with serving(answer_ok) as server:
        exchange = await ask(server.url.replace("127.0.0.1", "localhost"))
    assert exchange.outcome is Outcome.OK
    assert exchange.phases[Phase.DNS] > 0


async def test_an_ipv6_address_is_connected_to() -> None:
    try:
        running = serving(answer_ok, host="::1")
        with running as server:
            exchange = await ask(server.url)
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert exchange.outcome is Outcome.OK
    assert exchange.phases[Phase.DNS] == 0.0


async def test_the_next_address_is_tried_when_one_refuses(closed_port: int) -> None:
    with serving(answer_ok) as server:
        addresses = [(socket.AF_INET, ("127.0.0.1", port)) for port in (closed_port, server.port)]
        with await _connect(addresses) as sock:
            assert sock.getpeername()[1] == server.port


async def test_the_next_address_is_tried_when_one_stays_silent(silent_port: int) -> None:
    with serving(answer_ok) as server:
        before = open_files()
        addresses = [(socket.AF_INET, ("127.0.0.1", port)) for port in (silent_port, server.port)]
        with await _connect(addresses) as sock:
            assert sock.getpeername()[1] == server.port
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert open_files() <= before + 1  # the server's side of the connection


async def test_when_all_addresses_fail_the_most_telling_failure_is_told(closed_port: int) -> None:
    addresses = [(socket.AF_INET, ("255.255.255.255", 9)), (socket.AF_INET, ("127.0.0.1", closed_port))]
    with pytest.raises(ExceptionGroup) as failed:
        await _connect(addresses)
    failure = explain(failed.value, "connecting to name:80")
    assert failure.outcome is Outcome.REFUSED
    assert "(255.255.255.255): network is unreachable" in failure.detail
    assert "(127.0.0.1): connection refused" in failure.detail


async def test_failures_leave_no_socket_open(closed_port: int, silent_port: int) -> None:
    await ask(f"http://127.0.0.1:{closed_port}")
    before = open_files()
    for _ in range(5):
        await ask(f"http://127.0.0.1:{closed_port}")
        await ask(f"http://127.0.0.1:{silent_port}", timeout=0.02)
    assert open_files() == before


async def test_no_delay_is_set_so_that_the_last_byte_leaves_at_once() -> None:
    with serving(answer_ok) as server, await _connect([(socket.AF_INET, ("127.0.0.1", server.port))]) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ECONNREFUSED, Outcome.REFUSED),
        (errno.ECONNRESET, Outcome.RESET),
        (errno.EPIPE, Outcome.RESET),
        (errno.ETIMEDOUT, Outcome.TIMEOUT),
        (errno.EHOSTUNREACH, Outcome.UNREACHABLE),
        (errno.ENETUNREACH, Outcome.UNREACHABLE),
        (errno.EACCES, Outcome.UNREACHABLE),
        (errno.EMFILE, Outcome.NOT_KNOWN),
        (errno.EADDRNOTAVAIL, Outcome.NOT_KNOWN),
    ],
)
def test_what_the_kernel_says_has_a_name(number: int, outcome: Outcome) -> None:
    failure = explain(OSError(number, os.strerror(number)), "connecting")
    assert failure.outcome is outcome
    assert failure.detail.startswith("connecting: ")


async def test_a_process_without_file_descriptors_blames_itself_and_not_the_target(closed_port: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # what is open stays open, nothing new can be
    try:
        exchange = await ask(f"http://127.0.0.1:{closed_port}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert exchange.outcome is Outcome.NOT_KNOWN
    assert "ulimit -n" in exchange.detail
