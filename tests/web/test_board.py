"""What `/-/healthy`, `/-/ready` and the page at `/` say, as functions of events and time."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from prober.event import Event, Leading, LoopLag, ProbeSkipped, ViolationFound
from prober.outcome import OutageState, Outcome, ProbeName, SkipReason, Violation
from prober.publish.printable import utc
from prober.web.board import ALIVE_WITHIN, Board
from prober.web.page import CONTENT_SECURITY_POLICY, render
from tests.web.event_samples import at, changed, outage, ran, redis, started

ONLY_REDIS = started(probes={ProbeName.REDIS: 1.0})


def shown(board: Board, now: float) -> str:
    return render(board, now, now)


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


def test_ready_without_the_probes_that_another_replica_runs() -> None:
    board = board_of(started(probes={ProbeName.REDIS: 1.0, ProbeName.RACE: 1.0}))
    board.record(ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.RATE_LIMITED))
    assert board.not_yet_run() == (ProbeName.REDIS, ProbeName.RACE)
    board.record(ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.NOT_LEADER))
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


@pytest.mark.parametrize(
    ("events", "now", "said"),
    [
        ((), 1.0, "has not run yet"),
        ((ran(redis()),), 105.0, "up"),
        ((ran(redis()),), 111.0, "not known: the last run is too long ago"),
        ((ran(redis(outcome=Outcome.OOM)),), 105.0, "failed"),
        ((ran(redis()), changed(OutageState.DOWN, outage(began=100.0))), 105.0, "down for 5.0 s"),
        (
            (
                changed(OutageState.DOWN, outage(began=100.0)),
                changed(OutageState.UP, outage(began=100.0, ended=101.0)),
                ran(redis()),
            ),
            *(105.0, "up"),
        ),
    ],
)
def test_the_page_says_what_is_known_now(events: tuple[Event, ...], now: float, said: str) -> None:
    html = shown(board_of(ONLY_REDIS, *events), now)
    (cell,) = re.findall(r'<tr><td>redis</td><td class="\w+">([^<]*)</td>', html)
    assert cell == said


def test_an_outage_that_lasts_survives_a_restart_on_the_page() -> None:
    kept = started(probes={ProbeName.REDIS: 1.0}, recent_outages=(outage(began=-60.0),))
    assert "down for 65.0 s" in shown(board_of(kept), 5.0)


def test_violations_are_counted_on_the_page() -> None:
    kept = started(violations={Violation.SPLIT_ORDER: 1, Violation.NO_WINNER: 0})
    html = shown(board_of(kept), 1.0)
    assert "Violations found so far: split_order: 1." in html
    found = ViolationFound(id="1", kind=Violation.LOST_MESSAGE, at=at(1), sentence="")
    assert "lost_message: 1, split_order: 1." in shown(board_of(kept, found), 1.0)
    assert "No violation is known." in shown(board_of(started()), 1.0)


def test_what_a_target_says_stays_text() -> None:
    evil = "<script>alert(1)</script>\"'&"
    html = shown(board_of(ONLY_REDIS, ran(redis(outcome=Outcome.ERROR, detail=evil))), 101.0)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;" in html


def test_the_policy_allows_the_one_style_sheet_and_nothing_else() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", shown(Board(), 0.0), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert CONTENT_SECURITY_POLICY.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")


def test_who_writes_is_on_the_page_and_only_in_an_election() -> None:
    begins = Leading(leading=False, at=at(1.0))
    seen = Leading(leading=False, at=at(2.0), holder="prober-b<")
    takes = Leading(leading=True, at=at(50.0), until=60.0, fence=7, sentence="took the lease under number 7")
    renews = Leading(leading=True, at=at(58.0), until=68.0, fence=7)
    assert "replica" not in shown(board_of(started(), Leading(leading=True, at=at(1.0))), 1e9)
    assert "No replica is known to write." in shown(board_of(started(), begins), 2.0)
    told = f"This replica watches; prober-b&lt; writes, as seen since {utc(at(2.0).wall)}."
    assert told in shown(board_of(started(), begins, seen), 3.0)
    since = f"This replica writes, since {utc(at(50.0).wall)} under number 7."
    assert since in shown(board_of(started(), begins, seen, takes, renews), 67.0)
    # Frozen since its last renewal, it must not pass for the one that writes.
    assert "No replica is known to write." in shown(board_of(started(), begins, seen, takes, renews), 68.0)
