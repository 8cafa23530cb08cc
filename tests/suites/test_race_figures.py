"""What races come to: rates over judged races alone, and nothing dropped."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.outcome import Ending, Measure, RaceOutcome
from prober.suites.race import figures
from prober.suites.race.course import Course
from prober.suites.race.run import measured
from prober.suites.scenarios import RACE
from tests.suites.races import race

WON, TWO, PHANTOM = RaceOutcome.ONE_WINNER, RaceOutcome.MULTIPLE_WINNERS, RaceOutcome.PHANTOM_WINNER


@pytest.mark.parametrize(
    ("outcomes", "win_rate", "conditions"),
    [
        ([WON] * 4, 1.0, 0.0),
        ([WON, WON, WON, TWO], 0.75, 0.25),
        ([TWO, PHANTOM], 0.0, 1.0),
        ([WON, RaceOutcome.SETUP_FAILED, RaceOutcome.UNAVAILABLE, TWO], 0.5, 0.5),
    ],
)
def test_rates_are_of_judged_races(outcomes: list[RaceOutcome], win_rate: float, conditions: float) -> None:
    found = figures.measures([race(outcome) for outcome in outcomes])
    assert (found[Measure.WIN_RATE], found[Measure.RACE_CONDITIONS]) == (win_rate, conditions)


def test_without_a_judged_race_there_is_no_figure_and_the_reason() -> None:
    races = [race(RaceOutcome.SETUP_FAILED, None), race(RaceOutcome.RATE_LIMITED, None)]
    found = figures.measures(races)
    assert set(found.values()) == {None}
    assert figures.why_not(races, found) == dict.fromkeys(
        found, "no race could be judged (1 setup_failed, 1 rate_limited)"
    )
    assert figures.why_not([], figures.measures([]))[Measure.WIN_RATE] == "no race was run"


def test_the_mean_is_that_of_races_in_which_everybody_was_answered() -> None:
    races = [race(seconds=0.1), race(seconds=0.3), race(seconds=None), race(RaceOutcome.UNAVAILABLE, 9.0)]
    assert figures.measures(races)[Measure.RACE_TIME] == pytest.approx(0.2)
    unanswered = [race(seconds=None)]
    found = figures.measures(unanswered)
    assert found[Measure.RACE_TIME] is None
    assert set(figures.why_not(unanswered, found)) == {Measure.RACE_TIME}


def test_notes_name_each_kind_of_race_without_a_verdict() -> None:
    races = [race(), race(RaceOutcome.SETUP_FAILED), race(RaceOutcome.SETUP_FAILED), race(RaceOutcome.UNKNOWN)]
    said = figures.notes(races)
    assert [note.split(" and count")[0] for note in said] == [
        "2 of 4 races are setup_failed",
        "1 of 4 races are unknown",
    ]


def test_evidence_is_kept_of_every_race_without_exactly_one_winner() -> None:
    found = figures.detail([race(), race(TWO), race(RaceOutcome.UNKNOWN)], 5, 3)
    assert [one.evidence is not None for one in found.races] == [False, True, True]
    evidence = found.races[1].evidence
    assert evidence is not None
    assert (evidence["routing_id"], len(evidence["history"]["answers"])) == ("routing-r1", 2)


@pytest.mark.parametrize(
    ("course", "ending"),
    [
        (Course((race(), race())), Ending.COMPLETE),
        (Course((race(),), "stopped by SIGINT"), Ending.INTERRUPTED),
        (Course((race(RaceOutcome.UNAVAILABLE),)), Ending.FAILED),
        (Course((race(), race(RaceOutcome.UNKNOWN)), "given up", given_up=True), Ending.FAILED),
        (Course(()), Ending.FAILED),
    ],
)
def test_how_it_ended(course: Course, ending: Ending) -> None:
    found = measured(course, RACE["light"])
    assert found.ending is ending
    assert course.why_ended in found.sentence


@given(st.lists(st.sampled_from(list(RaceOutcome)), max_size=40))
def test_no_race_is_ever_left_out(outcomes: list[RaceOutcome]) -> None:
    races = [race(outcome) for outcome in outcomes]
    detail, found = figures.detail(races, 5, 40), figures.measures(races)
    assert Counter({outcome: count for outcome, count in detail.outcomes.items() if count}) == Counter(outcomes)
    assert len(detail.races) == len(outcomes)
    won, conditions = found[Measure.WIN_RATE], found[Measure.RACE_CONDITIONS]
    assert (won is None) == (detail.judged == 0)
    if won is not None and conditions is not None:
        assert won + conditions == pytest.approx(1.0)
    unjudged = sum(not outcome.is_judged for outcome in outcomes)
    assert sum(int(note.split()[0]) for note in figures.notes(races)) == unjudged


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.floats(1, 100))
def test_a_percentile_is_the_least_sample_that_so_many_do_not_exceed(samples: list[float], percent: float) -> None:
    ordered = sorted(samples)
    found = figures.percentile(ordered, percent)
    assert found is not None
    assert found in samples
    assert sum(one <= found for one in samples) >= len(samples) * percent / 100 - 1e-9
    assert sum(one < found for one in samples) < len(samples) * percent / 100
