"""The budget is never less than what the schedule can really send, in any state and any window."""

from __future__ import annotations

import asyncio
import bisect
from contextlib import closing
from types import SimpleNamespace
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from prober import schedule
from prober.config import Config, parse_strict
from prober.config.budget import delivery_starts_within, starts_within, webhook_budget
from prober.schedule import Timing
from tests.config.examples import ENV, MINIMAL
from tests.timeless import TimelessLoop

EMPTY_BUDGET = "nothing = 0 in 1m of 100 (half of 200/1m)"


def config_with(probes: str, target: str = "") -> Config:
    text = MINIMAL.replace("  auth_token", f"{target}  auth_token")
    return parse_strict(text + probes, Config, source="x", env=ENV)


def most_within(starts: list[float], window: float) -> int:
    """The most of these sorted moments in any half-open window."""
    return max(bisect.bisect_left(starts, moment + window - 1e-6) - n for n, moment in enumerate(starts))


@st.composite
def timings(draw: st.DrawFn) -> Timing:
    interval = draw(st.integers(10, 6000)) / 100
    return Timing(
        interval=interval,
        timeout=1.0,
        jitter=interval * draw(st.integers(0, 50)) / 100,
        down_interval=max(0.01, interval * draw(st.integers(5, 100)) / 100),
    )


# For each run: how the jitter falls, how long the run takes (part of the interval), whether it fails.
Course = list[tuple[float, float, bool]]
courses = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 0.999]), st.sampled_from([0.0, 0.3, 2.5]), st.booleans()),
    min_size=2,
    max_size=120,
)


def starts_of(timing: Timing, course: Course, recovery_successes: int) -> list[float]:
    """When the real schedule starts the runs of this course."""
    starts: list[float] = []
    good_to_go = 0

    async def run_once(start: schedule.Start) -> bool:
        nonlocal good_to_go
        if len(starts) == len(course):
            cadence.stop()
            return False
        _, length, fails = course[len(starts)]
        starts.append(loop.time())
        await asyncio.sleep(length * timing.interval)
        good_to_go = recovery_successes if fails else max(0, good_to_go - 1)
        return good_to_go > 0

    cadence = schedule.Cadence(timing, run_once)
    shakes = SimpleNamespace(random=lambda: course[min(len(starts), len(course)) - 1][0])
    with (
        closing(TimelessLoop()) as loop,
        patch.object(schedule, "time", SimpleNamespace(monotonic=loop.time)),
        patch.object(schedule, "random", shakes),
    ):
        loop.run_until_complete(cadence.forever())
    return starts


@given(timings(), courses, st.integers(1, 4), st.sampled_from([1.0, 10.0, 60.0]))
@settings(deadline=None)
def test_no_course_of_outages_sends_more_than_the_budget(
    timing: Timing, course: Course, recovery_successes: int, window: float
) -> None:
    assert timing.down_interval is not None
    bound = delivery_starts_within(window, timing.down_interval)
    assert most_within(starts_of(timing, course, recovery_successes), window) <= bound


@given(timings(), courses, st.sampled_from([1.0, 10.0, 60.0]))
@settings(deadline=None)
def test_a_healthy_probe_starts_no_more_often_than_counted(timing: Timing, course: Course, window: float) -> None:
    healthy = [(shake, 0.0, False) for shake, _, _ in course]
    bound = starts_within(window, timing.interval, timing.jitter)
    assert most_within(starts_of(timing, healthy, 1), window) <= bound


def test_the_defaults_stay_within_half_of_the_deployed_limit() -> None:
    budget = webhook_budget(config_with(""))
    assert [(term.check, term.requests) for term in budget.terms] == [
        ("delivery", 61),
        ("checks", 12),
        ("health", 3),
    ]
    assert (budget.total, budget.allowed, budget.fits) == (76, 100, True)


def test_a_limit_over_another_window_is_counted_over_that_window() -> None:
    budget = webhook_budget(config_with("", target="  rate_limit: 100/10s\n"))
    assert (budget.total, budget.allowed) == (11 + 12 + 1, 50)


@given(st.integers(100, 10_000), st.integers(100, 10_000))
@settings(deadline=None)
def test_probing_less_often_never_costs_more(faster: int, slower: int) -> None:
    faster, slower = sorted((faster, slower))
    often, seldom = (
        webhook_budget(config_with(f"  webhook: {{interval: 10s, down_interval: {down}ms}}\n"))
        for down in (faster, slower)
    )
    assert seldom.total <= often.total


def test_a_disabled_probe_costs_nothing() -> None:
    budget = webhook_budget(config_with("  webhook: {enabled: false}\n  health: {enabled: false}\n"))
    assert (budget.total, budget.sums) == (0, EMPTY_BUDGET)
