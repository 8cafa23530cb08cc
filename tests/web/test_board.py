"""What `/-/healthy` and `/-/ready` say, as functions of events and time."""

from __future__ import annotations

import pytest

from prober.event import Event, LoopLag, ProbeSkipped
from prober.outcome import Outcome, ProbeName, SkipReason
from prober.web.board import ALIVE_WITHIN, Board
from tests.web.event_samples import at, ran, redis, started


def board_of(*events: Event) -> Board:
    board = Board()
    for event in events:
        board.record(event)
    return board


def test_healthy_as_long_as_the_loop_ticks() -> None:
    board = board_of()
    assert board.trouble(0.0) == "the prober process has not started yet"
    board.record(started())
    assert board.trouble(ALIVE_WITHIN) is None
    board.record(LoopLag(seconds=0.0, at=at(100.0)))
    assert board.trouble(100.0 + ALIVE_WITHIN) is None
    assert board.trouble(107.5) == "the prober's event loop has not ticked for 7.5 s (allowed 5 s)"


@pytest.mark.parametrize("reason", sorted(set(SkipReason) - {SkipReason.OVERRUN}))
def test_ready_without_the_probes_that_are_left_out_for_a_reason(reason: SkipReason) -> None:
    """Started in a pause, beside a leader or while the database is down it watches, and nobody is to be woken."""
    board = board_of(started(probes={ProbeName.REDIS: 1.0, ProbeName.RACE: 1.0}))
    board.record(ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.OVERRUN))
    assert board.not_yet_run() == (ProbeName.REDIS, ProbeName.RACE)
    board.record(ProbeSkipped(probe=ProbeName.RACE, reason=reason))
    assert board.not_yet_run() == (ProbeName.REDIS,)
    board.record(ran(redis()))
    assert board.not_yet_run() == ()


def test_results_alone_do_not_make_it_healthy() -> None:
    """They wait in buffers; only a fresh tick says that the loop runs now."""
    board = board_of(started(), ran(redis(started=at(200.0))))
    assert board.trouble(200.0) is not None


def test_ready_once_every_probe_has_run() -> None:
    board = board_of()
    assert board.not_yet_run() is None
    board.record(started(probes={ProbeName.REDIS: 1.0, ProbeName.RACE: 1.0}))
    assert board.not_yet_run() == (ProbeName.REDIS, ProbeName.RACE)
    board.record(ran(redis(outcome=Outcome.REFUSED)))
    assert board.not_yet_run() == (ProbeName.RACE,)
