"""`python -m benchmarks [NAME…]`: every measurement, or these, in turn, into docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
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

Written by `make bench`, or chapter by chapter by `python -m benchmarks NAME…`. Figures are of one run on one
machine; the ratios and bars are what to look at.
"""
STAMP = (
    "Measured on {date} at commit {commit}, Python {python}, {cores} cores, load average {load} at the beginning."
)


def stamp() -> str:
    """What was measured, where and when."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PAGE.parent).stdout.strip()
    return STAMP.format(
        date=time.strftime("%Y-%m-%d"),
        commit=commit,
        python=platform.python_version(),
        cores=os.cpu_count(),
        load=f"{os.getloadavg()[0]:.1f}",
    )


def chapter(title: str, module: str, stamped: str, text: str) -> str:
    """One chapter of the page."""
    return f"## {title}\n\n`python -m benchmarks.{module}`. {stamped}\n\n{text}\n"


def chapters_of(page: str) -> dict[str, str]:
    """The chapters of a page by title."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part[3 : part.index("\n")]: part.rstrip("\n") + "\n" for part in parts}


async def run(names: Sequence[str]) -> None:
    """Measure these chapters; the others stay as they are."""
    chapters = chapters_of(PAGE.read_text(encoding="utf-8"))
    for title, module, measure in CHAPTERS:
        if not names or module in names:
            print(f"measuring: {title}", file=sys.stderr)
            stamped = stamp()
            chapters[title] = chapter(title, module, stamped, await measure())
    ordered = [chapters[title] for title, _, _ in CHAPTERS if title in chapters]
    PAGE.write_text("\n".join((HEAD, *ordered)), encoding="utf-8")


if __name__ == "__main__":
    known = [module for _, module, _ in CHAPTERS]
    if unknown := set(sys.argv[1:]) - set(known):
        sys.exit(f"no such chapter: {', '.join(sorted(unknown))}; chapters: {', '.join(known)}")
    asyncio.run(run(sys.argv[1:]))
