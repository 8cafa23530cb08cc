"""Runs race after race until all are run, somebody wants it ended, or nothing more can come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from prober.clock import now
from prober.gate import Permit
from prober.outcome import SkipReason
from prober.probes.base import Permission, Run
from prober.probes.synthetic import new_run_id
from prober.result import RaceResult

# So many races in a row without a verdict, and no more are tried: what keeps them from one will not go away.
GIVE_UP_AFTER = 10
# For a permit, and for the end of a wait that the target asked for, this long (seconds) is waited.
PATIENCE = 120.0
STEP = 0.05

Permits = Callable[[], Awaitable[Permit | SkipReason]]


class Racing(Protocol):
    """Runs one race: the probe."""

    async def run(self, run: Run) -> RaceResult:
        """Do it once."""
        ...


class Ends(Protocol):
    """Whoever may want it ended."""

    reason: str

    @property
    def asked(self) -> bool:
        """Whether to end in order now."""
        ...


@dataclass(frozen=True, slots=True)
class Course:
    """What was run. `why_ended` is empty where all of it was; `given_up`: nobody asked for the end."""

    races: tuple[RaceResult, ...]
    why_ended: str = ""
    given_up: bool = False
    notes: tuple[str, ...] = ()  # what was done for it, to be said beside what it came to


async def run_course(
    probe: Racing,
    races: int,
    *,
    timeout: float,
    permits: Permits,
    permission: Permission,
    ends: Ends,
    raced: Callable[[RaceResult], Awaitable[None]],
) -> Course:
    """Run so many races, one after the other; `raced` is told of each. `timeout` (seconds) is that of one race."""
    done: list[RaceResult] = []
    unjudged = 0
    while len(done) < races:
        if ends.asked:
            return Course(tuple(done), ends.reason)
        if (refused := permission.refusal()) is not None:
            return Course(tuple(done), f"stopped because writes are held back ({refused})")
        permit = await _permit(permits, ends)
        if permit is None:
            return Course(tuple(done), ends.reason)
        if isinstance(permit, SkipReason):
            return Course(tuple(done), _no_permit(permit), given_up=True)
        started = now()
        try:
            run = Run(
                id=new_run_id(started.wall), started=started, timeout=timeout, ordinal=len(done), permit=permit
            )
            result = await probe.run(run)
        finally:
            permit.close()
        done.append(result)
        await raced(result)
        unjudged = 0 if result.race_outcome.is_judged else unjudged + 1
        if unjudged >= GIVE_UP_AFTER and len(done) < races:
            why = f"given up after {unjudged} races in a row without a verdict, of {races}"
            return Course(tuple(done), why, given_up=True)
    return Course(tuple(done))


async def _permit(permits: Permits, ends: Ends) -> Permit | SkipReason | None:
    """A permit, why there is none within the patience, or None where the end was asked for."""
    waited_until = now().mono + PATIENCE
    while True:
        granted = await permits()
        if isinstance(granted, Permit) or now().mono >= waited_until:
            return granted
        if ends.asked:
            return None
        await asyncio.sleep(STEP)


def _no_permit(reason: SkipReason) -> str:
    if reason is SkipReason.RATE_LIMITED:
        return f"given up: the target asked to wait (429) for more than {PATIENCE:g} s"
    return f"given up: our own cap left no room for a race for {PATIENCE:g} s"
