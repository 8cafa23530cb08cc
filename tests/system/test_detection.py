"""The short form of `make detection`: every fault that can be planted is told, rightly named, with evidence.

In both forms of the target; faults that do not hide one another are planted together.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.stack import FORMS, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import FaultName
from prober.outcome import Violation
from prober.publish.journal.reader import Reader
from prober.publish.journal.stored import StoredViolation
from proofs import rare
from proofs.detecting import detect
from proofs.detection import PROBES, SECTIONS
from proofs.faults import CASES, Case
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.watching import Watched

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUPS: tuple[tuple[FaultName, ...], ...] = (
    (FaultName.DOUBLE_ACCEPT, FaultName.FORGED_ACCEPTED, FaultName.DUPLICATE_EFFECT),
    (FaultName.PHANTOM_WINNER, FaultName.UNSIGNED_ACCEPTED, FaultName.REPLAY_ACCEPTED),
    (FaultName.NO_WINNER, FaultName.LOST_MESSAGE),
    (FaultName.SPLIT_ORDER, FaultName.LATE_PROCESSING),
    (FaultName.NOT_IDEMPOTENT, FaultName.STUCK_QUEUE),
    (FaultName.LATE_WINNER, FaultName.ERRORS),
    (FaultName.DOUBLE_ACCEPT_RARE, FaultName.HEALTH_LIES),
    (FaultName.POOL_LEAK, FaultName.HANG),
    (FaultName.ROLLBACKS, FaultName.RATE_LIMITED),
    (FaultName.SLOW,),
    (FaultName.ROUTES_MISSING,),
)
# So that a fault of the webhook does not hide one of the races, nor hold them back for long.
ON_THE_WEBHOOK = {FaultName.ERRORS, FaultName.HANG, FaultName.RATE_LIMITED}
FASTER = {
    "webhook": {**PROBES["webhook"], "interval": "300ms", "down_interval": "300ms", "checks_interval": "1s"},
    "race": {**PROBES["race"], "interval": "400ms", "split_order_interval": "1s"},
}
# What else a fault rightly is: not processed in time is lost first, and whoever asks 10 ms after the decision wins
# as well, which on a busy machine is within the race.
ALSO = {
    FaultName.LATE_PROCESSING: Violation.LOST_MESSAGE,
    FaultName.STUCK_QUEUE: Violation.LOST_MESSAGE,
    FaultName.LATE_WINNER: Violation.MULTIPLE_WINNERS,
    # Planted after somebody had won: the winner that asks again is told that it has not.
    FaultName.NO_WINNER: Violation.NOT_IDEMPOTENT,
}
RARE_RACES = 25


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=FORMS)
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = fast_stack(owner, {**PROBES, **FASTER}, request.param, **SECTIONS)
        await stack.start_services()
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(stack: Stack) -> AsyncIterator[Watched]:
    await stack.start_watcher()
    yield Watched(stack)
    await stack.watcher.stop(timeout=40)
    no_trace(stack.watcher)


@pytest_asyncio.fixture(loop_scope="module")
async def control(watched: Watched) -> AsyncIterator[ControlClient]:
    async with ControlClient(watched.stack.target.control_url) as control:
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)


async def test_no_fault_is_missing() -> None:
    assert {case.fault for case in CASES} == set(FaultName)
    assert Counter(fault for group in GROUPS for fault in group) == Counter(FaultName)


async def test_a_rare_window_is_caught_at_least_as_often_as_by_a_naive_client(stack: Stack) -> None:
    caught = await rare.measure_on(stack, RARE_RACES)
    assert caught.vendors == 5
    assert caught.window > 0
    assert caught.ours >= 0.9 * RARE_RACES, caught
    assert caught.ours >= caught.naive, caught


@pytest.mark.parametrize("group", GROUPS, ids="+".join)
async def test_planted_faults_are_told(
    watched: Watched, control: ControlClient, group: Sequence[FaultName]
) -> None:
    cases = [limited(case) for case in CASES if case.fault in group]
    before = {violation.id for violation in watched.reader.violations(limit=1000)}
    planted = time.time()
    detected = await detect(watched, control, cases)
    assert all(found.evidence for found in detected)
    told = [each for each in watched.reader.violations(limit=1000) if each.id not in before]
    assert [
        each for each in told if each.kind not in kinds(cases) and not of_before(watched.reader, each, planted)
    ] == []


def limited(case: Case) -> Case:
    """The case as it is planted together with others."""
    if case.fault not in ON_THE_WEBHOOK:
        return case
    return replace(case, parameters={**case.parameters, "routes": "webhook"})


def of_before(reader: Reader, violation: StoredViolation, planted: float) -> bool:
    """Whether it is of a message of before: a loss is told a deadline later."""
    message = reader.webhook(violation.id.removeprefix(f"{violation.kind}-"))
    return message is not None and (message.accepted_wall or planted) < planted


def kinds(cases: Sequence[Case]) -> set[str]:
    """The kinds of violation that these faults are."""
    return {case.outcome for case in cases} | {ALSO[case.fault] for case in cases if case.fault in ALSO}
