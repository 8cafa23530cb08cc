"""Backing off: less and less often in trouble, never beyond the bound, and back at the first good answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.judge.backoff import LONGEST, MOST_FOLD, Backoff, after_run, in_trouble, turn
from prober.outcome import Outcome, ProbeName, RaceOutcome
from prober.result import Result
from tests.web.event_samples import health, race


def runs_of(troubles: Iterable[bool], interval: float, turns: int) -> list[int]:
    """Which turns are run, when the runs come out like this, one after the other, then well."""
    backoff, run, outcomes = Backoff(), [], iter(troubles)
    for n in range(turns):
        backoff, due = turn(backoff)
        if due:
            run.append(n)
            backoff = after_run(backoff, trouble=next(outcomes, False), interval=interval)
    return run


def test_doubles_up_to_eightfold_and_is_back_at_the_first_good_answer() -> None:
    assert runs_of([True] * 6, 60.0, 45) == [0, 2, 6, 14, 22, 30, 38, 39, 40, 41, 42, 43, 44]


def test_all_well_leaves_no_turn_out() -> None:
    assert runs_of([], 60.0, 10) == list(range(10))


@pytest.mark.parametrize(
    ("interval", "fold"), [(60.0, 8), (75.0, 8), (100.0, 6), (300.0, 2), (301.0, 1), (900.0, 1)]
)
def test_is_never_stretched_beyond_ten_minutes(interval: float, fold: int) -> None:
    backoff = Backoff()
    for _ in range(10):
        backoff = after_run(backoff, trouble=True, interval=interval)
    assert backoff == Backoff(fold=fold, to_skip=fold - 1)


@given(st.lists(st.booleans(), max_size=50), st.floats(0.1, 3600.0))
def test_gaps_stay_within_the_bounds(troubles: list[bool], interval: float) -> None:
    run = runs_of(troubles, interval, 500)
    gaps = [later - earlier for earlier, later in itertools.pairwise(run)]
    assert run[0] == 0
    assert all(gap <= MOST_FOLD and gap * interval <= max(LONGEST, interval) for gap in gaps)
    for n, trouble in enumerate(troubles[: len(gaps)]):
        assert gaps[n] == 1 if not trouble else gaps[n] >= 1
    # never more often in trouble than in the run before, which was in trouble too
    assert all(
        gaps[n] >= gaps[n - 1] for n in range(1, min(len(gaps), len(troubles))) if troubles[n] and troubles[n - 1]
    )


@pytest.mark.parametrize(
    ("result", "down", "trouble"),
    [
        (race(), set(), False),
        (race(race_outcome=RaceOutcome.UNAVAILABLE, outcome=Outcome.NOT_KNOWN), set(), True),
        (race(race_outcome=RaceOutcome.SETUP_FAILED, outcome=Outcome.SETUP_FAILED), set(), True),
        (race(race_outcome=RaceOutcome.RATE_LIMITED, outcome=Outcome.RATE_LIMITED), set(), True),
        # A violation is news of the highest kind: whoever sees one goes on looking.
        (race(race_outcome=RaceOutcome.MULTIPLE_WINNERS, outcome=Outcome.VIOLATION), set(), False),
        (race(race_outcome=RaceOutcome.UNKNOWN, outcome=Outcome.NOT_KNOWN), set(), False),
        (race(), {ProbeName.WEBHOOK}, True),
        (race(), {ProbeName.REDIS}, False),
        (health(), set(), False),
        (health(outcome=Outcome.TIMEOUT), set(), True),
        (health(outcome=Outcome.UNEXPECTED_STATUS), set(), False),
        (health(), {ProbeName.WEBHOOK}, True),
    ],
)
def test_what_trouble_is(result: Result, down: set[ProbeName], trouble: bool) -> None:
    assert in_trouble(result, dict.fromkeys(down)) is trouble
