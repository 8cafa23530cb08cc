"""From figures to places on a plot, and which figures to write beside the axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Scale(Protocol):
    """One axis."""

    def at(self, value: float) -> float:
        """The place of a figure, in pixels; a figure outside is at the nearest end."""
        ...

    def ticks(self) -> tuple[float, ...]:
        """Round figures within the axis, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal steps; `low` is at pixel `begin`, `high` at pixel `end`. `most` ticks at most."""

    low: float
    high: float
    begin: float
    end: float
    most: int = 6

    def at(self, value: float) -> float:
        """The place of a figure, in pixels."""
        part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return self.begin + min(1.0, max(0.0, part)) * (self.end - self.begin)

    def ticks(self) -> tuple[float, ...]:
        """Multiples of 1, 2 or 5 of a power of ten."""
        step = nice_step(self.high - self.low, self.most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(n * step for n in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class Log:
    """Equal factors; both ends are above 0."""

    low: float
    high: float
    begin: float
    end: float
    most: int = 8

    def at(self, value: float) -> float:
        """The place of a figure, in pixels."""
        if value <= 0 or self.high <= self.low:
            return self.begin
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + min(1.0, max(0.0, part)) * (self.end - self.begin)

    def ticks(self) -> tuple[float, ...]:
        """1, 2 and 5 of each power of ten, or powers of ten alone where those are too many."""
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = tuple(
                tick for tick in (digit * 10.0**e for e in exponents for digit in digits) if self._holds(tick)
            )
            if len(found) <= self.most:
                return found
        return found[:: math.ceil(len(found) / self.most)]

    def _holds(self, tick: float) -> bool:
        return self.low * (1 - 1e-9) <= tick <= self.high * (1 + 1e-9)


def nice_step(extent: float, most: int) -> float:
    """The smallest of 1, 2, 5 × 10^n that cuts `extent` into fewer than `most` pieces."""
    if extent <= 0 or not math.isfinite(extent):
        return 1.0
    power = 10.0 ** math.floor(math.log10(extent / most))
    return next(step * power for step in (1, 2, 5, 10, 20) if extent / (step * power) <= most - 1 or step == 20)


def rounded_up(value: float, most: int = 5) -> float:
    """The next round figure, as the upper end of an axis; 1 for nothing."""
    if value <= 0:
        return 1.0
    step = nice_step(value, most)
    return math.ceil(value / step - 1e-9) * step
