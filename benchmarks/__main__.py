"""`python -m benchmarks`: every measurement, one after the other, into docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import cost, engine, page, proxy, recovery, scrape

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

CHAPTERS: tuple[tuple[str, str, Callable[[], Awaitable[str]]], ...] = (
    ("What the daemon costs", "cost", cost.measure),
    ("Recovery, measured and true", "recovery", recovery.measure),
    ("A scrape beside every probe", "scrape", scrape.measure),
    ("The status page", "page", page.measure),
    ("A proxy in between", "proxy", proxy.measure),
    ("The load engine beside others", "engine", engine.measure),
)

HEAD = """\
# Benchmarks

Written by `make bench`; each chapter can be run alone by the command that it names. Figures are of one run on one
machine; the ratios and bars are what to look at.

Measured on {date} at commit {commit}, Python {python}, {cores} cores, load average {load} at the beginning.
"""


def commit() -> str:
    """The commit that is measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=PAGE.parent).stdout.strip()


async def run_all(measured: str) -> str:
    """Run every chapter and return the page."""
    parts = [
        HEAD.format(
            date=time.strftime("%Y-%m-%d"),
            commit=measured,
            python=platform.python_version(),
            cores=os.cpu_count(),
            load=f"{os.getloadavg()[0]:.1f}",
        )
    ]
    for title, module, measure in CHAPTERS:
        print(f"measuring: {title}", file=sys.stderr)
        parts.append(f"## {title}\n\n`python -m benchmarks.{module}`\n\n{await measure()}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(run_all(commit())), encoding="utf-8")
