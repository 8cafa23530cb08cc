"""Whether a scrape that overlaps every probe shows in the measured latency, against a quiet run beside it."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.figures import percentile, table
from benchmarks.stacks import default_stack
from prober.demo.process import Owner
from prober.publish.journal.reader import Reader

SERVER_DELAY = 0.003
PHASE = 20.0

# Answers 200 after three milliseconds, so that a probe is in flight for a while; as soon as a request is there,
# it has the scraper told.
SLOW_SERVER = """
import asyncio, socket, sys
port, bell, delay = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
ringer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
async def serve(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    ringer.sendto(b"now", ("127.0.0.1", bell))
    await asyncio.sleep(delay)
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nOK")
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()
asyncio.run(main())
"""

# Asks for /metrics whenever the bell rings: every probe has a scrape beside it.
SCRAPER = """
import http.client, socket, sys
host, port = sys.argv[1].split(":")
bell = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bell.bind(("127.0.0.1", int(sys.argv[2])))
connection = http.client.HTTPConnection(host, int(port), timeout=10)
while True:
    bell.recv(16)
    connection.request("GET", "/metrics")
    connection.getresponse().read()
"""


@asynccontextmanager
async def scraping(owner: Owner, address: str, bell: int) -> AsyncIterator[None]:
    directory = owner.directory
    child = owner.spawn(
        [sys.executable, "-c", SCRAPER, address, str(bell)],
        name="scraper",
        cwd=directory,
        log_file=directory / "scraper.log",
    )
    try:
        yield
        assert child.running, child.log_tail()
    finally:
        await child.stop()


async def measure(rounds: int = 4) -> str:
    """Quiet and scraped phases in turn, in one run of one daemon."""
    webhook: dict[str, Any] = {
        "interval": "100ms",
        "timeout": "1s",
        "down_interval": "100ms",
        "processing_deadline": "1h",
    }
    async with Owner() as owner:
        port, bell = owner.port(), owner.port()
        owner.spawn(
            [sys.executable, "-c", SLOW_SERVER, str(port), str(bell), str(SERVER_DELAY)],
            name="slow server",
            cwd=owner.directory,
            log_file=owner.directory / "slow.log",
        )
        settings = {"url": f"http://127.0.0.1:{port}", "rate_limit": "2000/1m"}
        probes: dict[str, dict[str, Any]] = {
            "webhook": webhook,
            "race": {"enabled": False},
            "health": {"enabled": False},
        }
        # Nothing of what this server takes ever has an effect, and nothing of it may be called lost or an orphan.
        sections = {"cleanup": {"orphan_age": "2h"}}
        async with default_stack(probes, target_config=settings, config_sections=sections) as stack:
            await stack.start_watcher()
            reader = Reader(stack.data_dir)
            _, text = await stack.watcher.get("/metrics")
            series = sum(not line.startswith("#") for line in text.splitlines())
            quiet: list[float] = []
            scraped: list[float] = []
            for _ in range(rounds):
                quiet += await phase(reader)
                async with scraping(owner, stack.watcher.address, bell):
                    scraped += await phase(reader)
    rows = [
        (
            name,
            len(values),
            *(f"{percentile(values, p) * 1000:.2f} ms" for p in (50, 95, 99)),
        )
        for name, values in (("quiet", quiet), ("a scrape beside every webhook", scraped))
    ]
    shift = {p: (percentile(scraped, p) - percentile(quiet, p)) * 1000 for p in (50, 99)}
    return (
        f"A server that answers after {SERVER_DELAY * 1000:g} ms, a webhook every 100 ms, {series} series a "
        f"scrape; phases of {PHASE:g} s in turn.\n\n"
        + table(["phase", "webhooks", "median", "p95", "p99"], rows)
        + f"\n\nShift by the scrapes: **{shift[50]:+.2f} ms** at the median (bar: 0.5 ms), "
        f"**{shift[99]:+.2f} ms** at p99 (bar: 2 ms)."
    )


async def phase(reader: Reader) -> list[float]:
    """The answer times of one phase."""
    await asyncio.sleep(1)
    began = time.time()
    await asyncio.sleep(PHASE)
    ended = time.time()
    await asyncio.sleep(2)  # until the journal has them
    results = reader.results("webhook", limit=1000)
    return [r.duration for r in results if began <= r.started_wall <= ended and r.outcome == "ok"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    print(asyncio.run(measure(parser.parse_args().rounds)))
