"""`python -m tests.alerts.promtool` writes alerts/tests/*.yml: promtool's unit tests, some for each alert.

Each alert fires in time and not before, goes on through missed scrapes and a restart of the prober, resolves, and
is silent just below, about NaN, and about what is absent; it knows probers, regions and jobs apart, and fires at
three events and not at two, and not after an outage that has paged, where that is promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.alerts.declarations import FILES, RECORDINGS, RuleFile
from prober.alerts.yaml_text import yaml_text

from .burning import burning
from .case import NEVER, Case
from .cases import CASES
from .meanwhile import MEANWHILE
from .timeline import Gauge, Part, Series, Stretch, input_series
from .together import TOGETHER

DIRECTORY = Path("alerts/tests")
STEP = 10  # seconds: a scrape, an evaluation
TARGET = 'job="prober",instance="prober-1:9877"'
HEAD = "# Written by `python -m tests.alerts.promtool`; do not edit. Run: promtool test rules alerts/tests/*.yml\n"
GAP = 2  # missed scrapes
EVERY = (STEP, 60, 300)  # seconds from one evaluation to the next
RECORDED = frozenset(each.record for each in RECORDINGS if not each.record.startswith("slo:"))
# No outage; and one of the database that goes on, while Redis is up.
_NO_OUTAGE = tuple(
    Gauge(f'prober_outage_age_seconds{{probe="{probe}"}}', 0, 0, 0) for probe in ("database", "redis")
)
_OUTAGE = (
    Gauge('prober_outage_age_seconds{probe="database"}', 0, 30, 30),
    Gauge('prober_outage_age_seconds{probe="redis"}', 0, 0, 0),
)


@dataclass(frozen=True)
class Check:
    """Whether the alert fires at a time (seconds)."""

    at: int
    fires: bool


def files() -> Mapping[Path, str]:
    """Every file by its path in the repository: for each file of rules one, and one for what takes long."""
    return {DIRECTORY / f"{name}.yml": HEAD + yaml_text(document) for name, document in _documents()}


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in FILES:
        names = {alert.name for alert in file.alerts}
        for every in EVERY:
            cases = [case for case in CASES if case.alert in names and _every(case) == every]
            tests = [test for case in cases for test in _tests(case)]
            together = [*TOGETHER, *MEANWHILE, *burning()] if every == STEP else []
            tests += [test.document(STEP) for test in together if test.file == file.name]
            if tests:
                name = file.name if every == STEP else f"{file.name}-{every // 60}m"
                yield name, _document(file, every, tests)


def _every(case: Case) -> int:
    return case.minutes * 60 or case.every


def _document(file: RuleFile, every: int, tests: list[dict[str, Any]]) -> dict[str, Any]:
    reads_recorded = any(name in alert.expr for alert in file.alerts for name in RECORDED)
    names = ["recording", file.name] if reads_recorded else [file.name]
    return {
        "rule_files": [f"../{name}.rules.yml" for name in names],
        "evaluation_interval": f"{every}s",
        "tests": tests,
    }


def _tests(case: Case) -> Iterator[dict[str, Any]]:
    step = case.minutes * 60 or STEP
    warm, bad = case.warm // step, case.within // step + 3
    begins, ends = warm * step, (warm + bad) * step
    yield _life(case)
    if case.seen_by is not None:
        yield _several(case, *case.seen_by)
    if case.few:
        long = max(case.within, case.fills)
        stretches = [Stretch(Part.OK, warm), *(Stretch(part, long // step + 3) for part in (Part.BELOW, Part.BAD))]
        checks = [Check(begins + long, fires=False), Check(begins + 2 * long + 3 * step, fires=True)]
        yield _test(case, "is silent about two events and fires at three", stretches, checks, case.few)
    if case.after_outage:
        stretches = [Stretch(Part.OK, warm), Stretch(Part.BAD, bad)]
        silent = [Check(begins + case.within, fires=False)]
        yield _test(case, "is silent after an outage that has paged", stretches, silent, (*case.series, *_OUTAGE))
    silent = [Check(at, fires=False) for at in (begins + case.within, ends - step)]
    yield _test(case, "is silent just below", [Stretch(Part.OK, warm), Stretch(Part.BELOW, bad)], silent)
    if case.nan:
        yield _test(case, "is silent about NaN", [Stretch(Part.NAN, warm + bad)], silent[:1])
    # Long windows are no reason to wait for nothing: a case in minutes has no `for` beyond minutes.
    nothing = min(begins + case.within, 3600) if case.minutes else begins + case.within
    yield _test(case, "and nothing is there", [], [Check(nothing, case.absent_fires)])


def _life(case: Case) -> dict[str, Any]:
    """From well to bad, through a restart of the prober and missed scrapes, to well again."""
    step = case.minutes * 60 or STEP
    bad = Stretch(Part.BAD, case.within // step + 3)
    stretches, now = [Stretch(Part.OK, case.warm // step), bad], case.warm
    checks = [Check(max(0, now - step), fires=False), Check(now + case.within, fires=True)]
    if case.not_yet:
        checks.append(Check(now + case.not_yet, fires=False))
    now += bad.steps * step
    told = ["fires in time"]
    if case.restart:
        stretches += [Stretch(Part.RESTART, 1), bad]
        checks.append(Check(now + step + case.within, fires=True))
        now += (1 + bad.steps) * step
        told.append("again after a restart of the prober")
    if case.held:
        stretches += [Stretch(Part.GAP, GAP), Stretch(Part.BAD, 3)]
        checks += [Check(now + place * step, fires=True) for place in range(GAP + 2)]
        now += (GAP + 3) * step
        told.append("goes on through missed scrapes")
    if case.resolves != NEVER:
        stretches.append(Stretch(Part.OK, case.resolves // step + 1))
        checks.append(Check(now + case.resolves, fires=False))
        told.append("resolves")
    return _test(case, ", ".join(told), stretches, checks)


def _several(case: Case, here: tuple[int, int], there: tuple[int, int]) -> dict[str, Any]:
    """Of so many probers so many see it in each of two regions, and so does an application by the same names."""
    step = case.minutes * 60 or STEP
    warm, bad = case.warm // step, case.within // step + 3
    series = []
    for region, (seeing, live) in {"here": here, "there": there}.items():
        for number in range(live):
            then = Part.BAD if number < seeing else Part.OK
            target = f'job="prober",instance="{region}-{number}",region="{region}"'
            series += input_series(case.series, [Stretch(Part.OK, warm), Stretch(then, bad)], step, target)
    of_an_application = [Stretch(Part.OK, warm), Stretch(Part.BAD, bad)]
    series += input_series(case.series, of_an_application, step, 'job="app",instance="app-1"')
    told = {
        "expr": f'group by (job, region) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})',
        "eval_time": f"{case.warm + case.within}s",
        "exp_samples": [{"labels": '{job="prober",region="here"}', "value": 1}],
    }
    return {
        "name": f"{case.alert} knows probers, regions and jobs apart",
        "interval": f"{step}s",
        "input_series": series,
        "promql_expr_test": [told],
    }


def _test(
    case: Case, what: str, stretches: list[Stretch], checks: list[Check], series: Sequence[Series] = ()
) -> dict[str, Any]:
    step = case.minutes * 60 or STEP
    if not series:
        series = (*case.series, *_NO_OUTAGE) if case.after_outage else case.series
    return {
        "name": f"{case.alert} {what}",
        "interval": f"{step}s",
        "input_series": input_series(series, stretches, step, TARGET) if stretches else [],
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
