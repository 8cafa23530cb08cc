"""What `/api/v1/status` says, as a function of events and time."""

from __future__ import annotations

import json
from typing import Any

import pytest

import prober
from prober.event import (
    Event,
    Leading,
    ProbeSkipped,
    StandingViolation,
    ViolationFound,
    ViolationsStand,
    WebhookSettled,
    WinRate,
    WritesRestricted,
)
from prober.outcome import (
    OutageState,
    Outcome,
    ProbeName,
    RaceOutcome,
    Settlement,
    SkipReason,
    Standing,
    Violation,
)
from prober.web.api import status_document
from prober.web.board import RECENT_OUTAGES, Board
from tests.web.event_samples import WALL, at, changed, outage, race, ran, redis, started


def said(*events: Event, now: float = 105.0) -> Any:
    board = Board()
    for event in events:
        board.record(event)
    return json.loads(json.dumps(status_document(board, at(now), now), allow_nan=False))


def test_nothing_before_the_prober_has_started() -> None:
    assert said() is None


def test_who_it_is_and_that_nothing_has_run() -> None:
    document = said(started(probes={ProbeName.REDIS: 1.0}), now=4.0)
    assert document["probes"] == {"redis": None}
    assert (document["instance"], document["version"], document["environment"]) == (
        "test",
        prober.__version__,
        "demo",
    )
    assert (document["at"], document["started"], document["uptime_seconds"]) == (WALL + 4, WALL, 4.0)
    assert document["trouble"] is None
    assert document["win_rate"] is None
    assert document["violations"] == {"open": None, "known": None, "newest": [], "total": {}}
    assert "has not ticked" in said(started(), now=99.0)["trouble"]


def test_the_last_run_of_each_probe() -> None:
    document = said(started(), ran(redis(outcome=Outcome.OOM, detail="no memory")), now=105.0)
    assert document["probes"]["redis"] == {
        "ok": False,
        "outcome": "oom",
        "detail": "no memory",
        "run_id": "run",
        "started": WALL + 100,
        "duration_seconds": 0.002,
        "age_seconds": pytest.approx(4.998),
        "stale": False,
        "failing_since": WALL + 100,
    }
    assert said(started(), ran(redis()), now=111.0)["probes"]["redis"]["stale"] is True
    again = said(started(), ran(redis(outcome=Outcome.OOM)), ran(redis(outcome=Outcome.OOM, started=at(102.0))))
    assert again["probes"]["redis"]["failing_since"] == WALL + 100
    good = said(started(), ran(redis(outcome=Outcome.OOM)), ran(redis(started=at(102.0))))
    assert good["probes"]["redis"]["failing_since"] is None


def test_why_a_probe_has_not_run_since_as_far_as_that_still_holds() -> None:
    paused = WritesRestricted(at=at(99), paused=True, maintenance=False, sentence="paused until noon")
    free = WritesRestricted(at=at(99), paused=False, maintenance=False, sentence="writes are allowed")
    skipped = ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.PAUSED)
    late = ProbeSkipped(probe=ProbeName.REDIS, reason=SkipReason.OVERRUN)
    assert said(started(), paused, skipped, late)["held_back"] == {"race": "paused"}
    assert said(started(), paused, skipped, free)["held_back"] == {}
    assert said(started(), paused, skipped, ran(race()))["held_back"] == {}


def test_races_in_a_row_without_an_answer() -> None:
    no_answer = race(race_outcome=RaceOutcome.UNKNOWN, started=at(100.0))
    found = said(started(), ran(no_answer), ran(no_answer))["unanswered_races"]
    assert found == {"races": 2, "since": WALL + 100, "seconds": 5.0}
    won = race(race_outcome=RaceOutcome.ONE_WINNER)
    assert said(started(), ran(no_answer), ran(won))["unanswered_races"] is None


def test_outages_under_way_and_those_that_ended() -> None:
    kept = started(recent_outages=(outage(began=-60.0), outage(ProbeName.DATABASE, -90.0, -80.0)))
    document = said(kept, changed(OutageState.DOWN, outage(ProbeName.WEBHOOK, 100.0)))
    under_way = {one["probe"]: one for one in document["outages"]["under_way"]}
    assert {probe: one["seconds"] for probe, one in under_way.items()} == {"redis": 165.0, "webhook": 5.0}
    assert under_way["redis"]["cause"] == "refused"
    assert under_way["redis"]["ended"] is None
    over = changed(OutageState.UP, outage(began=-60.0, ended=101.5))
    document = said(kept, over)
    assert document["outages"]["under_way"] == []
    assert [(one["probe"], one["seconds"]) for one in document["outages"]["recent"]] == [
        ("redis", 161.5),
        ("database", 10.0),
    ]
    many = [changed(OutageState.UP, outage(began=n, ended=n + 0.5)) for n in range(50)]
    recent = said(started(), *many)["outages"]["recent"]
    assert [one["began"] for one in recent] == [WALL + n for n in range(49, 49 - RECENT_OUTAGES, -1)]


def test_what_stands() -> None:
    found = ViolationFound(id="split_order-1", kind=Violation.SPLIT_ORDER, at=at(7), sentence="two winners")
    one = StandingViolation(found=found, standing=Standing.KNOWN, until_wall=WALL + 900, reason="ticket 7")
    stand = ViolationsStand(
        at=at(8), open={Violation.LOST_MESSAGE: 2}, known={Violation.SPLIT_ORDER: 1}, newest=(one,)
    )
    document = said(started(violations={Violation.LOST_MESSAGE: 5}), found, stand)
    assert document["violations"] == {
        "open": {"lost_message": 2},
        "known": {"split_order": 1},
        "newest": [
            {
                "id": "split_order-1",
                "kind": "split_order",
                "at": WALL + 7,
                "sentence": "two winners",
                "standing": "known",
                "until": WALL + 900,
                "reason": "ticket 7",
            }
        ],
        "total": {"lost_message": 5, "split_order": 1},
    }


def test_losses_and_the_win_rate_while_it_is_fresh() -> None:
    settled = [
        WebhookSettled(message_sid="SM", run_id="r", settlement=how, at=at(5), delay=None, effects=0, sentence="")
        for how in (Settlement.LOST, Settlement.LATE, Settlement.LATE, Settlement.DONE, Settlement.NOT_KNOWN)
    ]
    rate = WinRate(value=0.98, judged=100, unjudged=3, fresh_until=110.0)
    document = said(started(lost=3, late=1), *settled, rate)
    assert document["webhooks"] == {"lost": 4, "late": 3}
    assert document["win_rate"] == {"value": 0.98, "judged": 100, "unjudged": 3}
    assert said(started(), rate, now=111.0)["win_rate"] is None


def test_who_writes_in_an_election() -> None:
    assert said(started(), Leading(leading=True, at=at(1.0)))["election"] is None
    other = Leading(leading=False, at=at(2.0), holder="prober-b")
    ours = Leading(leading=True, at=at(50.0), until=60.0, fence=7)
    assert said(started(), other)["election"] == {
        "leading": False,
        "holder": "prober-b",
        "fence": None,
        "since": WALL + 2,
    }
    renewed = Leading(leading=True, at=at(58.0), until=110.0, fence=7)
    assert said(started(), other, ours, renewed)["election"] == {
        "leading": True,
        "holder": "test",
        "fence": 7,
        "since": WALL + 50,
    }
    assert said(started(), other, ours)["election"] == {
        "leading": False,
        "holder": None,
        "fence": None,
        "since": None,
    }
