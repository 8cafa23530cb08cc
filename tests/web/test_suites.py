"""The metrics of suites, and what a page of the API may be asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from multidict import MultiDict

from prober.event import SuiteFinished, SuiteRunning, SuiteSkipped
from prober.outcome import Ending, Measure, Suite, SuiteSkip, Verdict
from prober.web.paging import LARGEST_SEQ, MOST, USUAL, BadQueryError, Page, asked_page
from tests.web.event_samples import WALL, Scraped, at, started

LABELS = {"suite": "vendor-race", "scenario": "light"}
RUN = SuiteFinished(
    run_id="run",
    suite=Suite.VENDOR_RACE,
    scenario="light",
    started_wall=WALL,
    ended_wall=WALL + 9,
    duration=9.0,
    ending=Ending.COMPLETE,
    verdict=Verdict.WARNING,
    sentence="",
    environment="demo",
    measures={Measure.WIN_RATE: 0.9, Measure.RACE_TIME: 0.05},
    verdicts={Measure.WIN_RATE: Verdict.WARNING, Measure.RACE_TIME: Verdict.EXCELLENT},
)


def shown(scraped: Scraped, name: str, measure: Measure | None = None) -> float | None:
    labels = LABELS if measure is None else {**LABELS, "measure": measure.value}
    return scraped.value(f"prober_suite_last_{name}", labels)


def test_the_last_results_are_there_from_the_start() -> None:
    scraped = Scraped(started(suites=(RUN,)))
    assert shown(scraped, "result", Measure.WIN_RATE) == 0.9
    assert shown(scraped, "verdict", Measure.WIN_RATE) == 2
    assert shown(scraped, "verdict", Measure.RACE_TIME) == 0
    assert shown(scraped, "timestamp_seconds") == WALL + 9
    assert shown(scraped, "result", Measure.RACE_CONDITIONS) is None
    assert shown(Scraped(started()), "result", Measure.WIN_RATE) is None


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_is_a_number_best_first(verdict: Verdict) -> None:
    scraped = Scraped(started(), replace(RUN, verdicts={Measure.WIN_RATE: verdict}))
    expected = ["excellent", "good", "warning", "critical"].index(verdict)
    assert shown(scraped, "verdict", Measure.WIN_RATE) == expected


def test_what_was_not_measured_this_time_is_absent_and_an_older_run_changes_nothing() -> None:
    scraped = Scraped(started(), RUN)
    scraped.metrics.record(replace(RUN, ended_wall=WALL + 20, measures={Measure.WIN_RATE: 1.0}, verdicts={}))
    assert shown(scraped, "result", Measure.WIN_RATE) == 1.0
    assert shown(scraped, "result", Measure.RACE_TIME) is None
    assert shown(scraped, "verdict", Measure.WIN_RATE) is None
    scraped.metrics.record(RUN)
    assert shown(scraped, "timestamp_seconds") == WALL + 20
    assert shown(scraped, "result", Measure.RACE_TIME) is None


def test_the_one_that_runs_is_one_and_the_others_are_none() -> None:
    scraped = Scraped(started())
    assert scraped.value("prober_suite_running", {"suite": "vendor-race"}) is None
    scraped.metrics.record(SuiteRunning(at=at(1), suite=Suite.VENDOR_RACE))
    running = {suite: scraped.value("prober_suite_running", {"suite": suite}) for suite in Suite}
    assert running == {suite: float(suite is Suite.VENDOR_RACE) for suite in Suite}
    scraped.metrics.record(SuiteRunning(at=at(2), suite=None))
    assert {scraped.value("prober_suite_running", {"suite": suite}) for suite in Suite} == {0.0}


def test_those_that_were_skipped_are_counted_by_reason() -> None:
    scraped = Scraped(started())
    event = SuiteSkipped(suite=Suite.VENDOR_RACE, scenario="light", reason=SuiteSkip.PAUSED, detail="paused")
    assert scraped.rises(event, event) == {"prober_suite_skipped_total{reason=paused,suite=vendor-race}": 2.0}


def test_a_page_is_what_was_asked_for() -> None:
    assert asked_page({}, "suite", tuple(Suite)) == Page(only=None, limit=USUAL, before=None)
    asked = {"suite": "db-restart", "limit": str(MOST), "before": str(LARGEST_SEQ)}
    assert asked_page(asked, "suite", tuple(Suite)) == Page(only="db-restart", limit=MOST, before=LARGEST_SEQ)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (
            {"suite": "races"},
            "expected one of webhook-load, vendor-race, redis-failure, db-restart, found 'races'",
        ),
        ({"limit": "0"}, "from 1 to 500, found '0'"),
        ({"limit": "501"}, "from 1 to 500"),
        ({"limit": "1e2"}, "whole number"),
        ({"before": "-1"}, "whole number"),
        ({"before": "٣"}, "whole number"),
        ({"before": "9" * 30}, "whole number"),
        ({"page": "2"}, "expected only the parameters suite, limit, before, found 'page'"),
    ],
)
def test_what_cannot_be_meant_is_said(query: dict[str, str], why: str) -> None:
    with pytest.raises(BadQueryError, match=why.replace("(", r"\(")):
        asked_page(query, "suite", tuple(Suite))


def test_a_parameter_is_given_once() -> None:
    twice = MultiDict([("limit", "1"), ("suite", "db-restart"), ("limit", "2")])
    with pytest.raises(BadQueryError, match="limit: expected once, found 2 times"):
        asked_page(twice, "suite", tuple(Suite))
