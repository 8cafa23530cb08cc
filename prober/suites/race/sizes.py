"""How large a race scenario is here, and whether the caps allow it. Pure."""

from __future__ import annotations

from dataclasses import replace

from prober.cap import Cap, race_requests
from prober.config.model import Config, Environment
from prober.suites.scenarios import RACE, RaceScenario

# Outside of production a race begins as soon as the one before is judged, but for this (races a second).
MOST_RACES_A_SECOND = 10
MOST_RACES = 100_000


def sized(name: str, races: int | None, scale: float) -> RaceScenario:
    """A scenario with another number of races; the vendors that race at once are what it is about and stay.

    ValueError, with a sentence, for a number of races that is none.
    """
    scenario = RACE[name]
    wanted = max(1, round((scenario.races if races is None else races) * scale))
    if races is not None and races < 1:
        raise ValueError(f"--races: expected at least 1, found {races}")
    if wanted > MOST_RACES:
        raise ValueError(f"expected at most {MOST_RACES} races, found {wanted}; lower --races or --scale")
    return replace(scenario, races=wanted)


def obstacle(config: Config, vendors: int) -> str | None:
    """Why races of so many vendors do not fit into the caps of this config; None where they do."""
    needed = race_requests(vendors)
    short = [
        f"cap.{key} is {allowed}"
        for key, allowed in (("burst", config.cap.burst), ("in_flight", config.cap.in_flight))
        if allowed < needed
    ]
    if not short:
        return None
    return (
        f"a race of {vendors} vendors asks {needed} times at once, but {' and '.join(short)}; {_fitting(config)}"
    )


def _fitting(config: Config) -> str:
    allowed = min(config.cap.burst, config.cap.in_flight)
    fitting = [each.name for each in RACE.values() if race_requests(each.vendors) <= allowed]
    if fitting:
        return f"within this cap: {', '.join(fitting)}"
    smallest = min(RACE.values(), key=lambda each: each.vendors)
    return (
        f"no scenario fits into it: {smallest.name}, the smallest, needs {race_requests(smallest.vendors)} of both"
    )


def suite_cap(config: Config, vendors: int) -> Cap | None:
    """The caps of a suite's own gate where it may have one; None in production, where those of the config hold."""
    if config.target.environment is Environment.PRODUCTION:
        return None
    needed = race_requests(vendors)
    return Cap(
        rate=float(MOST_RACES_A_SECOND * needed), burst=needed, in_flight=needed, webhook=0, webhook_window=1.0
    )
