"""A scheduled race suite inside the daemon, by its gate, its permission and its journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prober.cap import race_requests
from prober.clock import Instant, now
from prober.config.model import ScheduledSuite
from prober.daemon.settings import Settings
from prober.gate import Permit
from prober.outcome import SkipReason, Suite
from prober.probes.race import RaceProbe
from prober.result import RaceResult
from prober.suites.presence import FOLDER
from prober.suites.race.course import Ends, Permits
from prober.suites.race.run import Grounds, measured, run_races
from prober.suites.race.sizes import sized
from prober.suites.results import write
from prober.suites.running import Plan, make_results, masked

if TYPE_CHECKING:
    from prober.daemon.suites.scheduled import Means


async def race(
    means: Means, settings: Settings, entry: ScheduledSuite, run_id: str, started: Instant, ends: Ends
) -> None:
    """Run the races, and leave the results where they are taken up. Raises NoVendorsError, OSError."""
    config, assembled = settings.config, means.assembled
    if assembled.witness is None or assembled.marks is None:
        raise ValueError("races without a database: the config was not checked")
    scenario = sized(entry.scenario, entry.races, 1.0)
    gate = assembled.gate

    def permits(probe: RaceProbe) -> Permits:
        async def polite() -> Permit | SkipReason:
            """Only what nobody else waits for: a suite can wait, a probe is late."""
            return gate.at_once(probe.demand)

        return polite

    async def raced(result: RaceResult) -> None:
        await means.raced(result, run_id)
        # Half of the cap at most, so that the probes find theirs.
        await asyncio.sleep(2 * race_requests(scenario.vendors) / gate.cap.rate)

    grounds = Grounds(
        config=config,
        contract=settings.contract,
        witness=assembled.witness,
        marks=assembled.marks,
        permission=means.permission,
        permits=permits,
        intend=means.intend,
    )
    course = await run_races(grounds, scenario, ends, raced)
    ended = now()
    plan = Plan(
        suite=Suite.VENDOR_RACE,
        scenario=scenario.name,
        config=means.config_file,
        parameters={"vendors": scenario.vendors, "races": scenario.races, "scheduled": entry.cron},
    )

    def document() -> None:
        results = make_results(plan, settings, run_id, started, ended, measured(course, scenario))
        write(masked(results, settings.redact), config.data_dir / FOLDER / f"{run_id}.json")

    # In a thread, so that no probe waits for all of it.
    await asyncio.to_thread(document)
