"""`python -m tests.alerts.promtool` writes alerts/tests/*.yml: promtool's unit tests, some for each alert.

Each alert fires in time and not before, does not just below, resolves, goes on through missed scrapes and a restart
of the prober, and says nothing of NaN and of what is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.alerts.declarations import FILES
from prober.alerts.yaml_text import yaml_text

from .cases import CASES, NEVER, Case
from .timeline import Part, Stretch, input_series
from .together import TOGETHER

DIRECTORY = Path("alerts/tests")
STEP = 10  # seconds: a scrape, an evaluation
TARGET = 'job="prober",instance="prober-1:9877"'
HEAD = "# Written by `python -m tests.alerts.promtool`; do not edit. Run: promtool test rules alerts/tests/*.yml\n"
GAP = 2  # missed scrapes


@dataclass(frozen=True)
class Check:
    """Whether the alert fires at a time (seconds)."""

    at: int
    fires: bool


def files() -> Mapping[Path, str]:
    """Every file by its path in the repository: one for each file of rules, and those that need longer steps apart."""
    return {DIRECTORY / f"{name}.yml": HEAD + yaml_text(document) for name, document in _documents()}


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in FILES:
        names = {alert.name for alert in file.alerts}
        for minutes in (0, 1, 5):
            cases = [case for case in CASES if case.alert in names and case.minutes == minutes]
            tests = [test for case in cases for test in _tests(case)]
            tests += [test.document(STEP) for test in TOGETHER if test.file == file.name and not minutes]
            if tests:
                name = f"{file.name}-{minutes}m" if minutes else file.name
                yield name, _document([file.name], minutes * 60 or STEP, tests)


def _document(files: list[str], step: int, tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "rule_files": [f"../{name}.rules.yml" for name in dict.fromkeys(["recording", *files])],
        "evaluation_interval": f"{step}s",
        "tests": tests,
    }


def _tests(case: Case) -> Iterator[dict[str, Any]]:
    step = case.minutes * 60 or STEP
    warm, bad = case.warm // step, case.within // step + 3
    begins, ends = warm * step, (warm + bad) * step
    fires = Check(begins + case.within, fires=True)
    quiet = [Check(max(0, begins - step), fires=False)]
    if case.not_yet:
        quiet.append(Check(begins + case.not_yet, fires=False))
    well, ill = Stretch(Part.OK, warm), Stretch(Part.BAD, bad)
    yield _test(case, "fires in time", [well, ill], [*quiet, fires])
    below = Stretch(Part.BELOW, bad)
    yield _test(
        case,
        "is silent just below",
        [well, below],
        [Check(begins + case.within, False), Check(ends - step, False)],
    )
    if case.resolves != NEVER:
        again = Stretch(Part.OK, case.resolves // step + 1)
        yield _test(case, "resolves", [well, ill, again], [fires, Check(ends + case.resolves, False)])
    if case.held:
        gap = [Stretch(Part.GAP, GAP), Stretch(Part.BAD, 3)]
        checks = [Check(ends + place * step, True) for place in range(GAP + 2)]
        yield _test(case, "goes on through missed scrapes", [well, ill, *gap], checks)
    if case.restart:
        restart = [Stretch(Part.RESTART, 1), ill]
        at = ends + step + case.within
        yield _test(case, "fires after a restart of the prober", [well, ill, *restart], [fires, Check(at, True)])
    if case.nan:
        checks = [Check(begins + case.within, False)]
        yield _test(case, "is silent about NaN", [Stretch(Part.NAN, warm + bad)], checks)
    yield _test(case, "and nothing is there", [], [Check(begins + case.within, case.absent_fires)])


def _test(case: Case, what: str, stretches: list[Stretch], checks: list[Check]) -> dict[str, Any]:
    step = case.minutes * 60 or STEP
    return {
        "name": f"{case.alert} {what}",
        "interval": f"{step}s",
        "input_series": input_series(case.series, stretches, step, TARGET) if stretches else [],
        "promql_expr_test": [expected(case.alert, check.at, fires=check.fires) for check in checks],
    }


def expected(alert: str, at: int, *, fires: bool) -> dict[str, Any]:
    """Ask whether the alert fires, whatever its labels."""
    return {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0 or vector(0)',
        "eval_time": f"{at}s",
        "exp_samples": [{"labels": "{}", "value": 1 if fires else 0}],
    }


def main() -> None:
    """Write them, and remove what is there no more."""
    made = files()
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    for path in DIRECTORY.glob("*.yml"):
        if path not in made:
            path.unlink()


if __name__ == "__main__":
    main()
