"""A report as one page that needs nothing else: no script, no file, no network."""

from __future__ import annotations

from collections.abc import Sequence

from prober.guide.judgement import Advice, BudgetVerdict, Decision, Judgement, RowVerdict, TargetVerdict
from prober.guide.saying import say
from prober.outcome import Ending, Verdict
from prober.suites.report.facts import Table, circumstances, one_line, tables
from prober.suites.report.findings import violations
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.chosen import plots
from prober.suites.report.prose import prose
from prober.suites.report.style import CONTENT_SECURITY_POLICY, STYLE
from prober.suites.report.wording import NOT_MEASURED, SEVERITY, seconds, title, to_do, verdict_word
from prober.suites.results import Results


def page(results: Results, *others: Results) -> str:
    """One run, or several one after the other."""
    named = title(results) if not others else f"{1 + len(others)} runs"
    return document(named, [_article(one) for one in (results, *others)])


def document(name: str, articles: Sequence[Markup]) -> str:
    """A page of articles under our style and policy."""
    head = tag(
        "head",
        None,
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": CONTENT_SECURITY_POLICY}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        # Without it a browser asks the server that it comes from for a picture.
        tag("link", {"rel": "icon", "href": "data:,"}),
        tag("title", None, text(f"{name} · prober")),
        tag("style", None, Markup(STYLE)),
    )
    body = tag("body", None, tag("main", None, *articles))
    return f"<!doctype html>\n{tag('html', {'lang': 'en'}, head, body)}\n"


def rows_table(columns: Sequence[str], rows: Sequence[Sequence[Markup]]) -> Markup:
    """A table whose first column names its rows."""
    head = tag("tr", None, *(tag("th", {"scope": "col"}, text(column)) for column in columns))
    body = [
        tag("tr", None, tag("th", {"scope": "row"}, row[0]), *(tag("td", None, cell) for cell in row[1:]))
        for row in rows
    ]
    return tag("table", None, tag("thead", None, head) if any(columns) else NOTHING, tag("tbody", None, *body))


def badge(word: str, kind: str) -> Markup:
    """A word that stands out; its colour says nothing that the word does not."""
    return tag("span", {"class": f"badge {kind}"}, text(word))


def plain_table(one: Table) -> Markup:
    """A table of words."""
    if not one.rows:
        return NOTHING
    return tag(
        "section",
        {"class": "whole" if len(one.columns) > 3 else None},
        tag("h3", None, text(one.title)),
        rows_table(one.columns, [[text(cell) for cell in row] for row in one.rows]),
        tag("small", None, text(one.note)) if one.note else NOTHING,
    )


def _article(results: Results) -> Markup:
    judgement = results.judgement
    measured = [plain_table(one) for one in (*tables(results), *circumstances(results))]
    drawn = plots(results)
    return tag(
        "article",
        None,
        _header(results),
        _section("Breaking points", _breaking_points(judgement.breaking_points)),
        _section("What limits these figures", _list(results.notes)) if results.notes else NOTHING,
        _section("Plots", *drawn) if drawn else NOTHING,
        _section("What to do", *(_advice(n, one) for n, one in enumerate(judgement.advice, 1)))
        if judgement.advice
        else NOTHING,
        _answers(judgement),
        _section("What was measured", tag("div", {"class": "tables"}, *measured)),
    )


def _section(name: str, *content: Markup) -> Markup:
    return tag("section", None, tag("h2", None, text(name)), *content)


def _header(results: Results) -> Markup:
    found = violations(results)
    verdict = results.judgement.verdict
    mark = badge("violation", "critical") if found else badge(verdict_word(verdict), _kind(verdict))
    ending = "" if results.ending is Ending.COMPLETE else f" ({results.ending})"
    target = results.target
    where = f"{target.url} ({target.environment}), {results.started}, {seconds(results.duration_seconds)}"
    heading = f"{title(results)}{ending}"
    alarm = (
        tag(
            "div", {"class": "alarm"}, tag("strong", None, text("A correct system never does this:")), _list(found)
        )
        if found
        else NOTHING
    )
    return tag(
        "header",
        {"class": "lead"},
        tag("h1", None, text(f"{heading[:1].upper()}{heading[1:]}")),
        tag("p", None, mark),
        tag("p", None, text(results.sentence)),
        tag("p", None, text(one_line(results))),
        alarm,
        tag("p", {"class": "soft"}, text(where)),
    )


def _kind(verdict: Verdict | None) -> str:
    return "none" if verdict is None else verdict.value


def _list(sentences: Sequence[str]) -> Markup:
    return tag("ul", None, *(tag("li", None, text(sentence)) for sentence in sentences))


def _breaking_points(rows: Sequence[RowVerdict]) -> Markup:
    """Three columns, so that they fit a telephone: row and action stand under name and verdict."""
    made = []
    for row in sorted(rows, key=lambda one: SEVERITY[one.verdict]):
        below = to_do(row) if row.verdict is not None else row.why_not
        made.append(
            (
                join([text(row.name), _small(row.row and f"{row.row} in the guide")]),
                figure(NOT_MEASURED if row.value is None else say(row.measure, row.value)),
                join([badge(verdict_word(row.verdict), _kind(row.verdict)), _small(below)]),
            )
        )
    return rows_table(("breaking point", "figure", "verdict"), made)


def figure(said: str) -> Markup:
    """A figure of ours, which stays on one line with its unit."""
    return tag("span", {"class": "figure"}, text(said))


def _small(said: str | None) -> Markup:
    return tag("small", None, text(said)) if said else NOTHING


def _advice(number: int, one: Advice) -> Markup:
    corrected = NOTHING
    if one.corrected:
        lead = tag("p", None, tag("strong", None, text("Other than the guide")))
        corrected = tag("blockquote", None, lead, prose(one.corrected))
    return tag(
        "section",
        None,
        tag("h3", None, text(f"{number}. {one.title}")),
        tag("p", {"class": "soft"}, text(f"{one.issue}: {one.because}")),
        prose(one.text),
        corrected,
        _small(f"Source: {one.source}"),
    )


def _answers(judgement: Judgement) -> Markup:
    """Targets, budgets and the decision tree: what the guide asks beside its breaking points."""
    return join(
        [
            _asked("Production targets", judgement.targets, ("met", "missed")),
            _asked("Budgets", judgement.budgets, ("kept", "exceeded")),
            _section("Decision tree", *(_decision(one) for one in judgement.decisions))
            if judgement.decisions
            else NOTHING,
        ]
    )


def _asked(name: str, rows: Sequence[TargetVerdict] | Sequence[BudgetVerdict], words: tuple[str, str]) -> Markup:
    if not rows:
        return NOTHING
    made = []
    for row in rows:
        word = NOT_MEASURED if row.met is None else words[0] if row.met else words[1]
        kind = "none" if row.met is None else "met" if row.met else "missed"
        found = figure("" if row.value is None else say(row.measure, row.value))
        made.append((text(row.text), found, join([badge(word, kind), _small(row.why_not)])))
    return _section(name, rows_table(("as the guide writes it", "figure", "answer"), made))


def _decision(one: Decision) -> Markup:
    said = NOT_MEASURED if one.answer is None else "yes" if one.answer else "no"
    return tag(
        "section",
        None,
        tag("p", None, text(f"{one.question} "), tag("strong", None, text(said))),
        tag("ol", None, *(tag("li", None, text(step)) for step in one.path)) if one.path else NOTHING,
    )
