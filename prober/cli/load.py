"""`prober load SCENARIO`: many messages at once, and how many the target takes."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from prober.outcome import Suite
from prober.suites.load.from_locust import LocustFileError, read_locust
from prober.suites.load.suite import Wanted, from_locust, load
from prober.suites.running import Measured, Plan, Session, UsageError, run_suite
from prober.suites.scenarios import LOAD


def run_load(given: argparse.Namespace) -> int:
    """Run one scenario; the exit code."""
    scenario = LOAD[given.scenario]
    duration = (scenario.duration if given.duration is None else given.duration) * given.scale
    plan = Plan(
        suite=Suite.WEBHOOK_LOAD,
        scenario=scenario.name,
        config=given.config,
        parameters={
            "concurrency": scenario.concurrency,
            "duration_seconds": duration,
            "rate_per_second": given.rate,
            "processes": given.processes,
            "scale": given.scale,
        },
        as_json=given.json,
        html=given.html,
        output=given.output,
    )
    wanted = Wanted(
        concurrency=scenario.concurrency, duration=duration, rate=given.rate, processes=given.processes
    )
    if given.from_locust is not None:
        return run_suite(plan, partial(_of_locust, wanted=wanted, file=given.from_locust))
    return run_suite(plan, partial(_checked, wanted=wanted))


async def _of_locust(session: Session, *, wanted: Wanted, file: Path) -> Measured:
    try:
        portions = read_locust(file)
    except LocustFileError as error:
        raise UsageError(str(error)) from None
    return await from_locust(session, wanted, portions)


async def _checked(session: Session, *, wanted: Wanted) -> Measured:
    if wanted.duration <= 0:
        raise UsageError("expected a duration above 0: nothing is learned of a load that lasts no time")
    return await load(session, wanted)
