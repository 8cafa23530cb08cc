"""How much a figure of one run may be chance: intervals from counts, ranks, and the run's own slots of time.

All intervals are meant to hold the true figure in 99 of 100 runs, since several figures are compared at once.
Requests of one run are no independent throws (what stalls one stalls its neighbours), so what counts or ranks say
is widened to what the stretches of the run say of themselves (moving-block bootstrap: Künsch 1989).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

Z = 2.5758  # of the normal distribution, for 99 %
LEVEL = 0.99
FEWEST = 8  # stretches or races that a bootstrap needs to say anything
_RESAMPLES = 1000
_SEED = 5  # the same two files compare the same every time


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval around it."""

    value: float
    low: float
    high: float


def proportion(hits: int, tries: int) -> Estimate | None:
    """A share with Wilson's interval (1927); None without tries."""
    if tries <= 0:
        return None
    p = hits / tries
    centre = (p + Z * Z / (2 * tries)) / (1 + Z * Z / tries)
    half = Z / (1 + Z * Z / tries) * math.sqrt(p * (1 - p) / tries + Z * Z / (4 * tries * tries))
    # At the ends rounding could leave the figure itself outside.
    return Estimate(p, min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half)))


def quantile(distribution: Sequence[tuple[float, int]], q: float, value: float) -> Estimate | None:
    """A quantile with the interval of its order statistics; `distribution` as in the results of a load."""
    total = sum(n for _, n in distribution)
    half = Z * math.sqrt(total * q * (1 - q))
    # The upper rank has to exist: of 100 samples none bounds the 99.9th percentile from above.
    if total == 0 or math.ceil(total * q + half) > total or math.floor(total * q - half) < 1:
        return None
    low, high = (
        _at_rank(distribution, rank) for rank in (math.floor(total * q - half), math.ceil(total * q + half))
    )
    return Estimate(value, min(low, value), max(high, value))


def _at_rank(distribution: Sequence[tuple[float, int]], rank: int) -> float:
    for (edge, _), seen in zip(distribution, accumulate(n for _, n in distribution), strict=True):
        if seen >= rank:
            return edge
    return distribution[-1][0]


def ratio(slots: Sequence[tuple[float, float]]) -> Estimate | None:
    """Sum of the firsts over sum of the seconds of slots in time order, none below 0; None for too few."""
    tops, bottoms = ([0.0, *accumulate(slot[n] for slot in slots)] for n in (0, 1))
    if len(slots) < FEWEST or bottoms[-1] <= 0:
        return None
    size = max(1, round(len(slots) ** (1 / 3)))
    blocks = math.ceil(len(slots) / size)
    starts = range(len(slots) - size + 1)
    chance = random.Random(_SEED)  # noqa: S311 chance, not a secret
    found = []
    for _ in range(_RESAMPLES):
        drawn = chance.choices(starts, k=blocks)
        below = sum(bottoms[at + size] - bottoms[at] for at in drawn)
        if below > 0:
            found.append(sum(tops[at + size] - tops[at] for at in drawn) / below)
    value = tops[-1] / bottoms[-1]
    low, high = _middle(sorted(found))
    wider = _few(blocks)
    low, high = value - (value - low) * wider, value + (high - value) * wider
    return Estimate(value, min(value, max(0.0, low)), max(value, high))


def mean(values: Sequence[float]) -> Estimate | None:
    """A mean over what followed each other in time; None for too few."""
    return ratio([(value, 1.0) for value in values])


def around(value: float, spread: Estimate | None) -> Estimate | None:
    """The figure of the whole run with the spread that its slots show, taken in proportion."""
    if spread is None or spread.value <= 0:
        return None
    return Estimate(value, value * spread.low / spread.value, value * spread.high / spread.value)


def hull(*estimates: Estimate | None) -> Estimate | None:
    """The widest interval that any of them allows, around the first one's figure."""
    known = [one for one in estimates if one is not None]
    if not known:
        return None
    return Estimate(known[0].value, min(one.low for one in known), max(one.high for one in known))


def difference(before: Estimate, after: Estimate) -> Estimate:
    """After less before, from the two intervals (Zou and Donner 2008; for shares: Newcombe 1998)."""
    change = after.value - before.value
    low = change - math.hypot(after.value - after.low, before.high - before.value)
    high = change + math.hypot(after.high - after.value, before.value - before.low)
    return Estimate(change, low, high)


def _few(blocks: int) -> float:
    """How much wider than a bootstrap of so few blocks says: Student's t over the normal's, and n over n - 1.

    The quantile by its expansion in 1 / degrees of freedom (Abramowitz and Stegun 26.7.5), two terms.
    """
    free = blocks - 1
    t = Z + (Z**3 + Z) / (4 * free) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * free**2)
    return t / Z * math.sqrt(blocks / free)


def _middle(found: Sequence[float]) -> tuple[float, float]:
    tail = (1 - LEVEL) / 2
    return found[math.floor(tail * (len(found) - 1))], found[math.ceil((1 - tail) * (len(found) - 1))]
