"""What error rates and alerts rest on: one run of each interval, the age of an outage, whether it is ready."""

from __future__ import annotations

import pytest

from prober.clock import Instant
from prober.event import LoopLag, ProbeSkipped
from prober.outcome import OutageState, Outcome, ProbeName, SkipReason
from prober.web.board import ALIVE_WITHIN, Board
from tests.web.event_samples import Scraped, at, changed, outage, ran, redis, started, webhook

SAMPLES = "prober_probe_samples_total"


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (Outcome.OK, "good"),
        (Outcome.SERVER_ERROR, "bad"),
        (Outcome.TIMEOUT, "bad"),
        (Outcome.RATE_LIMITED, "unknown"),
        (Outcome.NOT_KNOWN, "unknown"),
    ],
)
def test_a_sampled_run_counts_once_for_what_it_says(outcome: Outcome, result: str) -> None:
    scraped = Scraped(started())
    assert scraped.value(SAMPLES, {"probe": "webhook", "result": result}) == 0
    scraped.metrics.record(ran(webhook(outcome=outcome), sampled=True))
    scraped.metrics.record(ran(webhook(outcome=outcome), sampled=False))
    found = {
        kind: scraped.value(SAMPLES, {"probe": "webhook", "result": kind}) for kind in ("good", "bad", "unknown")
    }
    assert found == {"good": 0, "bad": 0, "unknown": 0, result: 1}


def test_the_age_of_an_outage_grows_and_is_nought_without_one() -> None:
    age, labels = "prober_outage_age_seconds", {"probe": "redis"}
    scraped = Scraped(started(), now=100.0)
    assert scraped.value(age, labels) is None
    scraped.metrics.record(ran(redis(), fresh_until=200.0))
    assert scraped.value(age, labels) == 0
    scraped.metrics.record(changed(OutageState.FAILING, outage(began=100.0)))
    scraped.now = 112.5
    assert scraped.value(age, labels) == 12.5
    scraped.metrics.record(changed(OutageState.UP, outage(began=100.0, ended=113.0)))
    assert scraped.value(age, labels) == 0


def test_it_is_ready_when_it_lives_and_every_probe_has_had_its_turn() -> None:
    board = Board()
    assert not board.ready(0.0)
    board.record(started(probes={ProbeName.REDIS: 1.0, ProbeName.RACE: 10.0}))
    assert not board.ready(0.0)
    board.record(ran(redis()))
    assert not board.ready(1.0)
    board.record(ProbeSkipped(probe=ProbeName.RACE, reason=SkipReason.NOT_LEADER))
    assert board.ready(1.0)
    assert not board.ready(ALIVE_WITHIN + 0.1)
    board.record(LoopLag(seconds=0.0, at=Instant(10.0, at(10.0).wall)))
    assert board.ready(10.0)
