"""`prober drill redis|db SCENARIO`: breaks a service on purpose, under traffic, and says what came of it."""

from __future__ import annotations

import argparse
import sys

from prober.cli import exits
from prober.outcome import Service
from prober.suites.drill.drill import Drill
from prober.suites.drill.plan import SUITE_OF, default_rate, scenarios_of, timed
from prober.suites.running import Measured, Plan, Session, run_suite


def drill(given: argparse.Namespace) -> int:
    """Run one drill; the exit code."""
    service = Service.REDIS if given.service == "redis" else Service.DATABASE
    scenarios = scenarios_of(service)
    if given.scenario not in scenarios:
        known = ", ".join(scenarios)
        print(f"prober drill {given.service}: no scenario {given.scenario!r}; there are {known}", file=sys.stderr)
        return exits.BAD_USAGE
    scenario = timed(scenarios[given.scenario], scale=given.scale, duration=given.duration)
    plan = Plan(
        suite=SUITE_OF[service],
        scenario=scenario.name,
        config=given.config,
        parameters={
            "before": scenario.before,
            "during": scenario.during,
            "after": scenario.after,
            "rate": given.rate,
            "scale": given.scale,
        },
        as_json=given.json,
        html=given.html,
        output=given.output,
    )

    async def work(session: Session) -> Measured:
        limit = session.settings.config.target.rate_limit
        rate = given.rate or default_rate(limit.count / limit.per_seconds)
        factor = scenario.duration / scenarios[given.scenario].duration
        return await Drill(session, service, scenario, rate=rate, scale=factor).run()

    return run_suite(plan, work)
