"""Intervals hold what is true about as often as they say; chance is told from change."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.suites.report import noise


@given(st.integers(0, 500), st.integers(1, 500))
def test_a_share_lies_within_its_interval(hits: int, more: int) -> None:
    found = noise.proportion(hits, hits + more)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    # None of so many is no proof of none.
    assert found.high > found.low


def test_without_samples_there_is_no_interval() -> None:
    assert noise.proportion(0, 0) is None
    assert noise.mean([1.0] * (noise.FEWEST - 1)) is None
    assert noise.ratio([(0.0, 0.0)] * 20) is None
    assert noise.hull(None, None) is None
    assert noise.quantile([], 0.5, 1.0) is None


@pytest.mark.parametrize("p", [0.002, 0.05, 0.5, 0.97])
def test_the_interval_of_a_share_holds_the_truth_in_nearly_all_runs(p: float) -> None:
    chance, held = random.Random(1), 0
    for _ in range(300):
        found = noise.proportion(sum(chance.random() < p for _ in range(400)), 400)
        assert found is not None
        held += found.low <= p <= found.high
    assert held / 300 > 0.96


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_the_interval_of_a_quantile_holds_the_truth_in_nearly_all_runs(q: float) -> None:
    chance, held = random.Random(2), 0
    truth = -math.log(1 - q)
    for _ in range(150):
        samples = sorted(chance.expovariate(1) for _ in range(3000))
        found = noise.quantile([(value, 1) for value in samples], q, samples[math.ceil(3000 * q) - 1])
        assert found is not None
        held += found.low <= truth <= found.high
    assert held / 150 > 0.95


def test_a_tail_that_no_sample_bounds_has_no_interval() -> None:
    assert noise.quantile([(float(n), 1) for n in range(1, 101)], 0.999, 100.0) is None


def test_slots_that_stall_together_widen_the_interval() -> None:
    """Ten seconds of stall in a minute are one event, not so many hundred failed requests."""
    together = [(0.0, 100.0)] * 50 + [(50.0, 100.0)] * 10
    by_slots, by_count = noise.ratio(together), noise.proportion(500, 6000)
    assert by_slots is not None
    assert by_count is not None
    assert by_slots.value == by_count.value
    assert by_slots.high - by_slots.low > 2 * (by_count.high - by_count.low)


@pytest.mark.parametrize("slots", [8, 15, 60])
def test_the_interval_over_few_slots_holds_the_truth_in_nearly_all_runs(slots: int) -> None:
    chance, held = random.Random(6), 0
    for _ in range(100):
        found = noise.ratio([(chance.gauss(400, 80), 1.0) for _ in range(slots)])
        assert found is not None
        held += found.low <= 400 <= found.high
    assert held >= 96


def test_the_same_slots_give_the_same_interval() -> None:
    chance = random.Random(3)
    slots = [(chance.uniform(90, 110), 1.0) for _ in range(60)]
    assert noise.ratio(slots) == noise.ratio(list(slots))


def test_means_of_two_like_runs_are_rarely_told_apart_and_of_unlike_ones_always() -> None:
    chance = random.Random(4)

    def run(middle: float) -> noise.Estimate:
        found = noise.mean([chance.gauss(middle, 10) for _ in range(50)])
        assert found is not None
        return found

    def told_apart(a: float, b: float) -> bool:
        delta = noise.difference(run(a), run(b))
        assert delta.low <= delta.value <= delta.high
        return delta.low > 0 or delta.high < 0

    assert sum(told_apart(100, 100) for _ in range(60)) <= 4
    assert all(told_apart(100, 115) for _ in range(20))
