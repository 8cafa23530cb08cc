"""Plants faults, waits until each is told, withdraws them, and waits until all is well again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from prober.demo.target.control_client import ControlClient
from proofs.faults import Case
from tests.system.watching import Watched, until

# Long enough for the rarest check at the intervals of a proof, on a busy machine.
TOLD_WITHIN = 120.0


@dataclass(frozen=True)
class Detected:
    """What came of one fault: seconds from the planting to the scrape that told, and the evidence."""

    case: Case
    seconds: float
    evidence: str


async def detect(watched: Watched, control: ControlClient, cases: Sequence[Case]) -> list[Detected]:
    """Faults that do not hide one another, from their planting to a clean target, in the order of the cases.

    AssertionError where one is not told or has no evidence.
    """
    before = await watched.scrape()
    planted = time.monotonic()
    redis_down = any(case.needs_down == "redis" for case in cases)
    if redis_down:
        watched.stack.redis.kill()
    for case in cases:
        await control.plant(case.fault, **dict(case.parameters))
    seconds: dict[str, float] = {}

    async def told() -> bool:
        now = await watched.scrape()
        for case in cases:
            if case.fault not in seconds and case.sign.seen(before, now):
                seconds[case.fault] = time.monotonic() - planted
        return len(seconds) == len(cases)

    await until("; ".join(f"{case.fault} to be told by {case.sign}" for case in cases), told, TOLD_WITHIN)

    async def kept() -> bool:
        return all(case.evidence(watched.reader) for case in cases)

    await until(f"the evidence of {', '.join(case.fault for case in cases)} in the journal", kept)
    found = [Detected(case, seconds[case.fault], case.evidence(watched.reader)) for case in cases]
    for case in cases:
        await control.remove(case.fault)
    if redis_down:
        await watched.stack.redis.start()
        await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")
    await watched.clean_again()
    return found
