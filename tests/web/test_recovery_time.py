"""`redis_recovery_time_seconds` and `db_recovery_time_seconds` through outages, restarts and silence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.event import Outage
from prober.outcome import OutageState, Outcome, ProbeName
from prober.web.outages import OutageHistory
from tests.web.event_samples import Scraped, changed, database, outage, ran, redis, started

REDIS = "redis_recovery_time_seconds"
DATABASE = "db_recovery_time_seconds"


def test_from_healthy_through_an_outage_to_forgotten() -> None:
    scraped = Scraped(started(recovery_hold=600.0), now=99.0)
    assert scraped.value(REDIS) is None  # not measured yet
    scraped.metrics.record(ran(redis(), fresh_until=105.0))
    assert scraped.value(REDIS) == 0
    down = outage(began=100.0)
    for state in (OutageState.FAILING, OutageState.DOWN, OutageState.RECOVERING):
        scraped.metrics.record(changed(state, down))
        for scraped.now in (100.5, 107.0, 131.0):
            assert scraped.value(REDIS) == scraped.now - 100.0
            assert scraped.value("prober_outage", {"probe": "redis"}) == 1
    scraped.metrics.record(changed(OutageState.UP, outage(began=100.0, ended=130.5)))
    scraped.metrics.record(ran(redis(), fresh_until=2000.0))
    for scraped.now in (131.0, 400.0, 730.5):
        assert scraped.value(REDIS) == 30.5
        assert scraped.value("prober_outage", {"probe": "redis"}) == 0
    scraped.now = 730.6
    assert scraped.value(REDIS) == 0
    assert scraped.value(DATABASE) is None


def test_a_second_outage_counts_from_its_own_beginning_and_the_longest_is_held() -> None:
    scraped = Scraped(
        started(),
        changed(OutageState.UP, outage(began=100.0, ended=140.0)),
        changed(OutageState.DOWN, outage(began=200.0)),
        now=202.0,
    )
    assert scraped.value(REDIS) == 2
    scraped.metrics.record(changed(OutageState.UP, outage(began=200.0, ended=203.0)))
    assert scraped.value(REDIS) == 40


def test_a_restart_of_the_prober_forgets_neither_kind_of_outage() -> None:
    kept = started(
        recent_outages=(
            outage(ProbeName.REDIS, 50.0, 70.0),
            outage(ProbeName.DATABASE, 90.0),
        )
    )
    scraped = Scraped(kept, now=100.0)
    assert scraped.value(REDIS) == 20
    assert scraped.value(DATABASE) == 10
    assert scraped.value("prober_outage", {"probe": "database"}) == 1
    assert scraped.value("prober_outage", {"probe": "redis"}) is None
    assert scraped.value("prober_outage_duration_seconds_count", {"probe": "redis"}) == 0


def test_the_pooled_way_has_an_outage_but_is_not_the_database() -> None:
    pooled = ProbeName.DATABASE_POOLED
    scraped = Scraped(
        started(),
        ran(database(), fresh_until=200.0),
        changed(OutageState.DOWN, outage(pooled, began=95.0)),
    )
    assert scraped.value("prober_outage", {"probe": pooled}) == 1
    assert scraped.value(DATABASE) == 0


def test_that_all_is_well_is_not_known_once_nobody_looks() -> None:
    scraped = Scraped(started(), ran(redis(), fresh_until=110.0), now=110.0)
    assert scraped.value(REDIS) == 0
    scraped.now = 110.1
    assert scraped.value(REDIS) is None
    assert scraped.value("prober_outage", {"probe": "redis"}) is None


@pytest.mark.parametrize("gap", [0.0, 5.0])
def test_a_change_to_up_without_an_outage_ends_what_was_under_way(gap: float) -> None:
    history = OutageHistory.restored([outage(began=100.0)], hold=600.0).seen(fresh_until=1000.0)
    up = changed(OutageState.UP, outage())
    ended = history.changed(type(up)(probe=up.probe, state=up.state, at=up.at, outage=None, sentence=""))
    assert ended.recovery_time(100.0 + gap) == 0


def _outages(spans: list[tuple[float, float]]) -> list[Outage]:
    """Outages one after the other out of (gap before, length) pairs."""
    outages, now = [], 0.0
    for gap, length in spans:
        began = now + gap
        now = began + length
        outages.append(
            Outage(
                id=str(began),
                probe=ProbeName.REDIS,
                began=outage(began=began).began,
                cause=Outcome.REFUSED,
                detail="",
                ended=outage(began=now).began,
            )
        )
    return outages


seconds = st.floats(0.001, 500.0)


@given(
    spans=st.lists(st.tuples(seconds, seconds), min_size=1, max_size=8),
    under_way=st.booleans(),
    later=st.floats(0.0, 2000.0),
    hold=st.floats(1.0, 1000.0),
)
def test_grows_while_down_then_holds_the_longest_then_is_zero(
    spans: list[tuple[float, float]], under_way: bool, later: float, hold: float
) -> None:
    outages = _outages(spans)
    *before, last = outages
    history = OutageHistory.restored(before, hold).seen(fresh_until=1e9)
    down = history.changed(changed(OutageState.DOWN, outage(began=last.began.mono)))
    assert last.ended is not None
    if under_way:
        early, late = last.began.mono + later, last.began.mono + later + 1.0
        assert down.recovery_time(early) == pytest.approx(later)
        assert (down.recovery_time(late) or 0) > (down.recovery_time(early) or 0) >= 0
        return
    up = down.changed(changed(OutageState.UP, last))
    now = last.ended.mono + later
    held = [o.duration or 0.0 for o in outages if o.ended is not None and now - o.ended.mono <= hold]
    assert up.recovery_time(now) == pytest.approx(max(held, default=0.0))
