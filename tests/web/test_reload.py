"""What a reload does to metrics, board and `POST /-/reload`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.event import Event, Reloaded, Started
from prober.outcome import OutageState, ProbeName
from prober.web import reload
from prober.web.board import Board
from prober.web.catalogue import METRICS
from prober.web.metric import OTHER, Kind
from prober.web.reload import ReloadDesk
from tests.web.event_samples import (
    Scraped,
    at,
    changed,
    database,
    outage,
    ran,
    redis,
    redis_info,
    started,
    stats,
)
from tests.web.random_events import events
from tests.web.test_metric_invariants import BY_NAME, family_of

REST = {probe: 1.0 for probe in ProbeName if probe is not ProbeName.REDIS}
starts = st.builds(
    lambda probes, queues, pages: started(probes=dict.fromkeys(probes, 1.0), queues=queues, pages=pages),
    st.sets(st.sampled_from(ProbeName), min_size=1),
    st.sampled_from([(), ("orders",), ("replies", "more")]),
    st.sampled_from([(), ("/health",)]),
)


def reloaded(**now: Any) -> Reloaded:
    return Reloaded(at=at(200.0), now=started(**now))


@settings(max_examples=50, deadline=None)
@given(first=starts, second=starts, before=st.lists(events, max_size=6), after=st.lists(events, max_size=6))
def test_nothing_that_counts_ever_falls_and_no_gauge_is_of_what_is_gone(
    first: Started, second: Started, before: list[Event], after: list[Event]
) -> None:
    scraped = Scraped(first, *before)

    def counted() -> dict[Any, float]:
        kinds = (Kind.COUNTER, Kind.HISTOGRAM)
        return {key: v for key, v in scraped.samples().items() if BY_NAME[family_of(key[0])].kind in kinds}

    was = counted()
    scraped.metrics.record(Reloaded(at=at(200.0), now=second))
    now = counted()
    assert all(now.get(key, -1.0) >= value for key, value in was.items())
    for event in after:
        scraped.metrics.record(event)
    existing = {metric.name for metric in METRICS if metric.exists(second)}
    for name, labels in scraped.samples():
        metric = BY_NAME[family_of(name)]
        if metric.kind is not Kind.GAUGE:
            continue
        assert name in existing
        for label in metric.labels:
            if label.known is not None:
                assert dict(labels)[label.name] in {*label.at_start(second), OTHER}


def test_a_refused_one_says_so_and_changes_nothing_else() -> None:
    scraped = Scraped(started(at=at(5.0)), ran(redis()))
    before = scraped.samples()
    scraped.metrics.record(Reloaded(at=at(200.0), problems=("config.yaml:1:1: no",)))
    name = "prober_config_last_reload_successful"
    assert {key: v for key, v in scraped.samples().items() if before[key] != v} == {(name, frozenset()): 0.0}
    scraped.metrics.record(reloaded())
    assert scraped.value(name) == 1
    assert scraped.value("prober_config_last_reload_success_timestamp_seconds") == at(200.0).wall


def test_the_gauges_of_a_probe_go_also_when_its_last_run_ends_after_it() -> None:
    last = ran(redis(info=redis_info(), backlog={"orders": 1}), fresh_until=1000.0)
    scraped = Scraped(started(), last, changed(OutageState.DOWN, outage()))
    assert scraped.value("redis_queue_backlog", {"queue": "orders"}) == 1
    runs = scraped.value("prober_probe_runs_total", {"probe": "redis", "outcome": "ok"})
    scraped.metrics.record(reloaded(probes=REST))
    scraped.metrics.record(last)
    names = {name for name, labels in scraped.samples() if ("probe", "redis") in labels or "redis" in name}
    kinds = {BY_NAME[family_of(name)].kind for name in names}
    assert kinds == {Kind.COUNTER, Kind.HISTOGRAM}
    assert runs is not None
    assert scraped.value("prober_probe_runs_total", {"probe": "redis", "outcome": "ok"}) == runs + 1


def test_a_probe_that_comes_back_has_its_gauges_again_and_another_hold() -> None:
    scraped = Scraped(started(), changed(OutageState.UP, outage(began=10.0, ended=40.0)), reloaded(probes=REST))
    assert scraped.value("redis_recovery_time_seconds") is None
    scraped.metrics.record(reloaded(recovery_hold=600.0))
    assert scraped.value("redis_recovery_time_seconds") == 30.0
    scraped.metrics.record(reloaded(recovery_hold=10.0))
    scraped.metrics.record(ran(redis(), fresh_until=1000.0))
    assert scraped.value("redis_recovery_time_seconds") == 0.0


def test_another_server_is_the_base_line_and_no_burst() -> None:
    def read(total: int) -> Any:
        return ran(database(stats=stats(rollbacks=total, rollbacks_reset=1.0)))

    scraped = Scraped(started(), read(10), read(12))
    name, labels = "db_transaction_rollbacks_total", {"datname": "shop"}
    assert scraped.value(name, labels) == 2
    scraped.metrics.record(Reloaded(at=at(200.0), now=started(), elsewhere=(ProbeName.DATABASE,)))
    scraped.metrics.record(read(5000))
    assert scraped.value(name, labels) == 2
    scraped.metrics.record(read(5001))
    assert scraped.value(name, labels) == 3


def test_the_board_follows_and_keeps_what_it_counted() -> None:
    board = Board()
    for event in (started(lost=3), ran(redis()), reloaded(probes={ProbeName.REDIS: 1.0, ProbeName.RACE: 1.0})):
        board.record(event)
    assert board.lost == 3
    assert board.not_yet_run() == (ProbeName.RACE,)
    board.record(reloaded(probes={ProbeName.RACE: 1.0}))
    board.record(ran(redis()))
    assert board.last_runs == {}


async def test_the_desk_answers_by_what_came_of_its_own_question() -> None:
    asked: list[int] = []
    desk = ReloadDesk(asked.append, allowed=True)
    waiting = asyncio.create_task(desk.post())
    await asyncio.sleep(0)
    assert (await desk.post()).status == 409
    desk.ended(Reloaded(at=at(1.0), asked=(), problems=("of a SIGHUP before",)))
    await asyncio.sleep(0)
    assert not waiting.done()
    desk.ended(Reloaded(at=at(1.0), asked=(asked[0],), problems=("config.yaml:3:1: no",)))
    answer = await waiting
    assert isinstance(answer.body, bytes)
    assert (answer.status, json.loads(answer.body)["problems"]) == (400, ["config.yaml:3:1: no"])
    waiting = asyncio.create_task(desk.post())
    await asyncio.sleep(0)
    desk.ended(Reloaded(at=at(1.0), asked=(asked[1],), now=started(), changed=("probes.race.vendors",)))
    answer = await waiting
    assert isinstance(answer.body, bytes)
    assert (answer.status, json.loads(answer.body)["changed"]) == (200, ["probes.race.vendors"])


async def test_a_prober_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "ANSWER_WITHIN", 0.05)
    desk = ReloadDesk(lambda _: None, allowed=True)
    assert (await desk.post()).status == 504
    desk.allowed = False
    assert (await desk.post()).status == 403
