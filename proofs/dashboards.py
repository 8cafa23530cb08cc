"""`python -m proofs.dashboards`: every expression, asked of a real Prometheus after incidents."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from prober.dashboards.declarations import DASHBOARDS
from prober.dashboards.panel import Place
from prober.demo.process import Owner
from prober.demo.prometheus import Prometheus
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from proofs.asking import Answer, Window, ask_all, ask_marks, complaints, recording_rules
from proofs.dashboards_page import page
from proofs.page import DOCS
from proofs.planting import DRILLS, LOAD, RACE, maintained, outages, paused, plantable_stack, suites, violations
from tests.system.watching import Watched

SCRAPE = 1.0  # seconds, as the demo scrapes
LIMIT = 100.0  # milliseconds that a panel's expression may take
ROOT = Path(__file__).parents[1]


async def scraping(stack: Stack) -> Prometheus:
    """A Prometheus on the stack's daemon, with the rules that the dashboards need."""
    prometheus = Prometheus(
        stack.owner,
        stack.directory / "prometheus",
        {"prober": [stack.watcher.address]},
        [recording_rules(stack.directory, ROOT / "alerts" / "recording.rules.yml")],
        scrape_interval=SCRAPE,
        evaluation_interval=SCRAPE,
    )
    await prometheus.start()
    return prometheus


async def measured() -> tuple[Mapping[Place, list[Answer]], list[Answer], Window]:
    """The answers of every dashboard, and of the annotations, after everything has happened once."""
    async with Owner() as owner:
        stack = plantable_stack(owner)
        await stack.start_services()
        start = time.time()
        prometheus = await maintained(stack, scraping)
        watched = Watched(stack)
        await watched.clean_again()
        async with ControlClient(stack.target.control_url) as control:
            await violations(watched, control, prometheus)
        await outages(watched, prometheus)
        await paused(watched, prometheus)
        await watched.clean_again()
        await suites(watched, LOAD, RACE, *DRILLS)
        await watched.clean_again()
        window = Window.since(start, scrape=SCRAPE)
        answers = {each.place: await ask_all(prometheus, each, window) for each in DASHBOARDS}
        return answers, await ask_marks(prometheus, window), window


async def write() -> int:
    """Run it, write the page; the number of expressions that answered nothing, or too slowly."""
    answers, marks, window = await measured()
    every = [*(answer for of_one in answers.values() for answer in of_one), *marks]
    wrong = complaints(every)
    wrong += [f"{each.name}: {each.milliseconds:.0f} ms" for each in every if each.milliseconds >= LIMIT]
    (DOCS / "dashboards.md").write_text(page(answers, marks, window), encoding="utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    slowest = max(each.milliseconds for each in every)
    print(f"{len(every)} expressions, {len(wrong)} wrong, the slowest {slowest:.1f} ms")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(write()) else 0)
