"""A suite's figures as the guide gets them: what was measured, and what must not be judged for which reason."""

from __future__ import annotations

from collections.abc import Mapping

from prober.guide.units import checked
from prober.outcome import Measure

NO_SAMPLES = "nothing was measured, so there is nothing to judge"


class Figures:
    """Immutable. ValueError for a figure that its measure cannot have: NaN, negative, infinite, a rate above 1."""

    __slots__ = ("_measures", "_why_not")

    def __init__(self, measures: Mapping[Measure, float | None], why_not: Mapping[Measure, str]) -> None:
        self._measures = {
            measure: checked(measure, value) for measure, value in measures.items() if value is not None
        }
        self._why_not = dict(why_not)

    def measured(self, measure: Measure) -> float | None:
        """What was measured, whether or not it may be judged."""
        return self._measures.get(measure)

    def judged(self, measure: Measure) -> float | None:
        """The figure, unless there is none or a reason against judging it."""
        return None if measure in self._why_not else self._measures.get(measure)

    def why_not(self, measure: Measure) -> str | None:
        """Why there is nothing to judge, as a sentence; None where there is."""
        if measure in self._why_not:
            return self._why_not[measure]
        return None if measure in self._measures else NO_SAMPLES
