"""A range of figures whose ends belong to it or not."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """All figures from `low` to `high`; whether each end itself is one of them is said apart. Never empty."""

    low: float
    high: float
    with_low: bool
    with_high: bool

    def __post_init__(self) -> None:
        if not (self.low < self.high or (self.low == self.high and self.with_low and self.with_high)):
            raise ValueError(f"expected a range with a figure in it, got {self}")

    def __contains__(self, value: float) -> bool:
        """NaN is in no range."""
        above = value > self.low or (self.with_low and value == self.low)
        below = value < self.high or (self.with_high and value == self.high)
        return above and below

    def covers(self, other: Range) -> bool:
        """Whether every figure of the other range is in this one."""
        low = self.low < other.low or (self.low == other.low and (self.with_low or not other.with_low))
        high = self.high > other.high or (self.high == other.high and (self.with_high or not other.with_high))
        return low and high

    @property
    def ends(self) -> tuple[float, ...]:
        """The finite ends."""
        return tuple(end for end in (self.low, self.high) if math.isfinite(end))


def below(edge: float) -> Range:
    """`< edge`."""
    return Range(-math.inf, edge, with_low=False, with_high=False)


def at_most(edge: float) -> Range:
    """`<= edge`."""
    return Range(-math.inf, edge, with_low=False, with_high=True)


def above(edge: float) -> Range:
    """`> edge`."""
    return Range(edge, math.inf, with_low=False, with_high=False)


def at_least(edge: float) -> Range:
    """`>= edge`."""
    return Range(edge, math.inf, with_low=True, with_high=False)


def between(low: float, high: float) -> Range:
    """`low-high` as the guide writes it: both ends included."""
    return Range(low, high, with_low=True, with_high=True)


def inside(low: float, high: float) -> Range:
    """Between the two, neither of them included."""
    return Range(low, high, with_low=False, with_high=False)


def exactly(value: float) -> Range:
    """This figure alone."""
    return between(value, value)
