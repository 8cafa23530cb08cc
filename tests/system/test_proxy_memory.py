"""Whatever a side does, the proxy holds little, and passes everything on in the end."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path

from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy
from tests.http1.raw_server import Peer
from tests.system.proxying import before_script, connected_to, counted

MEGABYTE = 1 << 20
TOTAL = 200 * MEGABYTE
BLOCK = bytes(range(256)) * 4096
# A window of 256 KiB each way and one read; the rest is what an allocator keeps.
GROWTH = 8 * MEGABYTE


def resident(proxy: Proxy) -> int:
    """Its resident memory at the highest, in bytes (proc(5): VmHWM)."""
    lines = Path(f"/proc/{proxy.pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def test_two_hundred_megabytes_against_a_reader_that_has_stopped(owner: Owner) -> None:
    go = threading.Event()
    digests: list[str] = []

    def stop_then_read(peer: Peer) -> None:
        assert go.wait(60)
        digest = hashlib.sha256()
        while data := peer.sock.recv(MEGABYTE):
            digest.update(data)
        digests.append(digest.hexdigest())

    sent = 0

    def send_all(port: int) -> None:
        nonlocal sent
        with connected_to(port) as client:
            client.settimeout(None)
            while sent < TOTAL:
                client.sendall(BLOCK)
                sent += len(BLOCK)

    async with before_script(owner, stop_then_read) as (proxy, server):
        before = resident(proxy)
        sending = asyncio.create_task(asyncio.to_thread(send_all, proxy.port))
        last = -1
        while sent != last or not sent:  # until both kernels' buffers are full as well
            last = sent
            await asyncio.sleep(0.5)
        assert sent < TOTAL
        assert resident(proxy) - before < GROWTH
        go.set()
        await sending
        await asyncio.to_thread(server.wait_finished)
        assert digests == [hashlib.sha256(BLOCK * (TOTAL // len(BLOCK))).hexdigest()]
        assert resident(proxy) - before < GROWTH
        assert (await proxy.state()).counters.bytes_up == TOTAL


async def test_a_flood_of_single_bytes_under_a_long_latency(owner: Owner) -> None:
    def read(peer: Peer) -> None:
        peer.sock.settimeout(60)
        while peer.sock.recv(MEGABYTE):
            pass

    async with before_script(owner, read) as (proxy, _):
        await proxy.set(latency=3600, jitter=3600)
        before = resident(proxy)

        def flood() -> None:
            with connected_to(proxy.port) as client:
                for _ in range(100_000):
                    client.send(b"x")

        await asyncio.to_thread(flood)
        await counted(proxy, "the connection", lambda counters: counters.connections == 1)
        assert resident(proxy) - before < GROWTH
        await proxy.clear()
        state = await counted(proxy, "every byte", lambda counters: counters.bytes_up == 100_000)
        assert state.counters.bytes_up == 100_000
        await counted(proxy, "the end", lambda counters: counters.open == 0)
