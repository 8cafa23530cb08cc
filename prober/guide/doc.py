"""docs/breaking-points.md, made from the guide's data: `python -m prober.guide.doc > docs/breaking-points.md`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

from prober.guide.advice import all_of, recommendations
from prober.guide.advice.recommendation import Clue, Recommendation
from prober.guide.breaking_points import GAPS, GUIDE, Band, BreakingPoint, bands, edges, measures_of
from prober.guide.budgets import BUDGETS, SOURCE
from prober.guide.decisions import TREE, Question
from prober.guide.ranges import Range
from prober.guide.saying import say
from prober.guide.targets import TARGETS
from prober.outcome import Measure, Suite

_TITLES = {
    Suite.WEBHOOK_LOAD: "Webhook load",
    Suite.VENDOR_RACE: "Vendor race",
    Suite.REDIS_FAILURE: "Redis failure",
    Suite.DB_RESTART: "Database restart",
}

_HEAD = f"""\
# Breaking points, targets and advice

Generated from `prober/guide/`; a test fails when this file is not current.

What the operators' guide says of a suite's figures, and how it is read here. {len(GUIDE)} rows are its own;
{len(GAPS)} more, in *italics*, are our readings of what its tables leave out. `<` and `>` are strict, ranges
include both ends; where two rows share an edge the better one wins, and of two rows that both match the more
specific. So every figure falls to exactly one row: the column *our reading*. Without samples there is no verdict,
and none of a figure that says nothing about the target (rate limited, or the load generator was the limit).

Below each table: where it gets worse, as numbers, for alerts and dashboards.
"""


def markdown() -> str:
    """Render the whole document."""
    return (
        "\n".join(
            [
                _HEAD,
                "## Breaking points\n",
                *(_breaking_points(suite) for suite in Suite),
                "## Production targets\n",
                _targets(),
                "## Budgets\n",
                _budgets(),
                "## Decision tree\n",
                _tree(),
                "## Advice\n",
                _ADVICE_HEAD,
                *(_chapter(suite) for suite in Suite),
            ]
        ).rstrip("\n")
        + "\n"
    )


_ADVICE_HEAD = """\
What a row calls for is named in the tables above. Advice that says *when* it fits is left out where that was
measured and is not so, and given also without a bad row where it was measured and is so: in a drill, messages
that were refused or lost call for a fallback queue, callers that waited for a circuit breaker. *Corrected* says
what the guide says instead, and why it fails. SQL is marked with the tables it is for: deployed, or the guide's.
"""


def _breaking_points(suite: Suite) -> str:
    lines = [
        f"### {_TITLES[suite]}",
        "",
        "| metric | the guide's row | our reading | verdict | action | advice |",
        "|---|---|---|---|---|---|",
    ]
    for measure in measures_of(suite):
        found = bands(suite, measure)
        ordered = [point for point in (*GUIDE, *GAPS) if point.suite is suite and point.measure is measure]
        lines += [_row(point, found) for point in ordered]
    lines.append("")
    for measure in measures_of(suite):
        steps = (f"{edge.comparison} {edge.value:g} {edge.verdict}" for edge in edges(measure, suite))
        lines.append(f"- `{measure}`: {', '.join(steps)}")
    return "\n".join([*lines, ""])


def _row(point: BreakingPoint, found: Iterable[Band]) -> str:
    reading = next(_range(point.measure, band.range) for band in found if band.point is point)
    row = f"*{point.row}*" if point.gap else point.row
    advice = "; ".join(each.title for each in recommendations(point)) or "–"
    return f"| {point.name} | {row} | {reading} | {point.verdict} | {point.action} | {advice} |"


def _range(measure: Measure, span: Range) -> str:
    if span.low == span.high:
        return f"exactly {say(measure, span.low)}"
    low = f"{'from' if span.with_low else 'above'} {say(measure, span.low)}"
    if span.high == math.inf:
        return low
    high = f"{'up to' if span.with_high else 'below'} {say(measure, span.high)}"
    return high if span.with_low and span.low == 0 else f"{low}, {high}"


def _targets() -> str:
    lines = ["| suite | target | measure | met when |", "|---|---|---|---|"]
    lines += [
        f"| {_TITLES[each.suite]} | {each.text} | `{each.measure}` | {_condition(each.measure, each.range)} |"
        for each in TARGETS
    ]
    return "\n".join([*lines, ""])


def _condition(measure: Measure, span: Range) -> str:
    """A range with one end."""
    if span.high == math.inf:
        return f"{'at least' if span.with_low else 'above'} {say(measure, span.low)}"
    return f"{'at most' if span.with_high else 'below'} {say(measure, span.high)}"


def _budgets() -> str:
    lines = [f"Source: {SOURCE}.", "", "| budget | answered by | kept when | otherwise |", "|---|---|---|---|"]
    for each in BUDGETS:
        by = ", ".join(_TITLES[suite].lower() for suite in Suite if suite in each.answered_by)
        lines.append(
            f"| {each.text} | {by or 'nobody'} | {_condition(each.measure, each.range)} | "
            f"*not measured*: {each.otherwise} |"
        )
    return "\n".join([*lines, ""])


def _tree() -> str:
    lines = [
        "Answered for each suite's figures. `> 500ms` takes in 500 ms, which none of the guide's branches does.",
        'Where the tree says "OK" and a breaking point of the same suite does not, the answer says both.',
        "",
    ]
    for suite, question in TREE.items():
        lines += [f"- {_TITLES[suite]}: **{question.text}** (`{question.measure}`)", *_branches(question, 1)]
    return "\n".join([*lines, ""])


def _branches(question: Question, depth: int) -> list[str]:
    lines = []
    for branch in question.branches:
        what = f"**{branch.question.text}**" if branch.question else "; ".join(branch.steps)
        lines.append(f"{'  ' * depth}- `{branch.label}`: {what}")
        if branch.question:
            lines += _branches(branch.question, depth + 1)
    return lines


def _chapter(suite: Suite) -> str:
    return "\n".join([f"### {_TITLES[suite]}: advice", "", *(_advice(each) for each in all_of(suite))])


def _advice(each: Recommendation) -> str:
    parts = [f"#### {each.title}", f"{each.issue}. Source: {each.source}.", each.text]
    if each.clue is not None:
        parts.append(f"*When*: {_when(each.clue)}.")
    if each.corrected is not None:
        parts.append(f"*Corrected*: {each.corrected}")
    return "\n\n".join(parts) + "\n"


def _when(clue: Clue) -> str:
    return f"`{clue.measure}` is {_condition(clue.measure, clue.range)}"


if __name__ == "__main__":
    sys.stdout.write(markdown())
