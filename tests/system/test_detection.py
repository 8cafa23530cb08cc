"""The short form of `make detection`: every fault that can be planted is told, rightly named, with evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import FaultName
from proofs.detecting import detect
from proofs.detection import PROBES, SECTIONS
from proofs.faults import CASES, Case
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.watching import Watched

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, **SECTIONS)
        await stack.start_services()
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.fault)
async def test_a_planted_fault_is_told(watched: Watched, control: ControlClient, case: Case) -> None:
    detected = await detect(watched, control, case)
    assert detected.evidence
    # Only this fault was there: no violation of another kind may be told for it.
    violations = {v.kind for v in watched.reader.violations(limit=1000)}
    assert violations <= {c.outcome for c in CASES}
