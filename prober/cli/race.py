"""`prober race SCENARIO`: the vendor race suite."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

from prober.cli import exits
from prober.outcome import Suite
from prober.result import RaceResult
from prober.suites.race.run import race_suite
from prober.suites.race.sizes import sized
from prober.suites.report.progress import Progress
from prober.suites.running import Measured, Plan, Session, run_suite


def race(given: argparse.Namespace) -> int:
    """Run the races, write and print what they came to."""
    try:
        scenario = sized(given.scenario, given.races, given.scale)
    except ValueError as error:
        print(f"prober race {given.scenario}: {error}", file=sys.stderr)
        return exits.BAD_USAGE
    plan = Plan(
        suite=Suite.VENDOR_RACE,
        scenario=scenario.name,
        config=given.config,
        parameters={"vendors": scenario.vendors, "races": scenario.races, "scale": given.scale},
        as_json=given.json,
        html=given.html,
        output=given.output,
    )

    async def work(session: Session) -> Measured:
        with Progress(scenario.races, sys.stderr, unit="races") as progress:
            return await race_suite(session, scenario, _shown(progress))

    return run_suite(plan, work)


def _shown(progress: Progress) -> Callable[[RaceResult], Awaitable[None]]:
    outcomes: Counter[str] = Counter()

    async def raced(result: RaceResult) -> None:
        outcomes[result.race_outcome] += 1
        progress.at(outcomes.total(), ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))

    return raced
