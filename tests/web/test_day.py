"""The last hour and day: figures within the resolution that is promised, nothing kept for ever, outages once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.event import OutageChanged
from prober.outcome import OutageState, Outcome, ProbeName
from prober.web.day import DRAWN, Day, Grid, Spanned, Stretch, percentiles, spanned
from tests.web.event_samples import WALL, at, changed, outage, race, ran, redis, webhook

REDIS = ProbeName.REDIS


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200))
def test_percentiles_are_right_to_within_the_width_of_a_bucket(values: list[float]) -> None:
    grid = Grid(3600.0, 60.0)
    for value in values:
        grid.add(REDIS, WALL, value)
    found = grid.whole(REDIS, WALL)
    assert found is not None
    ordered = sorted(values)
    assert found.count == len(values)
    for q, said in ((0.5, found.p50), (0.99, found.p99)):
        true = ordered[math.ceil(q * len(values)) - 1]
        assert said == pytest.approx(true, rel=0.026)


def test_of_nothing_there_is_no_figure() -> None:
    grid = Grid(3600.0, 60.0)
    assert grid.whole(REDIS, WALL) is None
    assert percentiles({}) is None
    assert {found for _, found in grid.slots(REDIS, WALL)} == {None}
    assert grid.begins(WALL) == WALL


def test_a_run_is_in_the_slot_of_its_time_and_leaves_with_it() -> None:
    grid = Grid(3600.0, 60.0)
    grid.add(REDIS, WALL, 0.001)
    slots = grid.slots(REDIS, WALL + 600)
    assert len(slots) == 60
    assert [begin for begin, found in slots if found] == [WALL]
    assert grid.whole(REDIS, WALL + 3599) is not None
    assert grid.whole(REDIS, WALL + 3600) is None


@given(st.lists(st.floats(0, 1e6), max_size=300))
def test_what_is_kept_is_bounded_whatever_the_clock_does(moments: list[float]) -> None:
    grid = Grid(3600.0, 60.0)
    for moment in moments:
        grid.add(REDIS, moment, 0.001)
    assert len(grid._slots.get(REDIS, {})) <= 3600 / 60 + 1


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        *((0.0, "minute", "1 min"), (61.0, "2 minutes", "2 min"), (3541.0, "hour", "60 min")),
        *((3900.0, "65 minutes", "65 min"), (7200.0, "2 hours", "2 h"), (86_400.0, "24 hours", "24 h")),
    ],
)
def test_a_stretch_is_said_as_long_as_it_is(seconds: float, words: str, short: str) -> None:
    assert spanned(seconds) == Spanned(words, short)


def test_the_day_is_known_from_its_first_good_run_or_outage_on() -> None:
    day = Day()
    assert day.known(WALL) == 0.0
    day.add(REDIS, WALL - 90, 0.001)
    assert day.known(WALL) == 90
    day.outage(Stretch(probe="redis", began=WALL - 600, ended=WALL - 500, id="o"))
    assert day.known(WALL) == 600.0
    day.outage(Stretch(probe="redis", began=WALL - 90_000, ended=WALL - 500, id="long"))
    assert day.known(WALL) == day.hour.span
    day.add(REDIS, WALL - 80_000, 0.001)
    assert day.known(WALL) == day.day.span


def test_the_hour_is_shown_until_more_is_known() -> None:
    day = Day()
    assert day.shown(WALL) is day.hour
    day.add(REDIS, WALL, 0.001)
    assert day.shown(WALL + 1000) is day.hour
    assert day.shown(WALL + 5000) is day.day


def test_only_good_runs_say_how_fast_the_target_is() -> None:
    day = Day()
    day.record(ran(redis(outcome=Outcome.TIMEOUT)))
    day.record(ran(webhook(accepted=False)))
    day.record(ran(race(race_duration=None)))
    assert all(day.day.whole(probe, WALL + 200) is None for probe in DRAWN)
    day.record(ran(redis()))
    day.record(ran(webhook()))
    day.record(ran(race(race_duration=0.04)))
    took = {probe: whole.p50 for probe in DRAWN if (whole := day.day.whole(probe, WALL + 200)) is not None}
    assert took == {
        ProbeName.WEBHOOK: pytest.approx(0.15, rel=0.026),
        ProbeName.RACE: pytest.approx(0.04, rel=0.026),
        REDIS: pytest.approx(0.002, rel=0.026),
    }


def test_an_outage_is_one_from_its_beginning_to_its_end() -> None:
    day = Day()
    day.record(changed(OutageState.DOWN, outage(began=100.0)))
    assert [(one.began, one.ended) for one in day.outages(WALL + 110)] == [(WALL + 100, None)]
    assert day.up_since == {}
    day.record(changed(OutageState.UP, outage(began=100.0, ended=102.5)))
    (found,) = day.outages(WALL + 110)
    assert (found.ended, found.seconds) == (WALL + 102.5, 2.5)
    assert day.up_since == {"redis": WALL + 102.5}
    assert day.outages(WALL + 102.5 + 86_401) == []


def test_the_journal_does_not_override_what_an_event_has_told() -> None:
    day = Day()
    over = outage(began=100.0, ended=101.0)
    day.record(changed(OutageState.UP, over))
    day.remember(Stretch("redis", WALL + 100, None, over.id))
    assert [one.ended for one in day.outages(WALL + 110)] == [WALL + 101]


def test_an_outage_that_is_watched_no_longer_ends() -> None:
    day = Day()
    day.record(changed(OutageState.DOWN, outage(began=100.0)))
    day.record(OutageChanged(probe=REDIS, state=OutageState.UP, at=at(130.0), outage=None, sentence=""))
    assert [one.ended for one in day.outages(WALL + 140)] == [WALL + 130]
