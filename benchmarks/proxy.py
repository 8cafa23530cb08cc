"""What our TCP proxy adds with no condition set: a small echo and a stream, through it and beside it in turn."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

from benchmarks.figures import percentile, table, usage
from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy

ROUNDS = 20
ECHOES = 1_000  # in each round, each way
SIZE = 128  # bytes, about a small answer
STREAM = 200 * 1024 * 1024
BLOCK = bytes(65_536)
PATIENCE = 30.0

# Sends back what comes, with as little of its own as a process can.
ECHO_SERVER = """
import socket, sys, threading
def serve(peer):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(65536):
        peer.sendall(data)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer, _ = listener.accept()
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
"""

# Swallows what comes, and says goodbye once the other side has.
SINK_SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer, _ = listener.accept()
    with peer:
        while peer.recv(65536):
            pass
"""


async def server(owner: Owner, program: str, name: str) -> int:
    """Start a server and wait until it listens; its port."""
    port = owner.port()
    owner.spawn(
        [sys.executable, "-c", program, str(port)],
        name=name,
        cwd=owner.directory,
        log_file=owner.directory / f"{name}.log",
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"the {name} server does not listen"
            await asyncio.sleep(0.01)
        else:
            return port


def connected(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def echoes(sock: socket.socket) -> list[float]:
    """The seconds of one echo after the other."""
    data = bytes(SIZE)
    times = []
    for _ in range(ECHOES):
        began = time.perf_counter()
        sock.sendall(data)
        sock.recv(SIZE, socket.MSG_WAITALL)
        times.append(time.perf_counter() - began)
    return times


def stream(port: int) -> float:
    """The seconds until a stream has arrived whole."""
    with connected(port) as sock:
        began = time.perf_counter()
        for _ in range(STREAM // len(BLOCK)):
            sock.sendall(BLOCK)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
        return time.perf_counter() - began


async def measure() -> str:
    """Rounds in turn, so that a busy moment of the machine meets both."""
    async with Owner() as owner:
        echo, sink = await server(owner, ECHO_SERVER, "echo"), await server(owner, SINK_SERVER, "sink")
        to_echo = Proxy(owner, owner.directory / "to-echo", echo)
        to_sink = Proxy(owner, owner.directory / "to-sink", sink)
        await to_echo.start()
        await to_sink.start()
        direct: list[float] = []
        proxied: list[float] = []
        with connected(echo) as beside, connected(to_echo.port) as through:
            before = usage(to_echo.pid).cpu
            for _ in range(ROUNDS):
                direct += echoes(beside)
                proxied += echoes(through)
            cpu = (usage(to_echo.pid).cpu - before) / len(proxied)
        fast, slow = min(stream(sink) for _ in range(3)), min(stream(to_sink.port) for _ in range(3))
        rss = usage(to_sink.pid).rss
    rows = [
        (name, len(values), *(f"{percentile(values, p) * 1e6:.0f} µs" for p in (50, 99)), rate)
        for name, values, rate in (
            ("direct", direct, f"{STREAM / fast / 1e6:.0f} MB/s"),
            ("through the proxy", proxied, f"{STREAM / slow / 1e6:.0f} MB/s"),
        )
    ]
    added = {p: percentile(proxied, p) - percentile(direct, p) for p in (50, 99)}
    ratio = {p: percentile(proxied, p) / percentile(direct, p) for p in (50, 99)}
    return (
        f"An echo of {SIZE} bytes on one connection, {ROUNDS} rounds of {ECHOES} each way in turn; a stream of "
        f"{STREAM // 2**20} MiB, the best of three.\n\n"
        + table(["way", "echoes", "median", "p99", "stream"], rows)
        + f"\n\nThe proxy adds **{added[50] * 1e6:.0f} µs** at the median ({ratio[50]:.1f} ×) and "
        f"**{added[99] * 1e6:.0f} µs** at p99 ({ratio[99]:.1f} ×), for {cpu * 1e6:.0f} µs of CPU an echo; after "
        f"the stream it holds {rss:.0f} MB."
    )


if __name__ == "__main__":
    print(asyncio.run(measure()))
