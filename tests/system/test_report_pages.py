"""Every kind of report in a real browser: no complaint, nothing beyond the window, every plot drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from prober.suites.report.compare import compare
from prober.suites.report.compare_html import comparison_page
from prober.suites.report.html import page
from prober.suites.results import Results
from proofs.browser import Scheme, Seen, browsing, chromium, look, png_size
from proofs.pictures import pages, take
from tests.suites.report import samples

pytestmark = pytest.mark.skipif(
    chromium() is None and "CI" not in os.environ, reason="needs Chromium: scripts/install-test-tools"
)

SCHEMES: tuple[Scheme, ...] = ("light", "dark")

# Plots that a report of this kind has at least.
PLOTS = {"load": 6, "race": 4, "redis-drill": 4, "db-drill": 4, "comparison": 2}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = chromium()
    assert program is not None, "chromium is missing; run scripts/install-test-tools"
    with browsing(program) as found:
        yield found


def html_of(kind: str) -> str:
    if kind == "comparison":
        before, after = samples.load(), samples.load(seed=2, median=0.05, failing=0.02)
        return comparison_page(compare(before, after), before, after)
    return page(samples.every_kind()[kind])


@pytest.mark.parametrize("kind", PLOTS)
def test_a_report_is_right_at_both_widths_and_in_both_schemes(kind: str, browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html_of(kind), encoding="utf-8")
    papers: set[tuple[str, str]] = set()
    for width, shown in ((390, "dark"), (1280, "light")):
        for scheme in SCHEMES:
            seen = look(browser, file, width, scheme, shot="page" if scheme == shown else None)
            check(seen, width, PLOTS[kind])
            papers.add((scheme, seen.paper))
            if seen.picture:
                assert png_size(seen.picture)[0] == width
                (tmp_path / f"{kind}-{width}-{scheme}.png").write_bytes(seen.picture)
    assert papers == {("light", "rgb(255, 255, 255)"), ("dark", "rgb(22, 22, 22)")}


def check(seen: Seen, width: int, plots: int) -> None:
    assert not seen.complaints
    assert not seen.overflow
    assert not seen.faint
    assert len(seen.plots) >= plots
    for plot in seen.plots:
        assert plot.width > 0.8 * min(width - 40, 952)
        assert plot.height > 20
        assert plot.drawn > 0
        assert not plot.cut


def test_what_a_stranger_says_runs_nothing_and_breaks_no_line(browser: Browser, tmp_path: Path) -> None:
    endless = samples.STRANGER + "x" * 300
    fine = samples.race(double=1, races=8)
    detail = fine.detail.model_dump()
    for race in detail["races"]:
        race["sentence"] = endless
        for n, answer in enumerate(race["answers"]):
            answer["vendor"] = f"{endless}{n}"
    strange = Results.model_validate(
        fine.model_dump()
        | {"sentence": endless, "notes": (endless,), "parameters": {endless: endless}, "detail": detail}
    )
    file = tmp_path / "report.html"
    file.write_text(page(strange), encoding="utf-8")
    check(look(browser, file, 390, "light"), 390, PLOTS["race"] - 1)


def test_pictures_for_the_documentation_are_small(browser: Browser, tmp_path: Path) -> None:
    runs = [samples.load(), samples.load(seed=2), samples.drill()]
    made = dict(pages(runs))
    assert list(made) == ["webhook-load", "redis-failure", "comparison"]
    taken = take(browser, "webhook-load", made["webhook-load"], tmp_path)
    assert [png_size(picture.read_bytes())[0] for picture in taken] == [1280, 390]
