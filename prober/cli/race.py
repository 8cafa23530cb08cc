"""`prober race SCENARIO`: the vendor race suite."""

from __future__ import annotations

import argparse
import sys

from prober.cli import exits
from prober.outcome import Suite
from prober.suites.race.run import race_suite
from prober.suites.race.sizes import sized
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
        return await race_suite(session, scenario)

    return run_suite(plan, work)
