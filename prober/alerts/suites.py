"""Alerts on what suites and drills have found, while their result is fresh, and the mark that a drill runs."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.promql import any_of, held, number, of, over
from prober.alerts.thresholds import FRESH_SUITE
from prober.guide.breaking_points import RANK
from prober.outcome import Dashboard, Measure, Suite, Verdict
from prober.web.catalogue.suites import SUITE_AT, SUITE_RUNNING, SUITE_VERDICT


def newest(figures: str, ended: str) -> str:
    """Figures of the newest run of each scenario, of whichever prober has it, if it ended less than a week ago."""
    by = "on (job, region, instance, suite, scenario)"
    last = over("max", held(ended), "suite", "scenario")
    return (
        f"{figures}\n"
        f"  and {by} (time() - {held(ended)} < {number(FRESH_SUITE.value)})\n"
        f"  and {by} ({held(ended)} - on (job, region, suite, scenario) group_left () {last} >= 0)"
    )


def _verdict(name: str, verdict: Verdict, severity: Severity) -> Alert:
    # What a load run says of throughput has alerts of its own, with the guide's name.
    judged = held(of(SUITE_VERDICT, f'measure!="{Measure.RPS}"'))
    return Alert(
        name=name,
        expr=(
            over(
                "max",
                newest(judged, of(SUITE_AT)),
                "suite",
                "scenario",
                "measure",
            )
            + f" == {RANK[verdict]}"
        ),
        severity=severity,
        subject=Subject.SUITES,
        wakes=severity is not Severity.CRITICAL,
        keeps=("suite", "scenario", "measure"),
        at_once="a result of a suite is one figure; waiting does not change it",
        summary=f"{{{{ $labels.suite }}}} {{{{ $labels.scenario }}}}: {{{{ $labels.measure }}}} is {verdict}",
        description=(
            "The last run of {{ $labels.suite }} {{ $labels.scenario }} found {{ $labels.measure }} "
            f"{verdict} by the guide's breaking points (verdict {{{{ $value | humanize }}}}). It ended within "
            "the last week."
        ),
        dashboard=Dashboard.SUITES,
        runbook=Runbook(
            means=(
                "A suite that was run on purpose, or by schedule, measured something that the guide calls "
                f"{verdict}: what happens when Redis or PostgreSQL fail can only be measured that way. It wakes "
                "nobody: drills and load run outside of production."
            ),
            look=(
                Look("the figures", 'prober_suite_last_result{job="prober"}'),
                Look("the whole result with its advice", "prober report SUITE-test-results.json"),
            ),
            causes=("The results file names the row, and the advice that applies.",),
            do=("Follow the advice of the report; run the scenario again to see it gone.",),
            false_alarms=(
                "A run on a busy or smaller machine; one that was interrupted has `ending` not `complete`.",
            ),
            silence="It ends with the next good run of the same scenario, or after a week.",
        ),
    )


_DRILLS = any_of("suite", Suite.REDIS_FAILURE, Suite.DB_RESTART)

ALERTS: tuple[Alert, ...] = (
    _verdict("SuiteFoundWarning", Verdict.WARNING, Severity.WARNING),
    _verdict("SuiteFoundCritical", Verdict.CRITICAL, Severity.CRITICAL),
    Alert(
        name="DrillUnderWay",
        expr=f"{over('max', held(of(SUITE_RUNNING, _DRILLS)), 'suite')} == 1",
        severity=Severity.NONE,
        subject=Subject.SUITES,
        keeps=("suite",),
        at_once="it holds back what the drill breaks, and has to be there before",
        summary="a drill runs: {{ $labels.suite }}",
        description=(
            "The drill {{ $labels.suite }} runs ({{ $value | humanize }}): what it breaks on purpose pages nobody."
        ),
        dashboard=Dashboard.SUITES,
        runbook=Runbook(
            means=(
                "A drill breaks Redis or PostgreSQL on purpose. This is sent to nobody; it holds back outages "
                "and what follows, never violations."
            ),
            look=(Look("which", of(SUITE_RUNNING) + " == 1"),),
            causes=("Somebody runs `prober drill …`, or the schedule does.",),
            do=("Nothing. Ctrl-C ends a drill and mends what it broke.",),
            false_alarms=("None: it ends with the process of the drill, however that ends.",),
        ),
    ),
)
