"""Ranges whose ends belong to them or not."""

from __future__ import annotations

import math
from itertools import product

import pytest

from prober.guide.ranges import Range, above, at_least, at_most, below, between, exactly, inside

HALVES = [each / 2 for each in range(-1, 6)]  # with figures between all ends that are tried, and beyond
ENDS = [0.0, 1.0, 2.0]
EVERY = [
    Range(low, high, with_low, with_high)
    for low, high, with_low, with_high in product(ENDS, ENDS, (False, True), (False, True))
    if low < high or (low == high and with_low and with_high)
]


@pytest.mark.parametrize("one", EVERY)
def test_one_range_covers_another_when_all_figures_of_it_are_in_it(one: Range) -> None:
    for other in EVERY:
        assert one.covers(other) is all(each in one for each in HALVES if each in other)


def test_a_range_without_an_end_covers_one_that_has_it_and_not_the_other_way_round() -> None:
    for wide, narrow in ((above(1.0), inside(1.0, 2.0)), (below(2.0), inside(1.0, 2.0)), (above(1.0), above(2.0))):
        assert wide.covers(narrow)
        assert not narrow.covers(wide)


@pytest.mark.parametrize(
    ("span", "inside_it", "outside_it"),
    [
        (below(1.0), [0.5, math.nextafter(1.0, 0)], [1.0, 1.5]),
        (at_most(1.0), [0.5, 1.0], [math.nextafter(1.0, 2)]),
        (above(1.0), [math.nextafter(1.0, 2), 1e300], [1.0, 0.5]),
        (at_least(1.0), [1.0, 1e300], [math.nextafter(1.0, 0), math.inf]),
        (between(1.0, 2.0), [1.0, 1.5, 2.0], [math.nextafter(1.0, 0), math.nextafter(2.0, 3)]),
        (inside(1.0, 2.0), [math.nextafter(1.0, 2), 1.5], [1.0, 2.0]),
        (exactly(1.0), [1.0], [math.nextafter(1.0, 0), math.nextafter(1.0, 2)]),
    ],
)
def test_what_is_in_a_range(span: Range, inside_it: list[float], outside_it: list[float]) -> None:
    assert all(each in span for each in inside_it)
    assert not any(each in span for each in (*outside_it, math.nan))


def test_a_range_without_a_figure_is_an_error() -> None:
    for low, high, with_low, with_high in [
        (2.0, 1.0, True, True),
        (1.0, 1.0, True, False),
        (math.nan, 1.0, True, True),
    ]:
        with pytest.raises(ValueError, match="a figure in it"):
            Range(low, high, with_low, with_high)
