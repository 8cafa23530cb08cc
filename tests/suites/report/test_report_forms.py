"""The forms of a report: the verdict first, everything in it, and strangers' texts never more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.outcome import Ending, Suite
from prober.suites.report.findings import is_critical, violations
from prober.suites.report.html import page
from prober.suites.report.markdown import markdown
from prober.suites.report.markup import lines, text
from prober.suites.report.prose import prose
from prober.suites.report.style import CONTENT_SECURITY_POLICY, STYLE
from prober.suites.report.summary import WIDTH, summary
from prober.suites.results import Results

from . import samples

EVERY_KIND = samples.every_kind()


@pytest.fixture(params=list(EVERY_KIND))
def results(request: pytest.FixtureRequest) -> Results:
    return EVERY_KIND[request.param]


def strangely(results: Results) -> Results:
    """The same, told by somebody who would rather be markup."""
    return Results.model_validate(
        results.model_dump()
        | {
            "sentence": samples.STRANGER,
            "scenario": samples.STRANGER,
            "notes": (samples.STRANGER,),
            "parameters": {f"{samples.STRANGER}{n}": samples.STRANGER for n in range(len(results.parameters))},
            "target": {"url": samples.STRANGER, "environment": samples.STRANGER, "contract": samples.STRANGER},
        }
    )


def test_the_summary_begins_with_the_verdict(results: Results) -> None:
    first, *rest = summary(results).splitlines()
    expected = "VIOLATION" if violations(results) else str(results.judgement.verdict).upper()
    assert first.split("  ")[0] == expected
    said = "\n".join(rest)
    for row in results.judgement.breaking_points:
        assert row.name in said
        assert row.row is None or row.row in said
    for note in results.notes:
        assert note in said
    for one in results.judgement.advice:
        assert one.title.split()[0] in said


def test_the_summary_fits_a_terminal_and_has_no_colour_of_its_own(results: Results) -> None:
    plain = summary(results)
    assert max(len(row) for row in plain.splitlines()) <= WIDTH
    assert "\x1b" not in plain
    coloured = summary(results, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_rows_come_worst_first_and_one_without_a_verdict_says_why() -> None:
    said = summary(samples.load(rate_limited=True)).splitlines()
    at = said.index("breaking points")
    words = [row.split()[0] for row in said[at + 1 : at + 4]]
    assert words == ["no", "good", "good"]
    assert "the target's rate limit was measured" in said[at + 1]


def test_an_interrupted_run_says_so_in_its_first_line() -> None:
    stopped = samples.load(ending=Ending.INTERRUPTED)
    assert summary(stopped).splitlines()[0].endswith("(interrupted)")
    assert "(interrupted)" in markdown(stopped).splitlines()[0]
    assert "(interrupted)" in page(stopped)


def test_violations_and_critical_rows_end_a_command_with_one() -> None:
    fine = samples.race()
    assert not violations(fine)
    assert not is_critical(fine)
    assert is_critical(samples.race(double=1, races=200))
    assert "2 of 50 races" in violations(samples.race(double=2))[0]
    lossy = samples.load(median=0.01, rate=2000, lost=3)
    assert [said.split(" of ")[0] for said in violations(lossy)] == ["lost_message: 3"]
    assert is_critical(lossy)
    assert violations(samples.drill(Suite.DB_RESTART, lost=1, working=0.5))


def test_markdown_keeps_code_and_escapes_strangers(results: Results) -> None:
    said = markdown(strangely(results))
    outside = re.sub(r"```.*?```", "", said, flags=re.DOTALL)
    assert "<script>" not in outside.replace("\\<script\\>", "")
    assert "\x1b" not in said
    for row in said.splitlines():
        if row.startswith("|"):
            cells = re.split(r"(?<!\\)\|", row)
            assert len(cells) >= 4
    for one in results.judgement.advice:
        assert one.text.rstrip() in said


class Outline(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def outline(html: str) -> Outline:
    made = Outline()
    made.feed(html)
    return made


def test_a_page_needs_nothing_else_and_runs_nothing(results: Results) -> None:
    made = outline(page(strangely(results)))
    assert not {"script", "iframe", "img", "object", "form", "base", "a"} & set(made.tags)
    assert not [name for _, name, _ in made.attributes if name.startswith("on") or name == "style"]
    references = [value for _, name, value in made.attributes if name in ("href", "src")]
    assert references == ["data:,"]


def test_strangers_make_no_element(results: Results) -> None:
    assert outline(page(strangely(results))).tags == outline(page(results)).tags


def test_the_policy_allows_our_style_sheet_alone(results: Results) -> None:
    found = re.search(r"<style>(.*?)</style>", page(results), re.DOTALL)
    assert found is not None
    assert found[1] == STYLE
    hashed = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{hashed}'" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_a_page_can_be_walked_by_its_headings_and_tables(results: Results) -> None:
    made = outline(page(results))
    levels = [int(tag[1]) for tag in made.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    scopes = [value for tag, name, value in made.attributes if tag == "th" and name == "scope"]
    assert len(scopes) == made.tags.count("th")
    assert made.tags.count("title") > made.tags.count("desc") > 0
    assert ("html", "lang", "en") in made.attributes


def test_every_plot_is_well_formed_and_says_what_it_shows(results: Results) -> None:
    plots = re.findall(r"<svg xmlns.*?</svg>", page(results), re.DOTALL)
    assert len(plots) >= 4
    for plot in plots:
        parsed = ElementTree.fromstring(plot)
        assert parsed.attrib["aria-label"]
        assert len(list(parsed.iter())) > 8


def test_several_runs_make_one_page() -> None:
    made = outline(page(*EVERY_KIND.values()))
    assert made.tags.count("article") == len(EVERY_KIND)
    assert made.tags.count("h1") == len(EVERY_KIND)


@given(st.text())
def test_text_never_becomes_markup(said: str) -> None:
    for made in (text(said), lines(said)):
        assert "<" not in made
        assert '"' not in made
        assert not re.search(r"&(?!(amp|lt|gt|quot|#x27);)", made)
    assert outline(prose(said)).tags.count("script") == 0


@given(st.text(alphabet="`*-1. \n#<>&abc"))
def test_prose_is_always_well_formed(said: str) -> None:
    ElementTree.fromstring(f"<p>{prose(said)}</p>")


def test_prose_knows_paragraphs_lists_code_and_strong() -> None:
    written = ("First **this**,", "then `that`:", "", "1. one", "   more", "2. two", "", "- a", "")
    made = prose("\n".join((*written, "```sql", "SELECT 1 < 2;", "", "-- b", "```", "end")))
    assert made == (
        "<p>First <strong>this</strong>, then <code>that</code>:</p>"
        "<ol><li>one more</li><li>two</li></ol>"
        "<ul><li>a</li></ul>"
        '<pre tabindex="0"><code>SELECT 1 &lt; 2;\n\n-- b</code></pre>'
        "<p>end</p>"
    )
