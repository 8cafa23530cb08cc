"""The schedule: a grid that never queues up what it missed, and a loop that follows it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.schedule import Cadence, Slot, Start, Timing, plan, plan_urgent, rebased

intervals = st.floats(0.01, 100)


@given(intervals, st.floats(0, 0.5), st.floats(0, 0.999), st.floats(0, 1000))
def test_a_start_is_never_planned_in_the_past_by_more_than_its_jitter(
    interval: float, jitter: float, shake: float, late: float
) -> None:
    timing = Timing(interval=interval, timeout=1.0, jitter=jitter * interval)
    now = 50.0 + late
    slot = plan(Slot(grid=50.0, due=50.0), now, timing, shake)
    assert slot.grid + timing.jitter >= now - 1e-6 * interval
    assert slot.grid <= slot.due <= slot.grid + timing.jitter
    # what lies between is counted, not made up for
    steps = (slot.grid - 50.0) / interval
    assert abs(steps - (slot.skipped + 1)) < 1e-6 * max(1.0, steps)


def test_runs_in_time_keep_the_grid() -> None:
    timing = Timing(interval=1.0, timeout=1.0)
    slot = Slot(grid=100.0, due=100.0)
    for n in range(1, 1000):
        slot = plan(slot, slot.due + 0.3, timing, 0.0)
        assert (slot.due, slot.skipped) == (100.0 + n, 0)


def test_a_run_that_took_three_intervals_skips_what_it_covered() -> None:
    slot = plan(Slot(grid=10.0, due=10.0), 13.5, Timing(interval=1.0, timeout=9.0), 0.0)
    assert (slot.grid, slot.skipped) == (14.0, 3)


@given(st.floats(0, 1e6), st.floats(0, 10), st.floats(0.01, 5))
def test_urgent_runs_keep_their_distance(started: float, took: float, down_interval: float) -> None:
    due = plan_urgent(started, started + took, down_interval)
    assert due >= started + down_interval or due == started + took


async def test_one_run_at_a_time_and_what_was_missed_is_counted() -> None:
    starts: list[Start] = []
    running = 0

    async def run_once(start: Start) -> bool:
        nonlocal running
        running += 1
        assert running == 1
        starts.append(start)
        await asyncio.sleep(0.1 if len(starts) == 1 else 0.0)
        running -= 1
        return False

    task = asyncio.create_task(Cadence(Timing(interval=0.02, timeout=1.0), run_once).forever())
    while len(starts) < 5:
        await asyncio.sleep(0.01)
    task.cancel()
    assert starts[1].skipped >= 3
    assert all(start.lateness is not None and start.lateness >= 0 for start in starts)


async def test_a_wake_starts_an_urgent_run_at_once() -> None:
    starts: list[tuple[float, Start]] = []

    async def run_once(start: Start) -> bool:
        starts.append((time.monotonic(), start))
        return False

    cadence = Cadence(Timing(interval=3600.0, timeout=1.0), run_once)
    task = asyncio.create_task(cadence.forever())
    while not starts:
        await asyncio.sleep(0.001)
    cadence.wake()
    while len(starts) < 2:
        await asyncio.sleep(0.001)
    task.cancel()
    assert starts[1][1].urgent
    assert starts[1][1].lateness is None


async def test_while_urgent_it_runs_at_the_down_interval_and_then_returns_to_the_grid() -> None:
    starts: list[Start] = []

    async def run_once(start: Start) -> bool:
        starts.append(start)
        return len(starts) < 10

    timing = Timing(interval=1.0, timeout=1.0, down_interval=0.005)
    task = asyncio.create_task(Cadence(timing, run_once).forever())
    while len(starts) < 11:
        await asyncio.sleep(0.005)
    task.cancel()
    assert [start.urgent for start in starts] == [False] + [True] * 9 + [False]
    assert all(start.skipped == 0 for start in starts)


@given(intervals, intervals, st.floats(0, 300), st.floats(0, 50), st.floats(0, 0.999))
def test_another_timing_goes_on_from_the_last_start_and_invents_no_skipped_run(
    before: float, after: float, waited: float, more: float, shake: float
) -> None:
    last = plan(Slot(grid=50.0, due=50.0), 50.0, Timing(interval=before, timeout=1.0), shake)
    at = last.grid + waited
    timing = Timing(interval=after, timeout=1.0)
    base = rebased(last, at, timing)
    at_once = plan(base, at, timing, shake)
    # Not before it would have been by the new interval, not later than that either, and never in the past.
    assert at_once.grid == pytest.approx(max(last.grid + after, at), abs=1e-5)
    assert at_once.skipped == 0
    later = plan(base, at + more, timing, shake)
    # What passes from then on is counted by the new grid.
    assert later.skipped == pytest.approx((later.grid - at_once.grid) / after, abs=1e-3)


async def test_a_shorter_interval_holds_at_once_and_not_after_the_long_one() -> None:
    starts: list[Start] = []

    async def run_once(start: Start) -> bool:
        starts.append(start)
        return False

    cadence = Cadence(Timing(interval=3600.0, timeout=1.0), run_once)
    task = asyncio.create_task(cadence.forever())
    while not starts:
        await asyncio.sleep(0.001)
    cadence.retime(Timing(interval=0.01, timeout=1.0))
    while len(starts) < 5:
        await asyncio.sleep(0.001)
    task.cancel()
    assert not any(start.urgent for start in starts)
    assert starts[1].skipped == 0


async def test_the_same_timing_moves_nothing_however_often_it_comes() -> None:
    begun = time.monotonic()
    starts: list[float] = []

    async def run_once(_: Start) -> bool:
        starts.append(time.monotonic())
        return False

    timing = Timing(interval=0.2, timeout=1.0, jitter=0.1)
    cadence = Cadence(timing, run_once)
    task = asyncio.create_task(cadence.forever())
    while len(starts) < 4:
        await asyncio.sleep(0.001)
        cadence.retime(replace(timing))
    task.cancel()
    for n, at in enumerate(starts):
        assert at >= begun + 0.2 * n


async def test_a_wake_during_another_timing_is_not_lost() -> None:
    starts: list[Start] = []

    async def run_once(start: Start) -> bool:
        starts.append(start)
        return False

    cadence = Cadence(Timing(interval=3600.0, timeout=1.0), run_once)
    task = asyncio.create_task(cadence.forever())
    while not starts:
        await asyncio.sleep(0.001)
    cadence.retime(Timing(interval=1800.0, timeout=1.0))
    cadence.wake()
    cadence.retime(Timing(interval=1700.0, timeout=1.0))
    while len(starts) < 2:
        await asyncio.sleep(0.001)
    task.cancel()
    assert starts[1].urgent


async def test_urgent_runs_follow_another_down_interval_at_once() -> None:
    starts: list[Start] = []

    async def run_once(start: Start) -> bool:
        starts.append(start)
        return True

    cadence = Cadence(Timing(interval=3600.0, timeout=1.0, down_interval=3600.0), run_once)
    task = asyncio.create_task(cadence.forever())
    while not starts:
        await asyncio.sleep(0.001)
    cadence.retime(Timing(interval=3600.0, timeout=1.0, down_interval=0.01))
    while len(starts) < 4:
        await asyncio.sleep(0.001)
    task.cancel()
    assert all(start.urgent for start in starts[1:])
