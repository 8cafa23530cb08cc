"""`python -m proofs.detection`: every planted fault told, nothing told in clean runs, how sharp the race is."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from prober.alerts.doc import measured_part, with_measured
from prober.demo.process import Owner
from prober.demo.stack import DEFAULT_CONTRACT
from prober.demo.target.control_client import ControlClient
from proofs import rare
from proofs.clean import CleanRun, clean_run
from proofs.detecting import Detected, detect
from proofs.faults import CASES
from proofs.page import DOCS, commit, ran, table
from tests.system.daemon_stack import fast_stack
from tests.system.watching import Watched

PAGE = DOCS / "detection.md"
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


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How long the parts are: races and webhooks of a clean run, kills on its way, races for a rare window."""

    races: int = 2000
    webhooks: int = 5000
    kills: int = 10
    rare: int = 100


@dataclass(frozen=True)
class Part:
    """One measured part of the page. `run` gives its text, and how many reports were false or missing."""

    title: str
    says: str
    run: Callable[[Sizes], Awaitable[tuple[str, int]]]


async def detections(contract: str) -> list[Detected]:
    """Every case, one after the other, on one stack whose target has the form of this contract."""
    found: list[Detected] = []
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, contract, **SECTIONS)
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        await watched.clean_again()
        async with ControlClient(stack.target.control_url) as control:
            for case in CASES:
                print(f"planting {case.fault}", file=sys.stderr)
                found += await detect(watched, control, [case])
    return found


def detection_chapter(found: Sequence[Detected]) -> str:
    """The table of faults."""
    rows = [
        (f"`{d.case.fault}`", d.case.outcome, d.case.sign, f"{d.seconds:.1f} s", d.evidence[:300]) for d in found
    ]
    header = ["fault", "outcome", "metric", "told after", "evidence"]
    return f"**{len(found)} of {len(CASES)} told.**\n\n" + table(header, rows)


def clean_chapter(run: CleanRun) -> str:
    """What a clean run came to."""
    header = [
        *("races", "outcomes", "webhooks", "unanswered", "target took / processed", "false reports"),
        *("leftovers", "kills / outages told", "took"),
    ]
    row = (
        sum(run.races.values()),
        ", ".join(f"{n} {outcome}" for outcome, n in run.races.most_common()),
        run.webhooks,
        run.unanswered,
        f"{run.accepted_by_target} / {run.processed_by_target}",
        f"**{run.false_reports}**",
        f"{run.leftovers:g}",
        f"{run.kills} / {run.outages}",
        f"{run.seconds:.0f} s",
    )
    return "\n\n".join([table(header, [row]), *(f"- {line}" for line in run.violations)])


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
    return f"{races} races each.\n\n" + table(header, rows)


async def _faults(contract: str, _: Sizes) -> tuple[str, int]:
    found = await detections(contract)
    return detection_chapter(found), len(CASES) - len(found)


async def _clean(way: Mapping[str, Any], sizes: Sizes) -> tuple[str, int]:
    run = await clean_run(sizes.races, sizes.webhooks, **way)
    return clean_chapter(run), run.false_reports


async def _crashes(sizes: Sizes) -> tuple[str, int]:
    run = await clean_run(sizes.races, sizes.webhooks, kills=sizes.kills)
    return clean_chapter(run), run.false_reports + abs(run.kills - run.outages)


async def _rare(sizes: Sizes) -> tuple[str, int]:
    return await rare_chapter(sizes.rare), 0


_INTERVALS = ", ".join(
    f"{probe} {section['interval']}" for probe, section in PROBES.items() if "interval" in section
)
PARTS: Mapping[str, Part] = {
    "faults": Part(
        "Planted faults, the system as deployed",
        f"Intervals: {_INTERVALS}, rarer checks 2s, second routings 2s, processing deadline 3s. *Told after*: "
        "from the planting to the scrape that shows it, so the interval of the check and the deadline are in it.",
        partial(_faults, DEFAULT_CONTRACT),
    ),
    "faults-guide": Part(
        "Planted faults, contract `guide`",
        "The same faults in a target of the guide's form (its paths and tables, 409 for who lost), by the same "
        "intervals.",
        partial(_faults, "guide"),
    ),
    "plain": Part("Clean run, plain", "Nothing planted, and nothing in between.", partial(_clean, {})),
    "rough": Part(
        "Clean run, rough",
        "A TCP proxy with 50 ± 20 ms there and back; 1 % of the connections are reset and 1 % stalled past the "
        "timeout when the answer comes, so that the target has done what we cannot know of. There *unknown* is "
        "allowed and a violation is not.",
        partial(_clean, {"rough": True}),
    ),
    "crashes": Part(
        "Clean run, crashes",
        "PostgreSQL and Redis are killed in turn on the way, and started again once the outage was told. There an "
        "outage is right, races may be without a verdict, and a violation or a loss is not allowed.",
        _crashes,
    ),
    "clean-guide": Part(
        "Clean run, contract `guide`",
        "Nothing planted in a target of the guide's form.",
        partial(_clean, {"contract": "guide"}),
    ),
    "rare": Part(
        "A rare window",
        "`double_accept_rare`: an unlocked SELECT, then an UPDATE, in PostgreSQL, with two worker processes. "
        "Races of ours and of an `asyncio.gather` of aiohttp posts in turn on the same target. *Free heat*: "
        "without the second one, in which the row is locked until all have asked. *Window*: median time from look "
        "to write, as the target measures it. *Arrivals*: first to last accept at the target, median.",
        _rare,
    ),
}


def page(parts: Mapping[str, str]) -> str:
    """The whole page, with these measured parts."""
    written = f'Written by `make detection`; `make detection PARTS="{" ".join(PARTS)}"` for some of its parts.'
    text = f"# Detection\n\n{WHAT}\n\n{written}\n"
    for name, part in PARTS.items():
        text += f"\n## {part.title}\n\n{part.says}\n\n"
        text = with_measured(text, name, parts.get(name) or "Not measured yet.") + "\n"
    return text


def parts_of(text: str) -> dict[str, str]:
    """The measured parts of a page."""
    return {name: measured_part(text, name) for name in PARTS}


async def write(names: Sequence[str], sizes: Sizes) -> int:
    """Run these parts and put each into docs/detection.md; the number of reports that were false or missing."""
    wrong, begun_at = 0, commit()
    for name in names:
        print(f"running {name}", file=sys.stderr)
        text, failed = await PARTS[name].run(sizes)
        wrong += failed
        parts = parts_of(PAGE.read_text(encoding="utf-8"))
        parts[name] = f"{ran(begun_at, 'make detection')}\n\n{text}"
        PAGE.write_text(page(parts), encoding="utf-8")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m proofs.detection", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all if none is named: {', '.join(PARTS)}")
    for size, default in asdict(Sizes()).items():
        parser.add_argument(f"--{size}", type=int, default=default)
    given = vars(parser.parse_args())
    chosen = given.pop("parts") or list(PARTS)
    if unknown := set(chosen) - PARTS.keys():
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    sys.exit(1 if asyncio.run(write(chosen, Sizes(**given))) else 0)
