"""Where panels change colour: the guide's breaking points, from there, and what needs no guide."""

from __future__ import annotations

from prober.dashboards.panel import Color, Step
from prober.guide.breaking_points import bands
from prober.guide.budgets import BUDGETS
from prober.outcome import Measure, Suite, Verdict

COLORS = {
    Verdict.EXCELLENT: Color.GREEN,
    Verdict.GOOD: Color.GREEN,
    Verdict.WARNING: Color.ORANGE,
    Verdict.CRITICAL: Color.RED,
}
# Grafana's steps begin at a value; what the guide says of "above 0" begins this far above it.
ABOVE_NOTHING = 1e-9


def breaking(suite: Suite, measure: Measure) -> tuple[Step, ...]:
    """The colours of a measure, in its base unit, from low to high; a second critical row is darker."""
    steps: list[Step] = []
    criticals = 0
    for band in bands(suite, measure):
        color = COLORS[band.point.verdict]
        if band.point.verdict is Verdict.CRITICAL and steps:
            criticals += 1
            color = Color.DARK_RED if criticals > 1 else color
        low = band.range.low
        if not steps:
            steps.append(Step(None, color))
        elif color is not steps[-1].color:
            steps.append(Step(ABOVE_NOTHING if low == 0 else low, color))
    return tuple(steps)


def budget(measure: Measure) -> tuple[Step, ...]:
    """Green within the guide's budget per feature, orange from its end on."""
    (end,) = (each.range.high for each in BUDGETS if each.measure is measure)
    return (Step(None, Color.GREEN), Step(end, Color.ORANGE))


ANY_IS_BAD = (Step(None, Color.GREEN), Step(ABOVE_NOTHING, Color.RED))
ANY_IS_NOTABLE = (Step(None, Color.GREEN), Step(ABOVE_NOTHING, Color.ORANGE))
LESS_THAN_ONE_IS_BAD = (Step(None, Color.RED), Step(1.0, Color.GREEN))
NO_JUDGEMENT = (Step(None, Color.BLUE),)
