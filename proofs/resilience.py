"""`python -m proofs.resilience`: drills with each of the target's resilience switches on and off.

What a switch is for has to show in the verdict, and what its absence calls for in the advice. Writes
docs/resilience.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import Switch
from prober.guide.judgement import RowVerdict
from prober.guide.saying import say
from prober.outcome import Ending, Measure, Verdict
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail
from proofs.page import DOCS, head, table
from tests.system.drilling import PROBES, drillable_stack, drilled

WHAT = """\
Drills against the demo's target with one of its resilience switches on, as it is by default, and off.
*queue_fallback*: a job also stands in a table until it is done. *durable_accept*: without PostgreSQL a message is
kept in Redis, or refused. *circuit_breaker*: what failed three times in a row is not asked for two seconds. Here
a command to Redis is given up after 1 s, and a caller waits 2 s."""
# Three failures, and commands that take a while to be given up: so a breaker has something to save. Two seconds,
# since what succeeds beside the locks (a look at the health page) closes it, and three more have to wait then.
TARGET = {"redis": {"timeout": 1.0}, "breaker": {"failures": 3, "open_seconds": 2.0}}
WEBHOOK = {**PROBES["webhook"], "timeout": "2s"}


@dataclass(frozen=True)
class Case:
    """One drill, what is switched, the row that has to tell, the remedy that its absence calls for."""

    words: tuple[str, str]
    switch: Switch
    measure: Measure
    remedy: str
    rate: int  # messages a second

    def __str__(self) -> str:
        return f"{' '.join(self.words)}, {self.switch}"


# Without a breaker each request waits for what does not answer, and the next ones wait for those: where there are
# more of them than the target works on at once.
BREAKER = (
    Case(
        ("redis", "timeout"),
        Switch.CIRCUIT_BREAKER,
        Measure.ERROR_RATE,
        "Put a circuit breaker before Redis (circuit breaker)",
        60,
    ),
    Case(
        ("db", "slow"),
        Switch.CIRCUIT_BREAKER,
        Measure.SUCCESS_DURING,
        "Put a circuit breaker and timeouts before PostgreSQL (circuit breaker)",
        20,
    ),
)
KEPT = (
    Case(
        ("redis", "crash"),
        Switch.QUEUE_FALLBACK,
        Measure.ERROR_RATE,
        "Fall back to a queue in the database (fallback queue)",
        10,
    ),
    Case(
        ("db", "crash"),
        Switch.DURABLE_ACCEPT,
        Measure.SUCCESS_DURING,
        "Keep messages while PostgreSQL is away (fallback queue)",
        10,
    ),
)


@dataclass(frozen=True)
class Seen:
    """One drill of a case."""

    case: Case
    on: bool
    code: int
    results: Results

    @property
    def row(self) -> RowVerdict:
        """The breaking point that has to tell."""
        (found,) = [row for row in self.results.judgement.breaking_points if row.measure is self.case.measure]
        return found

    @property
    def advised(self) -> bool:
        """Whether the remedy is called for."""
        return self.case.remedy in [advice.title for advice in self.results.judgement.advice]


def resilience_stack(owner: Owner) -> Stack:
    """A stack in which each switch makes a difference."""
    return drillable_stack(owner, target=TARGET, webhook=WEBHOOK)


async def run_case(stack: Stack, case: Case, *options: str, on: bool) -> Seen:
    """Run its drill, switched on or off; AssertionError if it did not come to its end."""
    async with ControlClient(stack.target.control_url) as control:
        await control.switch(case.switch, on=on)
        try:
            ended = await drilled(stack.config_file, *case.words, "--rate", str(case.rate), *options)
        finally:
            await control.switch(case.switch, on=True)
    if ended.results is None or ended.results.ending is not Ending.COMPLETE:
        raise AssertionError(f"{case} did not come to its end:\n{ended.told}")
    return Seen(case, on, ended.code, ended.results)


def differ(on: Seen, off: Seen) -> bool:
    """Whether the figure is worse without, and the remedy called for there alone."""
    better, worse = on.row.value, off.row.value
    if better is None or worse is None:
        return False
    errors = on.case.measure is Measure.ERROR_RATE
    good = on.row.verdict in (Verdict.EXCELLENT, Verdict.GOOD)
    return good and (worse > better if errors else worse < better) and off.advised and not on.advised


def page(found: Sequence[tuple[Seen, Seen]], command: str) -> str:
    """docs/resilience.md."""
    rows = [told(seen) for pair in found for seen in pair]
    columns = ["drill", "switch", "verdict", "exit", "figure", "lost", "given up", "wait p50, p99", "its remedy"]
    return head("Resilience switches", command, WHAT) + "\n" + table(columns, rows) + "\n"


def told(seen: Seen) -> tuple[object, ...]:
    """A drill as the page tells it."""
    results, measures = seen.results, seen.results.measures
    detail = results.detail
    assert isinstance(detail, DrillDetail)
    assert detail.followed is not None
    waits = (say(each, measures.get(each)) for each in (Measure.TYPICAL_WAIT_DURING, Measure.WAIT_DURING))
    return (
        f"`{' '.join(seen.case.words)}`",
        f"{seen.case.switch} {'on' if seen.on else '**off**'}",
        results.judgement.verdict or "no verdict",
        seen.code,
        f"{seen.row.name} {say(seen.row.measure, seen.row.value)}: {seen.row.verdict}",
        detail.followed.lost,
        sum(phase.failed.get("timeout", 0) for phase in detail.phases),
        ", ".join(waits),
        f"*{seen.case.remedy}*" if seen.advised else "not called for",
    )


async def all_cases(options: Sequence[str]) -> list[tuple[Seen, Seen]]:
    """Everything, one after the other."""
    found = []
    async with Owner() as owner:
        stack = resilience_stack(owner)
        await stack.start_services()
        for case in (*KEPT, *BREAKER):
            with_it = await run_case(stack, case, *options, on=True)
            found.append((with_it, await run_case(stack, case, *options, on=False)))
            print(f"{case}: differs as it should: {differ(*found[-1])}", file=sys.stderr, flush=True)
        await stack.stop_drills()
    return found


def main() -> int:
    """Run it, write the page, and return 1 where a switch makes no difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", default="20s", help="of each drill")
    given = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(all_cases(["--duration", given.duration]))
    (DOCS / "resilience.md").write_text(page(found, "python -m proofs.resilience"), encoding="utf-8")
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0 if all(differ(on, off) for on, off in found) else 1


if __name__ == "__main__":
    sys.exit(main())
