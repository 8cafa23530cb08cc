"""`python -m proofs.alerting`: everything that can break, broken; who is told, and after how many seconds.

On a real Prometheus and a real Alertmanager at the intervals shipped (10 s), each case on a stack of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prober.alerts.__main__ import ALERTING
from prober.alerts.alertmanager import PAGER
from prober.alerts.declarations import BY_NAME
from prober.alerts.doc import measured_part, with_measured
from prober.alerts.labels import Severity
from prober.demo.alerting import Alerting
from prober.demo.pager import Notified
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from proofs.alert_cases import CASES, Case, Scene
from proofs.page import DOCS, commit, table
from tests.system.daemon_stack import fast_stack
from tests.system.watching import Watched, until

INTERVAL = 10.0  # seconds: scrapes and evaluations, as shipped
# As shipped where the time to a page depends on it; races, checks and details come more often, to be done sooner.
PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {"interval": "2s", "timeout": "10s", "processing_deadline": "10s", "checks_interval": "10s"},
    "race": {"interval": "5s", "timeout": "10s", "split_order_interval": "10s"},
    "redis": {"interval": "1s", "timeout": "1s", "details_interval": "10s"},
    "database": {"interval": "1s", "timeout": "2s", "details_interval": "10s"},
    "health": {"interval": "10s"},
}
QUIET_BEFORE = 25.0  # seconds in which nobody may be told of anything
# The promises: seconds from the first failed probe, and from the verdict.
OUTAGE_WITHIN, VIOLATION_WITHIN = 45.0, 30.0


@dataclass
class Told:
    """What came of one case; times are seconds."""

    case: Case
    pages: dict[str, float] = field(default_factory=dict)  # from the planting, by alert
    tickets: dict[str, float] = field(default_factory=dict)
    held_back: list[str] = field(default_factory=list)
    after_planting: float | None = None  # the verdict, or the first failed probe
    wrong: list[str] = field(default_factory=list)

    @property
    def after_verdict(self) -> float | None:
        """The first page, from the verdict or the first failed probe."""
        if self.after_planting is None or not self.pages:
            return None
        return min(self.pages.values()) - self.after_planting

    def judge(self) -> None:
        """Note what is not as it has to be."""
        if missing := (self.case.pages - self.pages.keys()) | (self.case.tickets - self.tickets.keys()):
            self.wrong.append(f"not told: {', '.join(sorted(missing))}")
        allowed = self.case.pages | self.case.tickets | self.case.may
        if more := (self.pages.keys() | self.tickets.keys()) - allowed:
            self.wrong.append(f"told as well: {', '.join(sorted(more))}")
        limit = VIOLATION_WITHIN if self.case.since == "violation" else OUTAGE_WITHIN
        if self.case.since and self.case.pages and (self.after_verdict is None or self.after_verdict > limit):
            self.wrong.append(f"paged {self.after_verdict} s after the verdict; promised are {limit:g} s")


async def told_of(case: Case, interval: float = INTERVAL, **sections: Any) -> Told:
    """Run one case on a stack of its own."""
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, **sections)
        await stack.start_services()
        await stack.start_watcher()
        alerting = Alerting(
            owner=owner, directory=stack.directory, probers=[stack.watcher.address], interval=interval
        )
        await alerting.start()
        try:
            async with ControlClient(stack.target.control_url) as control:
                return await _scene(case, Scene(Watched(stack), control, alerting))
        finally:
            await alerting.stop()


async def _scene(case: Case, scene: Scene) -> Told:
    pager, told = scene.alerting.pager, Told(case)
    await scene.watched.clean_again()
    await asyncio.sleep(QUIET_BEFORE)
    if early := [each.name for each in _people(pager.notified)]:
        told.wrong.append(f"told before anything was broken: {early}")
    pager.notified.clear()
    began, began_wall = time.monotonic(), time.time()
    await case.act(scene)

    async def all_told() -> bool:
        return case.pages | case.tickets <= {each.name for each in _people(pager.notified)}

    with suppress(AssertionError):  # what is missing is told in the table
        await until(f"{case.name} to be told", all_told, case.within)
    await asyncio.sleep(case.settle)
    for each in _people(pager.notified):
        where = told.pages if each.receiver == PAGER else told.tickets
        where.setdefault(each.name, each.at - began)
    firing = {each.name for each in await scene.alerting.prometheus.alerts() if each.state == "firing"}
    everyone = firing - told.pages.keys() - told.tickets.keys()
    told.held_back = sorted(name for name in everyone if BY_NAME[name].severity is not Severity.NONE)
    told.after_planting = _first(case, scene.watched, began_wall)
    told.judge()
    return told


def _people(notified: Sequence[Notified]) -> list[Notified]:
    """What was sent to people, but not that something is over."""
    return [each for each in notified if each.firing and each.labels["severity"] != Severity.NONE]


def _first(case: Case, watched: Watched, began_wall: float) -> float | None:
    """Seconds from the planting to the verdict, or to the first failed probe of an outage."""
    if case.since == "violation":
        walls = [each.first_wall for each in watched.reader.violations(limit=1000)]
    else:
        walls = [each.began_wall for each in watched.reader.outages(limit=100) if each.probe == case.since]
    after = [wall for wall in walls if wall >= began_wall - 1]
    return max(0.0, min(after) - began_wall) if after and case.since else None


async def run(cases: Sequence[Case], at_once: int) -> list[Told]:
    """Run them, so many at the same time."""
    room = asyncio.Semaphore(at_once)

    async def one(case: Case) -> Told:
        async with room:
            began = time.monotonic()
            told = await told_of(case)
            print(f"{case.name}: {_words(told.pages) or 'nobody paged'} ({time.monotonic() - began:.0f} s)"
                  + "".join(f"\n  WRONG: {each}" for each in told.wrong), file=sys.stderr)  # fmt: skip
            return told

    return list(await asyncio.gather(*(one(case) for case in cases)))


def chapter(found: Sequence[Told], before: str) -> str:
    """The table; of cases that were not run the rows of the page as it stands."""
    names = {case.name for case in CASES}
    rows = {name: line for line in before.splitlines() if (name := _first_cell(line)) in names}
    rows |= {_first_cell(line): line for line in table(_HEADER, map(_row, found)).splitlines()[2:]}
    header = table(_HEADER, [])
    intervals = ", ".join(f"{probe} {section['interval']}" for probe, section in PROBES.items())
    part = f", {len(found)} of the {len(rows)} cases in this run" if len(found) < len(rows) else ""
    return (
        f"Written by `make alerting` on {time.strftime('%Y-%m-%d')} at commit {commit()}{part}. Prometheus "
        f"scrapes and evaluates every {INTERVAL:g} s, routes as in `alerts/alertmanager.yml`; each case on a "
        "stack of its own that had been watched for less than a minute, so windows of hours hold minutes. "
        f"Probes: {intervals}, rarer checks 10s, processing deadline 10s.\n\n"
        "*Pages* and *tickets*: seconds from the breaking to the notification, the intervals of the probes among "
        "them. *After the verdict*: from the verdict on a violation, or from the first failed probe of an outage. "
        "*Held back*: fires, and is inhibited.\n\n"
        + "\n".join([header, *(rows[case.name] for case in CASES if case.name in rows)])
    )


_HEADER = ("what is broken", "pages", "after the verdict", "tickets", "held back", "")


def _row(told: Told) -> tuple[str, ...]:
    return (
        told.case.name,
        _words(told.pages) or "nobody",
        "" if told.after_verdict is None else f"{told.after_verdict:.0f} s",
        _words(told.tickets) or "–",
        ", ".join(told.held_back) or "–",
        "; ".join(told.wrong) or "as it has to be",
    )


def _first_cell(line: str) -> str:
    return line.removeprefix("| ").partition(" | ")[0]


def _words(told: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in sorted(told.items(), key=lambda one: one[1]))


def main() -> int:
    """Run all cases, or those whose names contain a word, and write them down."""
    parser = argparse.ArgumentParser(prog="python -m proofs.alerting", description=__doc__)
    parser.add_argument("words", nargs="*", help="only cases whose names contain one of these")
    parser.add_argument("--at-once", type=int, default=3, help="stacks at the same time")
    given = parser.parse_args()
    cases = [case for case in CASES if not given.words or any(word in case.name for word in given.words)]
    found = asyncio.run(run(cases, given.at_once))
    page = DOCS.parent / ALERTING
    before = page.read_text(encoding="utf-8")
    told = chapter(found, measured_part(before, "told"))
    page.write_text(with_measured(before, "told", told), encoding="utf-8")
    print(told)
    return 1 if any(told.wrong for told in found) else 0


if __name__ == "__main__":
    sys.exit(main())
