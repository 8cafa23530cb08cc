"""Scales, bins and names: what a plot shows is where it should be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prober.outcome import RaceOutcome
from prober.suites.report.plots.distribution import binned
from prober.suites.report.plots.frame import Key
from prober.suites.report.plots.race import worth_a_look
from prober.suites.report.plots.scales import Linear, Log, rounded_up
from prober.suites.report.plots.series import Line, lines
from prober.suites.report.plots.timeline import short_names
from prober.suites.report.slots import whole_slots
from prober.suites.report.wording import seconds
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import RaceDetail

from . import samples

FINITE = st.floats(1e-6, 1e9)


@given(FINITE, FINITE, st.integers(3, 12))
def test_ticks_of_a_linear_axis_are_few_in_order_and_within(low: float, extent: float, most: int) -> None:
    assume(extent > low * 1e-6)
    scale = Linear(low, low + extent, 0, 100, most=most)
    ticks = scale.ticks()
    assert len(ticks) <= most
    assert all(a < b for a, b in pairwise(ticks))
    assert all(low - extent * 1e-6 <= tick <= low + extent * (1 + 1e-6) for tick in ticks)


@given(FINITE, st.floats(1.01, 1e6), st.integers(3, 12))
def test_ticks_of_a_logarithmic_axis_are_few_in_order_and_within(low: float, factor: float, most: int) -> None:
    scale = Log(low, low * factor, 0, 100, most=most)
    ticks = scale.ticks()
    assert len(ticks) <= most
    assert all(a < b for a, b in pairwise(ticks))
    assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in ticks)


@given(FINITE, FINITE, FINITE)
def test_a_larger_figure_is_never_left_of_a_smaller_one(a: float, b: float, high: float) -> None:
    for scale in (Linear(0, high, 10, 500), Log(1e-6, high + 1, 10, 500)):
        first, second = scale.at(min(a, b)), scale.at(max(a, b))
        assert 10 <= first <= second <= 500


@given(st.floats(1e-9, 1e12))
def test_the_end_of_an_axis_holds_the_largest_figure(value: float) -> None:
    assert value <= rounded_up(value) * (1 + 1e-8)
    assert rounded_up(value) <= value * 2.5


@given(st.lists(st.tuples(st.floats(1e-5, 100), st.integers(1, 1000)), min_size=1, max_size=50))
def test_no_sample_is_lost_in_bins(given_edges: list[tuple[float, int]]) -> None:
    filled = sorted(given_edges)
    bins = binned(filled, filled[0][0] / 1.15, filled[-1][0] * 1.15)
    assert sum(n for _, _, n in bins) == pytest.approx(sum(n for _, n in filled))
    assert all(n >= 0 for _, _, n in bins)
    for (_, end, _), (begin, _, _) in pairwise(bins):
        assert end == pytest.approx(begin)


def test_edges_farther_apart_than_bins_leave_no_gaps() -> None:
    """As an HDR histogram of one digit has them."""
    filled = [(0.001 * 1.16**n, 100) for n in range(20)]
    middle = binned(filled, filled[0][0] / 1.15, filled[-1][0] * 1.15)[5:-5]
    counts = [n for _, _, n in middle]
    assert min(counts) == pytest.approx(max(counts))


def test_the_rest_of_a_second_is_no_slot() -> None:
    detail = samples.load().detail
    assert isinstance(detail, LoadDetail)
    rest = detail.series[-1].model_copy(update={"begins_at": 30.0, "seconds": 0.004})
    assert whole_slots((*detail.series, rest)) == detail.series
    assert whole_slots(detail.series) == detail.series
    assert whole_slots(()) == ()


@given(st.sets(st.text(alphabet="ab-019", min_size=1, max_size=8), min_size=1, max_size=12))
def test_short_names_still_tell_vendors_apart(vendors: set[str]) -> None:
    names = short_names(tuple(f"synthetic-{vendor}" for vendor in vendors))
    assert len(set(names.values())) == len(vendors)


def test_numbers_of_vendors_are_not_cut() -> None:
    assert list(short_names(("v-10", "v-11")).values()) == ["10", "11"]


def test_a_line_breaks_where_nothing_was_measured() -> None:
    points: list[tuple[float, float | None]] = [
        (0, 1.0),
        (1, 1.5),
        (2, None),
        (3, 2.0),
        (4, None),
        (5, 1.0),
        (6, 1.0),
    ]
    drawn = lines("Name", "what", (Line(Key("first", "p50"), points),), seconds)
    assert drawn.count("<polyline") == 2 * 2  # wide and narrow
    assert drawn.count("<circle") == 2


def test_without_samples_nothing_is_drawn() -> None:
    assert lines("Name", "what", (Line(Key("first", "p50"), [(0, None)]),), seconds) == ""


def test_every_violation_and_the_slowest_race_are_worth_a_look() -> None:
    detail = samples.race(double=3, unset=2).detail
    assert isinstance(detail, RaceDetail)
    *violated, slowest = worth_a_look(detail)
    assert [race.outcome for race in violated] == [RaceOutcome.MULTIPLE_WINNERS] * 3
    assert slowest.seconds == max(race.seconds or 0 for race in detail.races if not race.outcome.is_violation)
