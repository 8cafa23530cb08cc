"""The circuit breaker as a function of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prober.demo.target.breaker import Breaker


def test_it_opens_after_failures_in_a_row_and_lets_one_through_at_a_time() -> None:
    breaker = Breaker(failures=3, open_seconds=1.0)
    for now in (0.0, 0.1):
        breaker.failed(now)
        assert breaker.allows(now)
    breaker.failed(0.2)
    assert breaker.is_open(0.3)
    assert not breaker.allows(1.1)
    assert breaker.allows(1.3)
    assert not breaker.allows(1.3)
    breaker.succeeded()
    assert breaker.allows(1.3)
    assert breaker.failed_since(0.1)
    assert not breaker.failed_since(0.2)


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(failures=2, open_seconds=1.0)
    for _ in range(5):
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.allows(0.0)


@given(st.lists(st.floats(min_value=0.0, max_value=2.0), min_size=1, max_size=50), st.integers(1, 5))
def test_it_never_stays_shut_longer_than_its_time(steps: list[float], failures: int) -> None:
    breaker, now, last_failure = Breaker(failures=failures, open_seconds=1.0), 0.0, -10.0
    for step in steps:
        now += step
        if breaker.allows(now):
            breaker.failed(now)
            last_failure = now
        else:
            assert now - last_failure < 1.0
