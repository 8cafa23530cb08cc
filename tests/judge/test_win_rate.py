"""The win rate against a plain recomputation over the whole history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.judge.win_rate import RaceWindow
from prober.outcome import RaceOutcome

WON, TWO, SILENT = RaceOutcome.ONE_WINNER, RaceOutcome.MULTIPLE_WINNERS, RaceOutcome.UNAVAILABLE


def test_nothing_judged_is_no_rate() -> None:
    assert RaceWindow(100, 10).rate().value is None
    assert RaceWindow(100, 10, [SILENT]).rate().value is None


def test_a_race_without_a_verdict_does_not_change_the_rate() -> None:
    assert RaceWindow(100, 10, [WON, TWO, SILENT]).rate().value == pytest.approx(0.5)


def test_too_many_without_a_verdict_make_it_absent() -> None:
    window = RaceWindow(100, 2, [WON, SILENT, SILENT])
    assert window.rate().value == pytest.approx(1.0)
    assert window.add(SILENT).value is None


def test_old_races_leave_the_window() -> None:
    assert RaceWindow(3, 10, [TWO, WON, WON, WON]).rate().value == pytest.approx(1.0)


@given(st.lists(st.sampled_from(list(RaceOutcome))), st.integers(1, 20))
def test_the_window_is_the_last_judged_races(outcomes: list[RaceOutcome], size: int) -> None:
    rate = RaceWindow(size, 1000, outcomes).rate()
    assert rate.judged <= size
    assert rate.judged + rate.unjudged <= 2 * size
    recent = outcomes[len(outcomes) - (rate.judged + rate.unjudged) :]
    judged = [outcome for outcome in recent if outcome.is_judged]
    assert rate.judged == len(judged)
    if judged:
        assert rate.value == pytest.approx(judged.count(WON) / len(judged))


def test_another_size_keeps_the_newest_races() -> None:
    won, lost = RaceOutcome.ONE_WINNER, RaceOutcome.MULTIPLE_WINNERS
    window = RaceWindow(4, 1, [lost, lost, won, won])
    assert window.rate().value == 0.5
    window.resize(2, 1)
    assert (window.rate().value, window.rate().judged) == (1.0, 2)
    window.resize(10, 1)
    assert window.add(lost).judged == 3
    window.resize(10, 0)
    assert window.add(RaceOutcome.UNKNOWN).value is None
