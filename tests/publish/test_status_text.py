"""The page of `prober status`: its first line, what to do, and documents of strangers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prober.alerts.promql import EVENTS
from prober.event import (
    Event,
    Leading,
    StandingViolation,
    ViolationFound,
    ViolationsStand,
    WinRate,
    WritesRestricted,
)
from prober.outcome import OutageState, Outcome, ProbeName, RaceOutcome, Standing, Violation
from prober.publish.printable import printable, utc
from prober.publish.status_text import NO_VENDOR, open_violations, page, verdict
from prober.web.api import status_document
from prober.web.board import Board
from tests.web.event_samples import WALL, at, changed, outage, race, ran, started, webhook
from tests.web.random_events import events

ONLY_WEBHOOK = started(probes={ProbeName.WEBHOOK: 1.0}, at=at(98.0))
BOTH = started(probes={ProbeName.WEBHOOK: 1.0, ProbeName.RACE: 1.0}, at=at(98.0))
GOOD = ran(webhook())
EVIL = "\x1b[2J\nordering works"


def document(*happened: Event, now: float = 102.0) -> Any:
    board = Board()
    for event in happened:
        board.record(event)
    return json.loads(json.dumps(status_document(board, at(now), now)))


def stand(count: int, standing: Standing = Standing.OPEN, sentence: str = "two winners") -> ViolationsStand:
    found = ViolationFound(id="split_order-1", kind=Violation.SPLIT_ORDER, at=at(7), sentence=sentence)
    one = StandingViolation(found=found, standing=standing, until_wall=WALL + 900, reason="ticket 7")
    counts = {Violation.SPLIT_ORDER: count}
    is_open = standing is Standing.OPEN
    return ViolationsStand(
        at=at(8), open=counts if is_open else {}, known={} if is_open else counts, newest=(one,)
    )


UNANSWERED = ran(
    race(race_outcome=RaceOutcome.UNAVAILABLE, outcome=Outcome.NOT_KNOWN, started=at(99.0)), fresh_until=200.0
)
SETUP_FAILED = ran(race(race_outcome=RaceOutcome.SETUP_FAILED, outcome=Outcome.SETUP_FAILED), fresh_until=200.0)
PAUSED = WritesRestricted(at=at(99), paused=True, maintenance=False, sentence="paused until noon")
WATCHING = Leading(leading=False, at=at(99), holder="prober-b")
DOWN = changed(OutageState.DOWN, outage(ProbeName.WEBHOOK, 90.0))
REDIS_DOWN = changed(OutageState.DOWN, outage(ProbeName.REDIS, 92.0))


@pytest.mark.parametrize(
    ("happened", "now", "first"),
    [
        ((GOOD,), 102.0, "ordering works"),
        ((GOOD, stand(3, Standing.KNOWN)), 102.0, "ordering works"),
        ((GOOD, stand(1)), 102.0, "ordering does not work right: 1 violation is open (split_order)"),
        (
            (GOOD, REDIS_DOWN, stand(2)),
            *(102.0, "ordering is in trouble: redis down for 10.0 s, 2 violations are open (split_order)"),
        ),
        (
            (GOOD, REDIS_DOWN, DOWN),
            *(102.0, "ordering does not work: redis down for 10.0 s, webhook down for 12.0 s"),
        ),
        ((), 102.0, "whether ordering works is not known: the webhook probe has not run yet"),
        (
            (ran(webhook(outcome=Outcome.RATE_LIMITED)),),
            *(102.0, "whether ordering works is not known: the webhook probe says rate_limited"),
        ),
        (
            (GOOD, UNANSWERED),
            *(102.0, "ordering is in trouble: no answer to the last race"),
        ),
        (
            (GOOD, UNANSWERED, SETUP_FAILED, UNANSWERED, REDIS_DOWN),
            *(102.0, "ordering is in trouble: redis down for 10.0 s, no answer to the last 2 races"),
        ),
        (
            (GOOD, UNANSWERED, UNANSWERED, UNANSWERED),
            *(102.0, "ordering does not work: no vendor could accept for 3.0 s (3 races)"),
        ),
        ((GOOD, UNANSWERED, UNANSWERED, UNANSWERED, ran(race())), 102.0, "ordering works"),
        (
            (GOOD, ran(race(race_outcome=RaceOutcome.UNKNOWN), fresh_until=101.0)),
            *(102.0, "ordering works"),
        ),
        ((GOOD, PAUSED), 102.0, "ordering works, as far as can be seen without writing"),
        ((GOOD, WATCHING), 102.0, "ordering works, as far as can be seen without writing"),
        (
            (GOOD,),
            *(104.5, "whether ordering works is not known: the prober's event loop has not ticked for 6.5 s"),
        ),
    ],
)
def test_the_first_line_says_whether_ordering_works(happened: tuple[Event, ...], now: float, first: str) -> None:
    status = document(BOTH, *happened, now=now)
    assert (
        page(status).splitlines()[0].removesuffix(" (allowed 5 s)")
        == first
        == verdict(status).removesuffix(" (allowed 5 s)")
    )


def test_no_vendor_can_accept_after_as_many_races_as_page() -> None:
    assert NO_VENDOR == EVENTS


def test_a_stale_run_says_nothing_of_now() -> None:
    status = document(ONLY_WEBHOOK, ran(webhook(), fresh_until=101.0))
    assert verdict(status) == "whether ordering works is not known: the webhook probe has not run for 1.8 s"
    assert "no webhook probe is enabled" in verdict(document(started(probes={}, at=at(100.0))))


def test_open_violations_come_with_what_to_do() -> None:
    text = page(document(ONLY_WEBHOOK, GOOD, stand(4)))
    assert "violations open\n  split_order: 4\n    the newest 2027-01-15 08:00:07.000 UTC: split_order-1\n" in text
    assert "`prober evidence ID`" in text
    assert "`prober ack ID|KIND --reason …`" in text
    assert open_violations(document(ONLY_WEBHOOK, stand(4))) == 4


def test_known_ones_come_with_who_said_so() -> None:
    text = page(document(ONLY_WEBHOOK, GOOD, stand(4, Standing.KNOWN)))
    assert "violations known\n  split_order: 4\n" in text
    assert "known until 2027-01-15 08:15:00.000 UTC: ticket 7\n" in text
    assert "prober ack" not in text
    assert open_violations(document(ONLY_WEBHOOK, stand(4, Standing.KNOWN))) == 0


def test_outages_probes_and_rates_are_lines() -> None:
    ended = changed(OutageState.UP, outage(ProbeName.REDIS, 80.0, 81.25))
    rate = WinRate(value=0.98, judged=100, unjudged=3)
    text = page(document(ONLY_WEBHOOK, GOOD, ended, DOWN, rate))
    assert "  webhook           since 2027-01-15 08:01:30.000 UTC, 12.0 s; refused: nobody listens" in text
    assert "  redis             2027-01-15 08:01:20.000 UTC, lasted 1.2 s; refused: nobody listens" in text
    assert "  webhook             ok                  150.0 ms  1.8 s ago" in text
    assert "win rate: 0.9800 of 100 judged races, 3 without a verdict" in text
    assert "webhooks: 0 lost, 0 late since the journal began" in text


def test_long_sentences_are_cut_and_strange_ones_escaped() -> None:
    text = page(
        document(ONLY_WEBHOOK, ran(webhook(outcome=Outcome.ERROR, detail=EVIL)), stand(1, sentence="x" * 500))
    )
    assert "\x1b" not in text
    assert r"\x1b[2J\nordering works" in text
    assert f"      {'x' * 159}…\n" in text


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events, max_size=8), st.floats(0, 1000))
def test_whatever_happened_is_a_page(happened: list[Event], now: float) -> None:
    text = page(document(started(), *happened, now=now))
    assert all(line.isprintable() for line in text.split("\n"))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_stranger_s_document_is_a_page_or_one_of_four_errors(data: st.DataObject) -> None:
    status = document(ONLY_WEBHOOK, GOOD, stand(2), DOWN)
    spoilt = data.draw(st.sampled_from(sorted(status)))
    status[spoilt] = data.draw(JSON)
    try:
        text = page(status)
        open_violations(status)
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    assert all(line.isprintable() for line in text.split("\n"))


def test_who_writes_is_said_where_there_is_an_election() -> None:
    text = page(document(ONLY_WEBHOOK, GOOD, Leading(leading=False, at=at(99.0), holder=EVIL)))
    assert f"election: this replica watches; {printable(EVIL)} writes, as seen since " in text
    assert "\x1b" not in text
    ours = Leading(leading=True, at=at(100.0), until=110.0, fence=3)
    text = page(document(ONLY_WEBHOOK, GOOD, ours))
    assert f"election: this replica writes, since {utc(WALL + 100)} under number 3" in text
    assert "election: no replica is known to write" in page(document(ONLY_WEBHOOK, GOOD, ours, now=111.0))
    assert "election" not in page(document(ONLY_WEBHOOK, GOOD))
