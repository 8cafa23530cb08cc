"""`python -m proofs.cleanups`: a loop of `prober cleanup` beside a daemon disturbs nothing that lives.

While one daemon races and sends without a pause, a clean-up runs again and again: beside it, with its own
data_dir, and as another prober with a data_dir where nobody works, which knows of the daemon by its marks alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from prober.demo.process import Owner
from prober.demo.stack import Stack
from proofs.page import DOCS, head, table
from tests.system.commanding import prober
from tests.system.daemon_stack import config_of, fast_stack, rows
from tests.system.watching import Watched

PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {"interval": "200ms", "timeout": "2s", "down_interval": "200ms", "processing_deadline": "4s"},
    "race": {"interval": "200ms", "timeout": "2s", "split_order_interval": "2s", "win_rate_window": 10_000},
    "redis": {"interval": "100ms", "timeout": "1s"},
}
RACES = 200


@dataclass
class Figures:
    """What a run came to. `broken` are the promises that were not kept."""

    races: Counter[str] = field(default_factory=Counter)
    settled: Mapping[str, int] = field(default_factory=dict)
    beside: int = 0
    elsewhere: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    seen_alive: int = 0  # things of ours that a clean-up found and left, as those of one who may live
    rows_at_end: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def expect(self, kept: bool, otherwise: str) -> None:
        """Note a promise that was not kept."""
        if not kept:
            self.broken.append(otherwise)


async def loop(races: int) -> Figures:
    """Clean up in a loop until so many races are over."""
    began, figures = time.monotonic(), Figures()
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="5s")
        await stack.start_services()
        other = _elsewhere(stack)
        await stack.start_watcher()
        watched = Watched(stack)
        while len(watched.reader.races(limit=races)) < races or not figures.elsewhere:
            await _clean(figures, stack.config_file, running=True)
            await _clean(figures, other, running=False)
        scrape = await watched.scrape()
        for name in ("whatsapp_webhook_violations_total", "whatsapp_webhook_lost_total"):
            figures.expect(scrape.total(name) == 0, f"{name} is {scrape.total(name):g}")
        await stack.watcher.stop(timeout=60)
        figures.races = Counter(race.outcome for race in watched.reader.races(limit=100_000))
        figures.settled = watched.reader.counts().settlements
        told = [f"{v.id}: {v.sentence}" for v in watched.reader.violations(limit=1000)]
        figures.rows_at_end = sum((await rows(stack)).values())
    figures.expect(not told, f"false reports: {told}")
    figures.expect(set(figures.races) == {"one_winner"}, f"races ended as {dict(figures.races)}")
    figures.expect(set(figures.settled) <= {"done"}, f"messages were settled as {dict(figures.settled)}")
    figures.expect(not sum(figures.removed.values()), f"what lives was removed: {dict(figures.removed)}")
    figures.expect(not figures.rows_at_end, f"{figures.rows_at_end} rows left")
    figures.seconds = time.monotonic() - began
    return figures


def _elsewhere(stack: Stack) -> Path:
    """The config of a prober of another instance on the same target, that never ran."""
    file = stack.directory / "elsewhere.yaml"
    data_dir = stack.directory / "elsewhere-data"
    document = config_of(stack) | {"instance": "elsewhere", "data_dir": str(data_dir)}
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


async def _clean(figures: Figures, config: Path, *, running: bool) -> None:
    said = await prober(config, "cleanup", "--json")
    figures.expect(said.code == 0, f"cleanup ended with {said.code}: {said.err}")
    document = said.document
    figures.expect(document["running"] is running, f"cleanup said running: {document['running']}")
    figures.beside += running
    figures.elsewhere += not running
    for kind in ("orders", "messages", "keys"):
        figures.removed[kind] += document[kind]["removed"]
        figures.seen_alive += sum(entry["count"] for entry in document[kind]["left"])


def page(figures: Figures) -> str:
    """The page of docs/."""
    found = [
        ("races", sum(figures.races.values()), ""),
        ("of them with one winner", figures.races["one_winner"], "all"),
        ("messages settled", sum(figures.settled.values()), ""),
        ("of them in time", figures.settled.get("done", 0), "all"),
        ("clean-ups beside the daemon", figures.beside, ""),
        ("clean-ups as another prober", figures.elsewhere, ""),
        ("living orders and messages that they found, and left alone", figures.seen_alive, ""),
        *((f"{kind} removed by them", figures.removed[kind], 0) for kind in ("orders", "messages", "keys")),
        ("rows left after the daemon's end", figures.rows_at_end, 0),
        ("**promises not kept**", f"**{len(figures.broken)}**", 0),
    ]
    broken = "".join(f"- {sentence}\n" for sentence in figures.broken)
    what = (
        "`prober cleanup` in a loop, beside a daemon that races and sends without a pause: with the daemon's own "
        "config, and\nwith that of another prober, to which the daemon's orders and messages are strangers'."
    )
    return (
        f"{head('Clean-ups', 'python -m proofs.cleanups', what)}\n{figures.seconds:.0f} seconds.\n\n"
        f"{table(('figure', 'value', 'allowed'), found)}\n{broken}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=RACES)
    came = asyncio.run(loop(parser.parse_args().races))
    (DOCS / "cleanups.md").write_text(page(came), encoding="utf-8")
    for sentence in came.broken:
        print(sentence, file=sys.stderr)
    sys.exit(1 if came.broken else 0)
