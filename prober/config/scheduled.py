"""What may not be scheduled: the combinations of `suites.schedule`, each with a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from prober.config.budget import suite_room, webhook_budget
from prober.config.document import Path
from prober.config.fault import Fault
from prober.config.model import Config, Environment, ScheduledSuite
from prober.maintenance import trigger
from prober.outcome import Suite
from prober.suites.race.sizes import obstacle
from prober.suites.scenarios import RACE, SCENARIOS


def suite_faults(config: Config) -> Iterator[Fault]:
    """Every impossible combination in `suites.schedule`."""
    for number, entry in enumerate(config.suites.schedule):
        path: Path = ("suites", "schedule", number)
        try:
            trigger(entry.cron, entry.timezone)
        except ValueError as error:
            yield Fault((*path, "cron"), str(error))
        yield from _allowed(config, path, entry)


def _allowed(config: Config, path: Path, entry: ScheduledSuite) -> Iterator[Fault]:
    if config.target.environment is Environment.PRODUCTION and entry.suite is not Suite.VENDOR_RACE:
        yield Fault(
            (*path, "suite"),
            f"found {entry.suite}, but in production nothing but {Suite.VENDOR_RACE} may be scheduled: nothing is "
            "ever loaded or broken there",
        )
        return
    if entry.scenario not in SCENARIOS[entry.suite]:
        yield Fault(
            (*path, "scenario"),
            f"found {entry.scenario!r}, expected one of {', '.join(SCENARIOS[entry.suite])} for {entry.suite}",
        )
        return
    yield from _race(config, path, entry) if entry.suite is Suite.VENDOR_RACE else _traffic(config, path, entry)


def _race(config: Config, path: Path, entry: ScheduledSuite) -> Iterator[Fault]:
    for key in ("rate", "duration"):
        if getattr(entry, key) is not None:
            yield Fault((*path, key), f"found beside {entry.suite}, which has races; give races, or leave it out")
    if not config.probes.database.enabled:
        yield Fault(
            (*path, "suite"),
            "a race makes its order in the database and asks it who won; enable probes.database",
        )
    if (why := obstacle(config, RACE[entry.scenario].vendors)) is not None:
        yield Fault((*path, "scenario"), f"{why}; the daemon runs races within its cap: raise it, or race fewer")


def _traffic(config: Config, path: Path, entry: ScheduledSuite) -> Iterator[Fault]:
    if entry.races is not None:
        yield Fault((*path, "races"), f"found beside {entry.suite}, which has a rate and a duration; leave it out")
    room = suite_room(config)
    why = (
        "half of cap.requests, and what the probes leave of half of target.rate_limit "
        f"({webhook_budget(config).sums})"
    )
    if entry.rate is None:
        yield Fault(
            (*path, "rate"),
            f"missing; a scheduled {entry.suite} says how much it sends, at most {room:.3g} a second here: {why}",
        )
    elif entry.rate.count / entry.rate.per_seconds > room:
        yield Fault((*path, "rate"), f"found {entry.rate}, expected at most {room:.3g} a second: {why}")
