"""The service clock stands still while any service it was told of is down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.judge.service_clock import ServiceClock
from prober.outcome import ProbeName

REDIS, DATABASE = ProbeName.REDIS, ProbeName.DATABASE


def test_it_stands_still_during_an_outage() -> None:
    clock = ServiceClock(100.0)
    assert clock.read(110.0) == pytest.approx(10.0)
    clock.went_down(REDIS, 110.0)
    clock.went_down(DATABASE, 112.0)
    assert clock.read(200.0) == pytest.approx(10.0)
    clock.came_up(REDIS, 120.0)
    assert clock.read(200.0) == pytest.approx(10.0)
    clock.came_up(DATABASE, 130.0)
    assert clock.read(135.0) == pytest.approx(15.0)


facts = st.lists(st.tuples(st.sampled_from([REDIS, DATABASE]), st.booleans(), st.floats(0.001, 100)), max_size=30)


@given(facts)
def test_it_counts_the_time_in_which_all_were_up(changes: list[tuple[ProbeName, bool, float]]) -> None:
    clock, at, down, expected = ServiceClock(0.0), 0.0, set[ProbeName](), 0.0
    for service, goes_down, later in changes:
        at += later
        expected += 0 if down else later
        if goes_down:
            down.add(service)
            clock.went_down(service, at)
        else:
            down.discard(service)
            clock.came_up(service, at)
        assert clock.read(at) == pytest.approx(expected)
