"""Suites: what the last run of each scenario came to, by the guide's tables."""

from __future__ import annotations

from prober.dashboards.health import prober_itself
from prober.dashboards.panel import Color, Dashboard, Look, Panel, Place, Query, Row, Unit, Word
from prober.dashboards.promql import RANGE, age, counted, of, over
from prober.dashboards.thresholds import ANY_IS_NOTABLE, breaking
from prober.guide.breaking_points import measures_of
from prober.outcome import Measure, Suite
from prober.web.catalogue import suites

VERDICTS = {
    0: Word("excellent", Color.GREEN),
    1: Word("good", Color.GREEN),
    2: Word("warning", Color.ORANGE),
    3: Word("critical", Color.RED),
}
_NAMES = {
    Measure.RPS: ("Requests a second", Unit.PER_SECOND, "500 and more; under 100 is critical"),
    Measure.LATENCY_P99: ("p99 latency", Unit.SECONDS, "under 500 ms; over 2 s is critical"),
    Measure.ERROR_RATE: ("Error rate", Unit.RATIO, "as near to 0 as it gets"),
    Measure.WIN_RATE: ("Win rate", Unit.RATIO, "100 %"),
    Measure.RACE_CONDITIONS: ("Race conditions", Unit.RATIO, "none at all"),
    Measure.RACE_TIME: ("Race time, mean", Unit.SECONDS, "under 100 ms; over 1 s is critical"),
    Measure.BACKLOG: ("Largest backlog", Unit.COUNT, "under 100 jobs"),
    Measure.RECOVERY_TIME: ("Recovery time", Unit.SECONDS, "under 5 s; over 30 s is critical"),
    Measure.SUCCESS_DURING: ("Success during the failure", Unit.RATIO, "over 10 %: a fallback works"),
    Measure.SUCCESS_AFTER: ("Success after recovery", Unit.RATIO, "over 99 %"),
}
_TITLES = {
    Suite.WEBHOOK_LOAD: "Webhook load",
    Suite.VENDOR_RACE: "Vendor race",
    Suite.REDIS_FAILURE: "Redis failure",
    Suite.DB_RESTART: "Database restart",
}

VERDICT_ROW = Row(
    "Verdicts",
    (
        Panel(
            title="Verdict of the last run",
            question="What does the guide say of each measure of each scenario's last run?",
            good="all green. No value is no verdict (rate limited, our own machine was the limit …).",
            look=Look.STATES,
            unit=Unit.STATE,
            queries=(
                Query(
                    over("max", of(suites.SUITE_VERDICT), "suite", "scenario", "measure"),
                    "{{suite}} {{scenario}} {{measure}}",
                ),
            ),
            words=VERDICTS,
            width=24,
            height=12,
        ),
        Panel(
            title="Running now",
            question="Does a suite or drill run? Its faults are wanted.",
            good="what you expect. Outages during a drill are its doing.",
            look=Look.STATES,
            unit=Unit.STATE,
            queries=(Query(over("max", of(suites.SUITE_RUNNING), "suite"), "{{suite}}"),),
            words={0: Word("idle", Color.GREY), 1: Word("running", Color.PURPLE)},
            width=12,
        ),
        Panel(
            title="Age of the last result",
            question="Is the verdict still worth something?",
            good="under a week.",
            look=Look.STAT,
            unit=Unit.SECONDS,
            queries=(Query(age(suites.SUITE_AT, "suite", "scenario"), "{{suite}} {{scenario}}"),),
            width=8,
        ),
        Panel(
            title="Scheduled and not run, in the time shown",
            question="Which scheduled suites were left out, and why?",
            good="0.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(Query(counted(suites.SUITE_SKIPPED, "reason", window=RANGE), "{{reason}}"),),
            steps=ANY_IS_NOTABLE,
            width=4,
        ),
    ),
)


def results(suite: Suite) -> Row:
    """One panel for each measure that the guide's table of the suite judges."""
    measures = measures_of(suite)
    return Row(
        _TITLES[suite],
        tuple(_result(suite, measure, width=24 // len(measures)) for measure in measures),
    )


def _result(suite: Suite, measure: Measure, *, width: int) -> Panel:
    title, unit, good = _NAMES[measure]
    return Panel(
        title=f"{_TITLES[suite]}: {title.lower()}",
        question=f"What did the last run of each scenario measure as `{measure}`?",
        good=f"{good}. The lines are the guide's breaking points.",
        look=Look.LINES,
        unit=unit,
        queries=(
            Query(
                over("max", of(suites.SUITE_RESULT, f'suite="{suite}",measure="{measure}"'), "scenario"),
                "{{scenario}}",
            ),
        ),
        steps=breaking(suite, measure),
        top=1 if unit is Unit.RATIO else None,
        width=width,
    )


SUITES = Dashboard(
    place=Place.SUITES,
    title="Prober / Suites",
    description="What the guide's four suites last came to, and what the guide says of it.",
    rows=(VERDICT_ROW, *(results(suite) for suite in Suite), prober_itself(".+")),
)
