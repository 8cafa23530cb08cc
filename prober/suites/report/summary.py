"""The summary on a terminal: the verdict first, then what it rests on, then what to do. Plain text, 100 wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from prober.guide.judgement import Advice, BudgetVerdict, RowVerdict, TargetVerdict
from prober.guide.saying import say
from prober.outcome import Ending, Verdict
from prober.publish.printable import printable
from prober.suites.report.facts import one_line
from prober.suites.report.findings import violations
from prober.suites.report.wording import SEVERITY, seconds, title, to_do, verdict_word
from prober.suites.results import Results

WIDTH = 100
_COLOURS = {
    Verdict.CRITICAL: "\x1b[1;31m",
    Verdict.WARNING: "\x1b[33m",
    Verdict.GOOD: "\x1b[32m",
    Verdict.EXCELLENT: "\x1b[32m",
}
_PLAIN = "\x1b[0m"


def summary(results: Results, *, colour: bool = False) -> str:
    """Render it; `colour` where the reader is a terminal."""
    return "\n".join(_lines(results, colour)).rstrip() + "\n"


def _lines(results: Results, colour: bool) -> Iterator[str]:
    judgement = results.judgement
    found = violations(results)
    yield _headline(results, bool(found), colour)
    yield from _wrapped(results.sentence, "  ")
    yield from _wrapped(one_line(results), "  ")
    yield from _wrapped(
        f"{results.target.url} ({results.target.environment}), run {results.run_id}, {results.started}, "
        f"{seconds(results.duration_seconds)}",
        "  ",
    )
    if found:
        yield ""
        yield "violations: a correct system never does this"
        for sentence in found:
            yield from _wrapped(sentence, "  - ")
    yield ""
    yield from _breaking_points(judgement.breaking_points, colour)
    yield from _targets(judgement.targets)
    yield from _budgets(judgement.budgets)
    if results.notes:
        yield "what limits these figures"
        for note in results.notes:
            yield from _wrapped(note, "  - ")
        yield ""
    yield from _advice(judgement.advice)


def _headline(results: Results, found: bool, colour: bool) -> str:
    verdict = Verdict.CRITICAL if found else results.judgement.verdict
    word = "VIOLATION" if found else verdict_word(results.judgement.verdict).upper()
    ending = "" if results.ending is Ending.COMPLETE else f" ({results.ending})"
    return f"{_coloured(word, verdict, colour)}  {title(results)}{ending}"


def _breaking_points(rows: tuple[RowVerdict, ...], colour: bool) -> Iterator[str]:
    if not rows:
        return
    yield "breaking points"
    ordered = sorted(rows, key=lambda row: SEVERITY[row.verdict])
    names = max(len(row.name) for row in rows)
    figures = max(len(_figure(row)) for row in rows)
    edges = max(len(row.row or "") for row in rows)
    for row in ordered:
        word = _coloured(f"{verdict_word(row.verdict):<10}", row.verdict, colour)
        begin = f"  {word}  {printable(row.name):<{names}}  "
        if row.verdict is None:
            blank = " " * (names + 16)
            why = row.why_not or "it was not measured"
            said = f"{_figure(row)}, but {why}" if row.value is not None else why
            first, *rest = textwrap.wrap(printable(said), WIDTH - len(blank)) or [""]
            yield begin + first
            yield from (blank + line for line in rest)
            continue
        yield f"{begin}{_figure(row):>{figures}}  {row.row or '':<{edges}}  {to_do(row)}".rstrip()
    yield ""


def _figure(row: RowVerdict) -> str:
    return "" if row.value is None else say(row.measure, row.value)


def _targets(rows: tuple[TargetVerdict, ...]) -> Iterator[str]:
    """The missed ones first; one without an answer has its reason."""
    if not rows:
        return
    yield "production targets"
    yield from _answered(rows, ("met", "missed"))
    for row in rows:
        if row.met is None:
            yield from _wrapped(f"{row.text}: {row.why_not or 'it was not measured'}", f"  {'-':<10}  ")
    yield ""


def _budgets(rows: tuple[BudgetVerdict, ...]) -> Iterator[str]:
    """Those that were answered; why the others were not, the longer reports say."""
    if not any(row.met is not None for row in rows):
        return
    yield "budgets"
    yield from _answered(rows, ("kept", "exceeded"))
    yield ""


def _answered(
    rows: tuple[TargetVerdict, ...] | tuple[BudgetVerdict, ...], words: tuple[str, str]
) -> Iterator[str]:
    for row in sorted((row for row in rows if row.met is not None), key=lambda row: bool(row.met)):
        word = words[0] if row.met else words[1]
        yield f"  {word:<10}  {printable(row.text):<40}  {say(row.measure, row.value)}"


def _advice(advice: tuple[Advice, ...]) -> Iterator[str]:
    if not advice:
        return
    yield "what to do (`prober report FILE --markdown` has each with its code)"
    for number, one in enumerate(advice, 1):
        yield from _wrapped(f"{one.title}: {one.because}", f"  {number}. ")
    yield ""


def _wrapped(text: str, begin: str) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(text), WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin), break_on_hyphens=False
    )


def _coloured(text: str, verdict: Verdict | None, colour: bool) -> str:
    return f"{_COLOURS[verdict]}{text}{_PLAIN}" if colour and verdict is not None else text
