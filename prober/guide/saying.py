"""A figure in words, as every report says it: `1.23 s`, `99.2 %`, `512 /s`, `1200 jobs`.

Three digits that count, and more where fewer would put the figure on or beyond an edge of the guide: what is
judged "above 2 s" is never shown as 2 s, and a win rate that is not perfect never as 100 %.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

from prober.guide.breaking_points import GAPS, GUIDE
from prober.guide.budgets import BUDGETS
from prober.guide.targets import TARGETS
from prober.guide.units import UNITS, checked, domain
from prober.outcome import Measure, Unit

_DIGITS = 3
NOT_MEASURED = "not measured"

# From the largest down: from which figure on, its factor, its name.
_STEPS: dict[Unit, tuple[tuple[Decimal, Decimal, str], ...]] = {
    Unit.RATE: ((Decimal(0), Decimal(100), "%"),),
    Unit.SECONDS: (
        (Decimal(1), Decimal(1), "s"),
        (Decimal("0.001"), Decimal(1000), "ms"),
        (Decimal(0), Decimal(1_000_000), "µs"),
    ),
    Unit.PER_SECOND: ((Decimal(0), Decimal(1), "/s"),),
    Unit.JOBS: ((Decimal(0), Decimal(1), "jobs"),),
}


def say(measure: Measure, value: float | None) -> str:
    """The figure with its unit; `not measured` for None; ValueError for a figure that the measure cannot have."""
    if value is None:
        return NOT_MEASURED
    # The shortest decimal of a float, not its exact one: 0.1 is the edge 0.1.
    exact = Decimal(repr(checked(measure, value) + 0.0))
    for digits in range(_DIGITS, 400):
        rounded = _rounded(exact, digits)
        if rounded == exact or all(_side(rounded, edge) == _side(exact, edge) for edge in _edges(measure)):
            break
    return _with_unit(measure, rounded)


@cache
def _edges(measure: Measure) -> tuple[Decimal, ...]:
    ranges = [
        *(point.range for point in (*GUIDE, *GAPS) if point.measure is measure),
        *(target.range for target in TARGETS if target.measure is measure),
        *(budget.range for budget in BUDGETS if budget.measure is measure),
        domain(measure),
    ]
    return tuple(sorted({Decimal(repr(float(end))) for each in ranges for end in each.ends}))


def _side(value: Decimal, edge: Decimal) -> Decimal:
    return value.compare(edge)


def _rounded(value: Decimal, digits: int) -> Decimal:
    """To so many digits, but never coarser than a whole unit: 12345 requests a second stay 12345."""
    if value == 0:
        return value
    places = min(value.adjusted() - digits + 1, 0)
    # Whatever has fewer places stands as it is.
    return value if value == value.to_integral() else value.quantize(Decimal(1).scaleb(places), ROUND_HALF_EVEN)


def _with_unit(measure: Measure, value: Decimal) -> str:
    for least, factor, name in _STEPS[UNITS[measure]]:
        if value >= least and (value != 0 or name != "µs"):
            return f"{_plain(value * factor)} {name}"
    return f"0 {_STEPS[UNITS[measure]][0][2]}"


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
