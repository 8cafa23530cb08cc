"""`python -m proofs.detection`: every planted fault told, nothing told in clean runs, how sharp the race is."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from proofs import rare
from proofs.clean import CleanRun, clean_run
from proofs.detecting import Detected, detect
from proofs.faults import CASES
from proofs.page import DOCS, head, table
from tests.system.daemon_stack import fast_stack
from tests.system.watching import Watched

PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {
        "interval": "500ms",
        "timeout": "1s",
        "down_interval": "500ms",
        "processing_deadline": "3s",
        "checks_interval": "2s",
    },
    "race": {"interval": "1s", "timeout": "2s", "split_order_interval": "2s"},
    "redis": {"details_interval": "1s"},
    "database": {"details_interval": "1s"},
    "health": {"interval": "1s"},
}
SECTIONS: Mapping[str, Any] = {"outages": {"recovery_hold": "1s"}}
WHAT = """\
Every fault that the reference target can plant, each told by the metric and with the evidence named here; then
runs in which nothing is planted and nothing may be told; then how often a window of a few hundred microseconds
between look and write is caught."""


async def detections() -> list[Detected]:
    """Every case, one after the other, on one stack."""
    found = []
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, **SECTIONS)
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        await watched.clean_again()
        async with ControlClient(stack.target.control_url) as control:
            for case in CASES:
                print(f"planting {case.fault}", file=sys.stderr)
                found.append(await detect(watched, control, case))
    return found


def detection_chapter(found: Sequence[Detected]) -> str:
    """The table of faults."""
    rows = [
        (f"`{d.case.fault}`", d.case.outcome, d.case.sign, f"{d.seconds:.1f} s", d.evidence[:300]) for d in found
    ]
    intervals = ", ".join(
        f"{probe} {section['interval']}" for probe, section in PROBES.items() if "interval" in section
    )
    return (
        f"## {len(found)} of {len(CASES)} planted faults told\n\n"
        f"Intervals: {intervals}, rarer checks 2s, second routings 2s, processing deadline 3s. *Told after*: from "
        "the planting to the scrape that shows it, so the interval of the check and the deadline are in it.\n\n"
        + table(["fault", "outcome", "metric", "told after", "evidence"], rows)
    )


def clean_chapter(runs: Sequence[tuple[str, CleanRun]]) -> str:
    """The clean runs side by side."""
    rows = [
        (
            way,
            sum(run.races.values()),
            ", ".join(f"{n} {outcome}" for outcome, n in run.races.most_common()),
            run.webhooks,
            run.unanswered,
            f"{run.accepted_by_target} / {run.processed_by_target}",
            f"**{run.false_reports}**",
            f"{run.leftovers:g}",
            f"{run.seconds:.0f} s",
        )
        for way, run in runs
    ]
    header = ["way", "races", "outcomes", "webhooks", "unanswered", "target took / processed", "false reports"]
    told = [f"- {way}: {line}" for way, run in runs for line in run.violations]
    rough = (
        "*Rough*: a TCP proxy with 50 ± 20 ms there and back; 1 % of the connections are reset and 1 % stalled "
        "past the timeout when the answer comes, so that the target has done what we cannot know of. There "
        "*unknown* is allowed and a violation is not. *Crashes*: PostgreSQL and then Redis are killed and started "
        "again on the way; there an outage is right and a violation is not."
    )
    parts = ["## Clean runs", rough, table([*header, "leftovers", "took"], rows), "\n".join(told)]
    return "\n\n".join(part for part in parts if part)


async def rare_chapter(races: int) -> str:
    """How sharp the race is, against a naive client."""
    rows = []
    for vendors in (5, 2, 10):
        for way in (None, {"latency": 0.010, "jitter": 0.0025}):
            print(f"racing {vendors} vendors, {way or 'direct'}", file=sys.stderr)
            caught = await rare.measure(vendors, races, way=way)
            rows.append(
                (
                    caught.vendors,
                    caught.way,
                    f"{caught.window * 1e6:.0f} µs",
                    f"**{caught.ours / races:.2f}**",
                    f"{caught.free / races:.2f}",
                    f"{caught.naive / races:.2f}",
                    f"{caught.our_spread * 1e3:.2f} ms",
                    f"{caught.naive_spread * 1e3:.2f} ms",
                )
            )
    header = [
        *("vendors", "way", "window", "caught, prober", "by the free heat", "caught, naive"),
        *("arrivals, prober", "arrivals, naive"),
    ]
    return (
        "## A rare window\n\n"
        f"`double_accept_rare`: an unlocked SELECT, then an UPDATE, in PostgreSQL, with two worker processes. "
        f"{races} races each, ours and those of an `asyncio.gather` of aiohttp posts in turn on the same target. "
        "*Free heat*: without the second one, in which the row is locked until all have asked. "
        "*Window*: median time from look to write, as the target measures it. *Arrivals*: first to last accept at "
        "the target, median.\n\n" + table(header, rows)
    )


async def write(races: int, webhooks: int, rare_races: int) -> int:
    """Run it all and write docs/detection.md; the number of false reports and untold faults."""
    found = await detections()
    runs = []
    for way, rough in (("plain", False), ("rough", True)):
        print(f"clean run, {way}", file=sys.stderr)
        runs.append((way, await clean_run(races, webhooks, rough=rough)))
    print("clean run, crashes", file=sys.stderr)
    runs.append(("crashes", await clean_run(races // 10, webhooks // 10, crashes=True)))
    chapters = [
        head("Detection", "make detection", WHAT),
        detection_chapter(found),
        clean_chapter(runs),
        await rare_chapter(rare_races),
    ]
    (DOCS / "detection.md").write_text("\n\n".join(chapters) + "\n", encoding="utf-8")
    return sum(run.false_reports for _, run in runs) + len(CASES) - len(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=2000)
    parser.add_argument("--webhooks", type=int, default=5000)
    parser.add_argument("--rare", type=int, default=100)
    given = parser.parse_args()
    sys.exit(1 if asyncio.run(write(given.races, given.webhooks, given.rare)) else 0)
