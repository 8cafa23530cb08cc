"""How close together do released requests arrive? Kernel time stamps of the last bytes, on loopback.

    python -m benchmarks.http1_release [races]

Compares ways to send the last byte of N staged requests, on both event loops, with and without TLS. The spread
is from the first to the last arrival as the receiving kernel stamped them, so neither the receiver's own
scheduling nor the clock reads of the sender are in it. Prints the median and the 95th percentile in microseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import ssl
import statistics
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import uvloop

from prober.http1 import Client, Connection, Endpoint, build_request, release_all, tls_context
from tests.http1.certificates import Authority
from tests.permits import any_permit

_SO_TIMESTAMPING = 37
_RX_SOFTWARE = (1 << 3) | (1 << 4)  # SOF_TIMESTAMPING_RX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def receive(pipe: Pipe, context: ssl.SSLContext | None) -> None:
    """The other process: accepts N connections, then tells the spread of arrivals of each race."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    pipe.send(listener.getsockname()[1])
    while (size := pipe.recv()) is not None:
        peers = [_accept(listener, context) for _ in range(size)]
        raws = [socket.socket(fileno=socket.dup(peer.fileno())) for peer in peers]
        for raw in raws:
            raw.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _RX_SOFTWARE)
        pipe.send("open")
        while pipe.recv() == "staged":
            for raw in raws:
                raw.recv(65536)
            pipe.send("ready")
            stamps = [_arrival(raw) for raw in raws]
            pipe.send(max(stamps) - min(stamps))
            for peer in peers if context is None else []:
                peer.send(_ANSWER)
        for sock in (*raws, *peers):
            sock.close()


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    sock, _ = listener.accept()
    return context.wrap_socket(sock, server_side=True) if context else sock


def _arrival(raw: socket.socket) -> float:
    _, ancillary, _, _ = raw.recvmsg(65536, 1024)
    stamp = next(data for _, kind, data in ancillary if kind == _SO_TIMESTAMPING)
    seconds, nanoseconds = struct.unpack_from("qq", stamp)
    return int(seconds) + int(nanoseconds) / 1e9


def through_transport(connections: Sequence[Connection]) -> None:
    """What release_all does, but through the transport's own write."""
    for connection in connections:
        protocol = connection._protocol
        transport = protocol._transport
        held, protocol._held = protocol._held, b""
        if transport is not None:
            transport.write(held)


def through_bare_sockets(connections: Sequence[Connection]) -> None:
    """The least that can be done from Python: nothing but send(), which is no HTTP client any more."""
    sends = [(connection._protocol._sock.send, connection._protocol._held) for connection in connections]
    for send, held in sends:
        send(held)


async def races(
    pipe: Pipe, port: int, size: int, count: int, authority: Authority | None, release: Callable[..., object]
) -> list[float]:
    """The spreads of `count` races of `size` connections, in seconds."""
    endpoint = Endpoint.parse(f"http{'s' if authority else ''}://127.0.0.1:{port}")
    context = tls_context(ca_file=authority.ca_file) if authority else None
    client = Client(endpoint, tls=context)
    request = build_request("POST", endpoint, "/accept", {}, b'{"vendorId":"vendor-0001"}')
    spreads = []
    for _ in range(count):
        pipe.send(size)
        opened = [await client.connect(any_permit(), timeout=10) for _ in range(size)]
        connections = [c for c in opened if isinstance(c, Connection)]
        await asyncio.to_thread(pipe.recv)
        for connection in connections:
            connection.stage(request)
        await asyncio.sleep(0.002)
        pipe.send("staged")
        await asyncio.to_thread(pipe.recv)
        release(connections)
        spreads.append(float(await asyncio.to_thread(pipe.recv)))
        pipe.send("enough")
        for connection in connections:
            connection.close()
    return spreads


def main() -> None:
    """Run all combinations."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    ways = {
        "release_all": release_all,
        "transport.write": through_transport,
        "bare send()": through_bare_sockets,
    }
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority.make(Path(directory))
        for trusted in (None, authority):
            context = authority.server("127.0.0.1")[0] if trusted else None
            ours, theirs = multiprocessing.Pipe()
            receiver = multiprocessing.get_context("fork").Process(target=receive, args=(theirs, context))
            receiver.start()
            port = ours.recv()
            for name, factory in (("uvloop", uvloop.new_event_loop), ("asyncio", asyncio.new_event_loop)):
                for way, release in ways.items():
                    if trusted and release is through_bare_sockets:
                        continue  # there is nothing bare to send in TLS
                    for size in (10, 25, 50):
                        with asyncio.Runner(loop_factory=factory) as runner:
                            spreads = runner.run(races(ours, port, size, count, trusted, release))
                        high = statistics.quantiles(spreads, n=20)[-1]
                        print(
                            f"{'tls' if trusted else 'tcp'} {name:8} {way:16} {size:3} requests: "
                            f"median {statistics.median(spreads) * 1e6:6.0f} us, p95 {high * 1e6:6.0f} us"
                        )
            ours.send(None)
            receiver.join()


if __name__ == "__main__":
    main()
