"""A comparison for a terminal and, as Markdown, for a ticket."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from prober.outcome import Change
from prober.publish.printable import printable
from prober.suites.report.compare import Compared, Comparison, verdict_change
from prober.suites.report.markdown import plain, table
from prober.suites.report.summary import WIDTH

WORDS = {
    Change.WORSE: "worse",
    Change.BETTER: "better",
    Change.ONCE: "differs",
    Change.SAME: "same",
    Change.NOT_KNOWN: "not known",
}
ORDER = (Change.WORSE, Change.BETTER, Change.ONCE, Change.SAME, Change.NOT_KNOWN)
_COLOURS = {Change.WORSE: "\x1b[1;31m", Change.BETTER: "\x1b[32m"}


def in_order(compared: tuple[Compared, ...]) -> list[Compared]:
    """What got worse first."""
    return sorted(compared, key=lambda one: ORDER.index(one.change))


def comparison_text(comparison: Comparison, *, colour: bool = False) -> str:
    """Render it, 100 wide."""
    return "\n".join(_lines(comparison, colour)) + "\n"


def comparison_markdown(comparison: Comparison) -> str:
    """Render it."""
    changed = [one for one in comparison.verdicts if one.before is not one.after]
    lines = [f"# {plain(comparison.title)}: two runs compared", "", plain(comparison.sentence), ""]
    lines += [f"- before: {plain(comparison.before)}", f"- after: {plain(comparison.after)}", ""]
    if comparison.warnings:
        lines += ["## What else changed", "", *(f"- {plain(said)}" for said in comparison.warnings), ""]
    rows = [
        (one.name, one.before, one.after, WORDS[one.change], one.sentence) for one in in_order(comparison.compared)
    ]
    lines += ["## Figures", "", *table(("figure", "before", "after", "change", "how sure"), rows)]
    if changed:
        lines += ["## Verdicts that changed", ""]
        lines += table(("breaking point", "verdict"), [(one.name, verdict_change(one)) for one in changed])
    return "\n".join([*lines, plain(comparison.caution), ""])


def _lines(comparison: Comparison, colour: bool) -> Iterator[str]:
    yield f"{comparison.title}: two runs compared"
    yield from _wrapped(comparison.sentence, "  ")
    yield from _wrapped(comparison.before, "  before  ")
    yield from _wrapped(comparison.after, "  after   ")
    yield ""
    if comparison.warnings:
        yield "what else changed"
        for said in comparison.warnings:
            yield from _wrapped(said, "  - ")
        yield ""
    yield "figures"
    compared = in_order(comparison.compared)
    names, then, now = (max(len(cell) for cell in column) for column in _columns(compared))
    for one in compared:
        word = f"{WORDS[one.change]:<9}"
        paint = _COLOURS.get(one.change) if colour else None
        begin = f"  {f'{paint}{word}{chr(27)}[0m' if paint else word}  {one.name:<{names}}"
        begin += f"  {one.before:>{then}} → {one.after:<{now}}  "
        room = WIDTH - (names + then + now + 18)
        first, *rest = textwrap.wrap(printable(one.sentence), max(24, room)) or [""]
        yield f"{begin}{first}".rstrip()
        yield from (" " * (names + then + now + 18) + line for line in rest)
    yield ""
    changed = [one for one in comparison.verdicts if one.before is not one.after]
    if changed:
        yield "verdicts that changed"
        yield from (f"  {one.name}: {verdict_change(one)}" for one in changed)
        yield ""
    yield from _wrapped(comparison.caution, "")


def _columns(compared: list[Compared]) -> tuple[list[str], list[str], list[str]]:
    return [one.name for one in compared], [one.before for one in compared], [one.after for one in compared]


def _wrapped(text: str, begin: str) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(text), WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin), break_on_hyphens=False
    )
