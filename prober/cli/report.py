"""`prober report`: renders results files again, or compares two of one suite; asks nobody anything."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from prober.cli import exits
from prober.publish.printable import printable
from prober.suites.report.compare import Comparison, NotComparableError, compare
from prober.suites.report.compare_html import comparison_page
from prober.suites.report.compare_text import comparison_markdown, comparison_text
from prober.suites.report.findings import is_critical
from prober.suites.report.html import page
from prober.suites.report.markdown import markdown
from prober.suites.report.summary import summary
from prober.suites.results import Results, ResultsError, read


def report(files: list[Path], *, as_markdown: bool, as_json: bool, html: Path | None) -> int:
    """Two files of one suite are compared, the first being the one before; all others are rendered in turn.

    Ends with 1 where a run that is shown has a critical breaking point or a violation (of two compared: the
    second), with 2 for files that are no results, or that cannot be compared.
    """
    try:
        runs = [read(file) for file in files]
        if len(runs) == 2 and runs[0].suite is runs[1].suite:
            comparison = compare(*runs)
            shown = runs[1:]
            text = _comparison(comparison, as_markdown=as_markdown, as_json=as_json)
            if html is not None:
                _write(html, comparison_page(comparison, *runs))
        else:
            shown = runs
            text = _runs(runs, as_markdown=as_markdown, as_json=as_json)
            if html is not None:
                _write(html, page(*runs))
    except (ResultsError, NotComparableError, OSError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        print(f"prober report: {printable(said)}", file=sys.stderr)
        return exits.BAD_USAGE
    sys.stdout.write(text)
    return exits.VIOLATION if any(is_critical(one) for one in shown) else exits.FINE


def _runs(runs: list[Results], *, as_markdown: bool, as_json: bool) -> str:
    if as_json:
        documents = [run.model_dump(mode="json") for run in runs]
        return json.dumps(documents[0] if len(documents) == 1 else documents, indent=1) + "\n"
    if as_markdown:
        return "\n".join(markdown(run) for run in runs)
    return "\n".join(summary(run, colour=sys.stdout.isatty()) for run in runs)


def _comparison(comparison: Comparison, *, as_markdown: bool, as_json: bool) -> str:
    if as_json:
        return json.dumps(dataclasses.asdict(comparison), indent=1) + "\n"
    if as_markdown:
        return comparison_markdown(comparison)
    return comparison_text(comparison, colour=sys.stdout.isatty())


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
