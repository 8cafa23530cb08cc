"""All that the guide says of one scenario's figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prober.guide.advice import advise
from prober.guide.breaking_points import measures_of, points_of, read, worst
from prober.guide.budgets import answer_budgets
from prober.guide.decisions import decide
from prober.guide.figures import Figures
from prober.guide.judgement import Judgement, RowVerdict
from prober.guide.targets import answer_targets
from prober.outcome import Measure, Suite


def judge(
    suite: Suite,
    measures: Mapping[Measure, float | None],
    why_not: Mapping[Measure, str] = MappingProxyType({}),
) -> Judgement:
    """Judge a suite's figures (base units: seconds, rates 0..1, requests a second, jobs).

    A measure that is None or missing gets no verdict, nor does one with a reason in `why_not` (a sentence: "the
    target limits to 200 requests a minute, …"), whose figure is still shown. Measures that the guide does not
    judge for this suite are ignored. ValueError for a figure that its measure cannot have: NaN, negative,
    infinite, a rate above 1.
    """
    figures = Figures(measures, why_not)
    rows = tuple(_judge_row(suite, measure, figures) for measure in measures_of(suite))
    return Judgement(
        verdict=worst([row.verdict for row in rows if row.verdict is not None]),
        breaking_points=rows,
        targets=answer_targets(suite, figures),
        budgets=answer_budgets(suite, figures),
        decisions=decide(suite, figures),
        advice=advise(suite, figures),
    )


def _judge_row(suite: Suite, measure: Measure, figures: Figures) -> RowVerdict:
    value = figures.judged(measure)
    if value is None:
        unjudged = points_of(suite, measure)[0]
        return RowVerdict(
            measure=measure,
            name=unjudged.name,
            value=figures.measured(measure),
            verdict=None,
            row=None,
            action=None,
            source=unjudged.source,
            why_not=figures.why_not(measure),
        )
    point = read(suite, measure, value)
    return RowVerdict(
        measure=measure,
        name=point.name,
        value=value,
        verdict=point.verdict,
        row=point.row,
        action=point.action,
        source=point.source,
    )
