"""Suites in the journal: kept once, found again, and their races in nobody's window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prober.event import SuiteFinished, ViolationFound
from prober.outcome import Ending, Measure, RaceOutcome, Suite, Verdict, Violation
from prober.publish.journal.entries import SuiteRace
from prober.publish.journal.reader import Reader
from prober.publish.journal.restore import read_known, restore
from prober.publish.journal.retention import Keep, retain
from tests.publish.journal_samples import BOOT, WALL, at, commit, journal_file

RUN = SuiteFinished(
    run_id="run-1",
    suite=Suite.VENDOR_RACE,
    scenario="light",
    started_wall=WALL,
    ended_wall=WALL + 9,
    duration=9.0,
    ending=Ending.COMPLETE,
    verdict=Verdict.GOOD,
    sentence="all well",
    environment="demo",
    measures={Measure.WIN_RATE: 1.0, Measure.RACE_TIME: 0.2},
    verdicts={Measure.WIN_RATE: Verdict.EXCELLENT, Measure.RACE_TIME: Verdict.GOOD},
    notes=("a note",),
)
RACE = SuiteRace(
    suite_run="run-1",
    run_id="r1",
    released_wall=WALL,
    outcome=RaceOutcome.MULTIPLE_WINNERS,
    sentence="two",
    routing_id="routing-r1",
    order_id="order-r1",
    race_duration=0.1,
    evidence={"history": {"answers": []}},
)


def test_a_run_is_kept_once_and_the_last_of_each_scenario_comes_back(tmp_path: Path) -> None:
    file = journal_file(tmp_path)
    later = replace(RUN, run_id="run-2", ended_wall=WALL + 99, verdict=None, measures={}, verdicts={})
    other = replace(RUN, run_id="run-3", scenario="stress")
    # Taken up in another order than they ended in.
    commit(file, later, RUN, other)
    commit(file, replace(RUN, sentence="told again"))
    back = file.ask(
        lambda c: restore(c, at(100), BOOT, recovery_hold=1.0, win_rate_window=10, violation_hold=3600.0)
    )
    assert back.suites == (later, other)
    assert back.suite_runs == {"run-1", "run-2", "run-3"}
    reader = Reader(tmp_path)
    assert [one.run_id for one in reader.suites()] == ["run-3", "run-1", "run-2"]
    (first,) = reader.suites("vendor-race", limit=1)
    assert first.summary["measures"] == {"win_rate": 1.0, "race_time_seconds": 0.2}
    assert [one.run_id for one in reader.suites(before=first.seq)] == ["run-1", "run-2"]
    assert reader.suites("webhook-load") == ()
    assert reader.suites()[1].sentence == "all well"


def test_a_race_of_a_suite_is_evidence_and_in_no_window(tmp_path: Path) -> None:
    file = journal_file(tmp_path)
    found = ViolationFound(id="multiple_winners-r1", kind=Violation.MULTIPLE_WINNERS, at=at(0), sentence="two")
    commit(file, RUN, RACE, found)
    back = file.ask(
        lambda c: restore(c, at(100), BOOT, recovery_hold=1.0, win_rate_window=10, violation_hold=3600.0)
    )
    assert back.races == ()
    assert back.violations == {Violation.MULTIPLE_WINNERS: 1}
    assert file.ask(lambda c: read_known(c, [found.id, "split_order-r2"])) == {found.id}
    race = Reader(tmp_path).race("r1")
    assert race is not None
    assert (race.violation, race.outcome, race.evidence) == (True, "multiple_winners", RACE.evidence)


def test_the_last_run_of_a_scenario_outlives_every_limit(tmp_path: Path) -> None:
    file = journal_file(tmp_path)
    commit(file, *(replace(RUN, run_id=f"run-{number}", ended_wall=WALL + number) for number in range(600)))
    commit(file, replace(RUN, run_id="other", scenario="heavy"))
    done = file.ask(lambda c: list(retain(c, Keep(incidents=1.0), WALL + 10_000)))[-1]
    assert done.removed["suites"] == 599
    assert [one.run_id for one in Reader(tmp_path).suites()] == ["other", "run-599"]
