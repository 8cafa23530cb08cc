"""docs/pictures/report-*.png: what each kind of report looks like; `python -m proofs.pictures FILE…` of results.

Of each suite the first file is shown as a report, and the first two of one scenario are compared. One picture is
the top of the page in a window of 1280 × 1250, light; another the same on a telephone (390), dark.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from prober.outcome import Suite
from prober.suites.report.compare import compare
from prober.suites.report.compare_html import comparison_page
from prober.suites.report.html import page
from prober.suites.results import Results, read
from proofs.browser import Scheme, browsing, chromium, look
from proofs.page import DOCS

PICTURES = DOCS / "pictures"
LARGEST = 150_000  # bytes
WINDOWS: tuple[tuple[str, int, int, Scheme], ...] = (("", 1280, 1250, "light"), ("-narrow", 390, 1250, "dark"))


def pages(runs: list[Results]) -> Iterator[tuple[str, str]]:
    """The name and the HTML of each kind of report that these runs allow."""
    for suite in Suite:
        of_suite = [run for run in runs if run.suite is suite]
        if of_suite:
            yield str(suite), page(of_suite[0])
    for suite in Suite:
        alike = [run for run in runs if run.suite is suite]
        alike = [run for run in alike if run.scenario == alike[0].scenario]
        if len(alike) > 1:
            yield "comparison", comparison_page(compare(*alike[:2]), *alike[:2])
            return


def take(browser: Browser, name: str, html: str, folder: Path) -> list[Path]:
    """The pictures of one page; ValueError for one that is larger than a page of documentation should load."""
    taken = []
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "report.html"
        file.write_text(html, encoding="utf-8")
        for kind, width, height, scheme in WINDOWS:
            picture = look(browser, file, width, scheme, height=height, shot="window").picture
            if len(picture) > LARGEST:
                raise ValueError(f"{name}{kind}: expected at most {LARGEST} bytes, got {len(picture)}")
            taken.append(folder / f"report-{name}{kind}.png")
            taken[-1].write_bytes(picture)
    return taken


def main(files: list[str]) -> int:
    """Take all; 3 where there is no browser."""
    program = chromium()
    if program is None:
        print("no chromium; run scripts/install-test-tools", file=sys.stderr)
        return 3
    PICTURES.mkdir(exist_ok=True)
    runs = [read(Path(file)) for file in files]
    with browsing(program) as browser:
        for name, html in pages(runs):
            for picture in take(browser, name, html, PICTURES):
                print(f"{picture.relative_to(DOCS.parent)}: {picture.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
