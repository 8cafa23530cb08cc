"""The eighteen scenarios with their sizes and durations, as data.

Source: the guide's "Test Suite Overview", and the operators' own scripts for what it leaves open. The three of the
database that they never wrote (pool, slow, cascade) take the times of `graceful`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prober.outcome import Suite


@dataclass(frozen=True, slots=True)
class LoadScenario:
    """Concurrent requests for a time (seconds)."""

    name: str
    concurrency: int
    duration: float


@dataclass(frozen=True, slots=True)
class RaceScenario:
    """Vendors that race for an order, so many times."""

    name: str
    vendors: int
    races: int


@dataclass(frozen=True, slots=True)
class DrillScenario:
    """One fault: how long (seconds) traffic flows before it, while it lasts, and after it."""

    name: str
    before: float
    during: float
    after: float

    @property
    def duration(self) -> float:
        """The whole, in seconds."""
        return self.before + self.during + self.after


LOAD: Mapping[str, LoadScenario] = {
    each.name: each
    for each in (
        LoadScenario("light", 10, 30.0),
        LoadScenario("moderate", 50, 60.0),
        LoadScenario("heavy", 200, 120.0),
        LoadScenario("stress", 500, 60.0),
    )
}

RACE: Mapping[str, RaceScenario] = {
    each.name: each
    for each in (
        RaceScenario("light", 5, 10),
        RaceScenario("moderate", 10, 50),
        RaceScenario("heavy", 25, 100),
        RaceScenario("stress", 50, 100),
    )
}

# A fault of Redis lasts from 25 % to 75 % of the scenario's time.
REDIS_DRILLS: Mapping[str, DrillScenario] = {
    name: DrillScenario(name, total / 4, total / 2, total / 4)
    for name, total in (
        ("connection", 30.0),
        ("timeout", 60.0),
        ("slow", 45.0),
        ("crash", 60.0),
        ("recovery", 120.0),
    )
}

DATABASE_DRILLS: Mapping[str, DrillScenario] = {
    each.name: each
    for each in (
        DrillScenario("graceful", 10.0, 20.0, 10.0),
        DrillScenario("crash", 10.0, 15.0, 10.0),
        DrillScenario("pool", 10.0, 20.0, 10.0),
        DrillScenario("slow", 10.0, 20.0, 10.0),
        DrillScenario("cascade", 10.0, 20.0, 10.0),
    )
}

SCENARIOS: Mapping[Suite, tuple[str, ...]] = {
    Suite.WEBHOOK_LOAD: tuple(LOAD),
    Suite.VENDOR_RACE: tuple(RACE),
    Suite.REDIS_FAILURE: tuple(REDIS_DRILLS),
    Suite.DB_RESTART: tuple(DATABASE_DRILLS),
}
