"""What each drill breaks, and when: the guide's ten scenarios as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from prober.outcome import FaultKind, Service, Suite
from prober.suites.scenarios import DATABASE_DRILLS, REDIS_DRILLS, DrillScenario

# The share of the target's own rate limit that a drill takes: a daemon beside it may take half.
SHARE_OF_LIMIT = 0.45
FASTEST = 20.0  # messages a second, where the target allows more and nobody asks for it
# A message for each second of a service that is slow to come back, beside those of the scenario (seconds).
SLACK = 90.0
MOST_MESSAGES = 50_000
FEWEST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: the first of `kinds` that can be made here, from this share of the fault's time to its end.

    `aside`: it is made before the traffic and undone after it, since it is no fault but what one needs.
    """

    kinds: tuple[FaultKind, ...]
    begins: float = 0.0
    aside: bool = False


STEPS: Mapping[tuple[Service, str], tuple[Step, ...]] = {
    (Service.REDIS, "connection"): (Step((FaultKind.REFUSE, FaultKind.STOP)),),
    (Service.REDIS, "timeout"): (Step((FaultKind.FREEZE,)),),
    (Service.REDIS, "slow"): (Step((FaultKind.SLOW,)),),
    (Service.REDIS, "crash"): (Step((FaultKind.KILL,)),),
    (Service.REDIS, "recovery"): (Step((FaultKind.KEYS,), aside=True), Step((FaultKind.STOP, FaultKind.KILL))),
    (Service.DATABASE, "graceful"): (Step((FaultKind.STOP,)),),
    (Service.DATABASE, "crash"): (Step((FaultKind.KILL,)),),
    (Service.DATABASE, "pool"): (Step((FaultKind.SESSIONS,)),),
    (Service.DATABASE, "slow"): (Step((FaultKind.LOCKS,)),),
    # Queries block, so the application's pool fills; then nobody gets a session any more; then the server dies of
    # it, with all of them, and comes back at the end.
    (Service.DATABASE, "cascade"): (
        Step((FaultKind.LOCKS,)),
        Step((FaultKind.SESSIONS,), begins=0.3),
        Step((FaultKind.KILL,), begins=0.6),
    ),
}

SUITE_OF: Mapping[Service, Suite] = {Service.REDIS: Suite.REDIS_FAILURE, Service.DATABASE: Suite.DB_RESTART}


def scenarios_of(service: Service) -> Mapping[str, DrillScenario]:
    """The scenarios of one service by name."""
    return REDIS_DRILLS if service is Service.REDIS else DATABASE_DRILLS


def timed(scenario: DrillScenario, *, scale: float, duration: float | None) -> DrillScenario:
    """The scenario in this many seconds altogether, or scaled; the phases keep their shares."""
    factor = scale if duration is None else duration / scenario.duration
    return replace(
        scenario,
        before=scenario.before * factor,
        during=scenario.during * factor,
        after=scenario.after * factor,
    )


def default_rate(limit: float) -> float:
    """Messages a second by the target's own limit (requests a second)."""
    return min(FASTEST, limit * SHARE_OF_LIMIT)


def messages_of(scenario: DrillScenario, rate: float) -> int:
    """How many messages may be sent at most, also when the service is slow to come back."""
    return min(MOST_MESSAGES, int(rate * (scenario.duration + SLACK)) + 1)


def keys_of(wanted: int, scale: float) -> int:
    """How many keys of ours a restart is given to load."""
    return min(wanted, max(FEWEST_KEYS, int(wanted * scale)))
