"""A drill with the target's circuit breaker, and without it: the verdict and the advice say which it was."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.outcome import Measure
from prober.suites.results_drill import DrillDetail
from proofs.resilience import BREAKER, Case, differ, resilience_stack, run_case, told
from tests.system.drilling import well

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHORT = ("--duration", "8s")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = resilience_stack(owner)
        await stack.start_services()
        yield stack
        await stack.stop_drills()


@pytest.mark.parametrize("case", BREAKER, ids=str)
async def test_a_missing_breaker_shows(stack: Stack, case: Case) -> None:
    on = await run_case(stack, case, *SHORT, on=True)
    off = await run_case(stack, case, *SHORT, on=False)
    assert differ(on, off), (told(on), told(off))
    # Nobody is refused and nothing lost: callers give up, and that calls for no queue.
    for seen in (on, off):
        assert seen.results.measures[Measure.NOT_KEPT_DURING] == 0
        assert not any("fallback queue" in advice.title for advice in seen.results.judgement.advice)
        detail = seen.results.detail
        assert isinstance(detail, DrillDetail)
        assert detail.followed is not None
        assert detail.followed.lost == 0
    assert await well(stack)
