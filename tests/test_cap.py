"""The caps: whatever is asked, in whatever order, never more than allowed in any window, and nothing is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from prober.cap import Cap, Demand, Usage, exchanged, given_back, obstacle, taken

SMALL = 1e-6

caps = st.builds(
    Cap,
    rate=st.sampled_from([0.5, 1.0, 3.0, 10.0, 99.7, 100.0]),
    burst=st.integers(1, 30),
    in_flight=st.integers(1, 40),
    webhook=st.integers(1, 12),
    webhook_window=st.sampled_from([0.5, 1.0, 10.0, 60.0]),
)
demands = st.builds(Demand, webhook=st.integers(0, 6), routing=st.integers(0, 12), pages=st.integers(0, 8))
# What happens next: so much time passes, then a demand is made or the n-th permit in use is given back.
pauses = st.sampled_from([0.0, 1e-9, 0.001, 0.01, 0.1, 0.333, 1.0, 7.0, 61.0])
events = st.lists(st.tuples(pauses, demands | st.integers(0, 5), st.floats(0, 1)), max_size=120)
Events = list[tuple[float, Demand | int, float]]


@dataclass
class Granted:
    at: float
    demand: Demand
    arrives: float  # how far between its grant and its end each request reaches the target, 0 to 1
    ended: float | None = None


def play(cap: Cap, happenings: Events, start: float) -> tuple[list[Granted], Usage, float]:
    """Let everything happen; every demand is granted that can be."""
    now, usage = start, Usage()
    granted: list[Granted] = []
    for passes, what, share in happenings:
        now += passes
        if isinstance(what, Demand):
            if obstacle(cap, usage, what, now) is None:
                usage = taken(cap, usage, what, now)
                granted.append(Granted(now, what, share))
        elif held := [g for g in granted if g.ended is None]:
            given = held[what % len(held)]
            given.ended = now
            usage = given_back(cap, usage, given.demand, webhook_sent=given.demand.webhook, now=now)
        in_flight = sum(g.demand.total for g in granted if g.ended is None)
        assert usage.in_flight == in_flight <= cap.in_flight
    return granted, usage, now


def most(moments: list[tuple[float, int]], window: float) -> int:
    """The most in any half-open window of this length."""
    return max(
        (sum(n for at, n in moments if start <= at < start + window) for start, _ in moments),
        default=0,
    )


def assert_every_window_holds(cap: Cap, grants: list[tuple[float, int]]) -> None:
    """From any grant to any later one no more than the burst and the rate's share of the time between."""
    sums = list(accumulate((n for _, n in grants), initial=0))
    for first, (begins, _) in enumerate(grants):
        for last in range(first, len(grants)):
            length = grants[last][0] - begins
            assert sums[last + 1] - sums[first] <= cap.burst + cap.rate * (length + SMALL)


@given(caps, events, st.sampled_from([0.0, 17.3, 1e6]))
@settings(deadline=None)
def test_no_window_ever_holds_more_than_the_burst_and_its_share(
    cap: Cap, happenings: Events, start: float
) -> None:
    granted, _, _ = play(cap, happenings, start)
    assert_every_window_holds(cap, [(g.at, g.demand.total) for g in granted])


@given(
    st.sampled_from([0.5, 3.0, 10.0, 99.7]),
    st.integers(1, 20),
    st.lists(st.tuples(pauses, st.integers(1, 9), st.booleans()), min_size=1, max_size=25),
    st.sampled_from([0.0, 1e6]),
)
@settings(deadline=None)
def test_who_takes_all_that_can_be_had_and_gives_it_back_gets_no_more_than_that(
    rate: float, burst: int, tries: list[tuple[float, int, bool]], start: float
) -> None:
    cap = Cap(rate=rate, burst=burst, in_flight=10_000, webhook=1, webhook_window=1.0)
    usage, now = Usage(), start
    grants: list[tuple[float, int]] = []
    for passes, size, at_the_moment_it_was_told in tries:
        now += passes
        demand = Demand(pages=size)
        for _ in range(30):
            found = obstacle(cap, usage, demand, now)
            if found is None:
                usage = taken(cap, usage, demand, now)
                usage = given_back(cap, usage, demand, webhook_sent=0, now=now)
                grants.append((now, size))
            elif at_the_moment_it_was_told and found.until < math.inf:
                now = found.until
            else:
                break
    assert_every_window_holds(cap, grants)


@given(caps, events, st.sampled_from([0.0, 1e6]))
@settings(deadline=None)
def test_the_target_never_counts_more_webhook_requests_than_their_share_however_late_they_arrive(
    cap: Cap, happenings: Events, start: float
) -> None:
    granted, _, now = play(cap, happenings, start)
    ends = [now if g.ended is None else g.ended for g in granted]
    arrivals = [(g.at + (end - g.at) * g.arrives, g.demand.webhook) for g, end in zip(granted, ends, strict=True)]
    assert most(arrivals, cap.webhook_window - SMALL) <= cap.webhook


@given(caps, events)
@settings(deadline=None)
def test_what_was_given_back_can_be_had_again_in_full(cap: Cap, happenings: Events) -> None:
    granted, usage, now = play(cap, happenings, 5.0)
    for g in granted:
        if g.ended is None:
            usage = given_back(cap, usage, g.demand, webhook_sent=g.demand.webhook, now=now)
    now += cap.burst / cap.rate + 1.01 * cap.webhook_window + 1
    whole = min(cap.burst, cap.in_flight)
    webhook = min(cap.webhook, whole)
    assert obstacle(cap, usage, Demand(webhook=webhook, pages=whole - webhook), now) is None
    assert usage.in_flight == usage.webhook_held == 0


@given(caps, events, demands)
@settings(deadline=None)
def test_who_is_told_when_to_try_again_finds_that_something_has_changed(
    cap: Cap, happenings: Events, demand: Demand
) -> None:
    _, usage, now = play(cap, happenings, 5.0)
    for _ in range(1000):
        found = obstacle(cap, usage, demand, now)
        if found is None or found.until == math.inf:
            return
        assert found.until > now - SMALL
        now = max(found.until, now) + SMALL
    raise AssertionError("told to try again a thousand times")


@given(caps, events, demands)
@settings(deadline=None)
def test_more_than_can_ever_be_is_refused_for_good_and_nothing_else_is(
    cap: Cap, happenings: Events, demand: Demand
) -> None:
    _, usage, now = play(cap, happenings, 5.0)
    too_much = demand.total > min(cap.burst, cap.in_flight) or demand.webhook > cap.webhook
    found = obstacle(cap, usage, demand, now)
    assert (found is not None and found.forever) == too_much


@given(caps, events)
@settings(deadline=None)
def test_remembering_the_webhooks_takes_bounded_room(cap: Cap, happenings: Events) -> None:
    _, usage, _ = play(cap, happenings * 3, 5.0)
    assert len(usage.webhook_ended) <= 1002


def test_a_request_that_was_never_sent_does_not_count_for_the_webhook() -> None:
    cap = Cap(rate=100.0, burst=100, in_flight=100, webhook=1, webhook_window=60.0)
    usage = taken(cap, Usage(), Demand(webhook=1), 1.0)
    assert obstacle(cap, usage, Demand(webhook=1), 2.0) is not None
    unsent = given_back(cap, usage, Demand(webhook=1), webhook_sent=0, now=2.0)
    assert obstacle(cap, unsent, Demand(webhook=1), 2.0) is None
    sent = given_back(cap, usage, Demand(webhook=1), webhook_sent=1, now=2.0)
    assert obstacle(cap, sent, Demand(webhook=1), 61.9) is not None
    assert obstacle(cap, sent, Demand(webhook=1), 62.1) is None


def test_the_sentence_says_which_cap_it_was() -> None:
    cap = Cap(rate=10.0, burst=20, in_flight=15, webhook=3, webhook_window=60.0)

    def said(demand: Demand, usage: Usage | None = None) -> str:
        found = obstacle(cap, usage or Usage(), demand, 100.0)
        assert found is not None
        return found.sentence

    assert said(Demand(pages=21)) == "21 requests at once are more than the burst of 20"
    assert said(Demand(pages=16)) == "16 requests at once are more than the limit in flight of 15"
    assert said(Demand(webhook=4)) == "4 requests at once are more than the share of the webhook's rate limit of 3"
    assert said(Demand(pages=1), Usage(in_flight=15)) == "15 of 15 requests are in flight"
    assert said(Demand(pages=1), Usage(full_at=102.0)) == "more than 10 requests a second"
    assert said(Demand(webhook=1), Usage(webhook_held=3)) == "3 requests to the webhook within 60 s"


@given(
    rate=st.floats(0.5, 100),
    other=st.floats(0.5, 100),
    burst=st.integers(1, 50),
    share=st.floats(0, 1),
    wait=st.floats(0, 10),
)
def test_another_rate_gives_no_token_away(
    rate: float, other: float, burst: int, share: float, wait: float
) -> None:
    """As many tokens are left under the new rate as were under the old one."""
    before = Cap(rate=rate, burst=burst, in_flight=1000, webhook=0, webhook_window=1.0)
    after = replace(before, rate=other)
    wanted = int(burst * share)
    usage = taken(before, Usage(), Demand(pages=wanted), 0.0) if wanted else Usage()
    left = burst - wanted + min(wanted, wait * rate)
    moved = exchanged(before, usage, after, wait)
    fits = [n for n in range(1, burst + 1) if obstacle(after, moved, Demand(pages=n), wait) is None]
    assert max(fits, default=0) <= left + 1e-6
    assert max(fits, default=0) >= min(burst, int(left - 1e-6))
