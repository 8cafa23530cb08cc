"""Plants one fault, waits until it is told, withdraws it, and waits until all is well again."""

from __future__ import annotations

import time
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


async def detect(watched: Watched, control: ControlClient, case: Case) -> Detected:
    """One fault from its planting to a clean target; AssertionError where it is not told or has no evidence."""
    before = await watched.scrape()
    planted = time.monotonic()
    if case.needs_down == "redis":
        watched.stack.redis.kill()
    await control.plant(case.fault, **dict(case.parameters))

    async def told() -> bool:
        return case.sign.seen(before, await watched.scrape())

    await until(f"{case.fault} to be told by {case.sign}", told, TOLD_WITHIN)
    seconds = time.monotonic() - planted

    async def kept() -> bool:
        return bool(case.evidence(watched.reader))

    await until(f"the evidence of {case.fault} in the journal", kept)
    evidence = case.evidence(watched.reader)
    await control.remove(case.fault)
    if case.needs_down == "redis":
        await watched.stack.redis.start()
        await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")
    await watched.clean_again()
    return Detected(case, seconds, evidence)
