"""What the daemon costs at its default config: CPU, memory, and how long it takes to its first complete round."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.figures import children, table, usage
from benchmarks.installed import core_python
from benchmarks.stacks import default_stack

SETTLE = 15.0
SECONDS = 120.0


async def measure() -> str:
    """Run it for two minutes, scraped every 10 s as by Prometheus."""
    with core_python() as python:
        return await _measured(python)


async def _measured(python: Path) -> str:
    async with default_stack() as stack:
        stack.watcher.python = python
        before = time.monotonic()
        await stack.start_watcher()
        start = time.monotonic() - before
        await asyncio.sleep(SETTLE)
        main = stack.watcher.pid
        (web,) = children(main)
        used = {name: usage(pid) for name, pid in (("probing", main), ("web", web))}
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            await stack.watcher.get("/metrics")
            await asyncio.sleep(10)
        seconds = time.monotonic() - began
        rows, cpu, rss, pss = [], 0.0, 0.0, 0.0
        for name, pid in (("probing", main), ("web", web)):
            now = usage(pid)
            share = (now.cpu - used[name].cpu) / seconds * 100
            rows.append((name, f"{share:.2f} %", f"{now.rss:.1f} MB", f"{now.pss:.1f} MB"))
            cpu, rss, pss = cpu + share, rss + now.rss, pss + now.pss
        rows.append(("**both**", f"**{cpu:.2f} %**", f"**{rss:.1f} MB**", f"**{pss:.1f} MB**"))
        return (
            f"Installed as by the Dockerfile. Over {seconds:.0f} s, scraped every 10 s. "
            "Bars: under 1 % of one core, under 100 MB.\n\n"
            + table(["process", "CPU of one core", "resident", "proportional"], rows)
            + f"\n\nStart of the process to the first complete round of all probes: **{start:.2f} s** "
            "(bar: under 2 s)."
        )


if __name__ == "__main__":
    print(asyncio.run(measure()))
