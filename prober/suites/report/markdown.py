"""A report as Markdown, for tickets and the summaries of CI runs. Strangers' texts stay text in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from prober.guide.judgement import Advice, Decision
from prober.guide.saying import say
from prober.outcome import Ending, Measure, Verdict
from prober.publish.printable import printable
from prober.suites.report.facts import Table, circumstances, one_line, tables
from prober.suites.report.findings import violations
from prober.suites.report.wording import NOT_MEASURED, SEVERITY, title, to_do, verdict_word
from prober.suites.results import Results

_SIGNS = {Verdict.EXCELLENT: "🟢", Verdict.GOOD: "🟢", Verdict.WARNING: "🟠", Verdict.CRITICAL: "🔴", None: "⚪"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def markdown(results: Results) -> str:
    """Render it, from its heading of the first level on."""
    return "\n".join(_lines(results)).rstrip() + "\n"


def plain(text: str) -> str:
    """A stranger's text as text on one line, in a cell of a table as well."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table whose cells hold text alone."""
    yield f"| {' | '.join(plain(column) for column in columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(plain(cell) for cell in row)} |"
    yield ""


def _lines(results: Results) -> Iterator[str]:
    judgement = results.judgement
    found = violations(results)
    verdict = "violation" if found else verdict_word(judgement.verdict)
    ending = "" if results.ending is Ending.COMPLETE else f" ({results.ending})"
    sign = _SIGNS[Verdict.CRITICAL if found else judgement.verdict]
    yield f"# {sign} {plain(title(results))}: {verdict}{ending}"
    yield ""
    yield plain(results.sentence)
    yield ""
    yield plain(one_line(results))
    yield ""
    if found:
        yield "## Violations"
        yield ""
        yield from (f"- {plain(sentence)}" for sentence in found)
        yield ""
    yield from _judged(results)
    if results.notes:
        yield "## What limits these figures"
        yield ""
        yield from (f"- {plain(note)}" for note in results.notes)
        yield ""
    if judgement.advice:
        yield "## What to do"
        yield ""
        for number, advice in enumerate(judgement.advice, 1):
            yield from _advice(number, advice)
    yield from _decisions(judgement.decisions)
    yield "## What was measured"
    yield ""
    for one in (*tables(results), *circumstances(results)):
        yield from _table(one)


def _judged(results: Results) -> Iterator[str]:
    judgement = results.judgement
    yield "## Breaking points"
    yield ""
    rows = sorted(judgement.breaking_points, key=lambda row: SEVERITY[row.verdict])
    yield from table(
        ("breaking point", "figure", "verdict", "row of the guide", "what it says"),
        [
            (
                row.name,
                _figure(row.measure, row.value),
                f"{_SIGNS[row.verdict]} {verdict_word(row.verdict)}",
                row.row or "",
                to_do(row) if row.verdict is not None else row.why_not or "",
            )
            for row in rows
        ],
    )
    for name, rows_of, words in (
        ("Production targets", judgement.targets, ("met", "missed")),
        ("Budgets", judgement.budgets, ("kept", "exceeded")),
    ):
        if not rows_of:
            continue
        yield f"## {name}"
        yield ""
        yield from table(
            ("as the guide writes it", "figure", "answer"),
            [(one.text, _figure(one.measure, one.value), answer(one.met, words, one.why_not)) for one in rows_of],
        )


def answer(met: bool | None, words: tuple[str, str], why_not: str | None) -> str:
    """The answer to a target or a budget, with the reason where there is none."""
    if met is None:
        return f"{NOT_MEASURED}: {why_not}" if why_not else NOT_MEASURED
    return words[0] if met else words[1]


def _figure(measure: Measure, value: float | None) -> str:
    return "" if value is None else say(measure, value)


def _advice(number: int, one: Advice) -> Iterator[str]:
    yield f"### {number}. {plain(one.title)}"
    yield ""
    yield f"{plain(one.issue)}: {plain(one.because)}"
    yield ""
    yield one.text.rstrip()  # Markdown of the guide's own, no stranger's
    yield ""
    if one.corrected:
        yield f"> Other than the guide: {' '.join(one.corrected.split())}"
        yield ""
    yield f"Source: {plain(one.source)}"
    yield ""


def _decisions(decisions: Sequence[Decision]) -> Iterator[str]:
    if not decisions:
        return
    yield "## The guide's decision tree"
    yield ""
    for one in decisions:
        said = NOT_MEASURED if one.answer is None else "yes" if one.answer else "no"
        yield f"- {plain(one.question)} **{said}**"
        yield from (f"  - {plain(step)}" for step in one.path)
    yield ""


def _table(one: Table) -> Iterator[str]:
    if not one.rows:
        return
    yield f"### {plain(one.title)}"
    yield ""
    yield from table(one.columns, one.rows)
    if one.note:
        yield plain(one.note)
        yield ""
