"""Hypothesis strategies: any event that the prober process could send, sensible or not."""

from __future__ import annotations

from hypothesis import strategies as st

from prober.event import (
    JOURNAL_FAILURES,
    CapHit,
    Event,
    EventsDropped,
    JournalFailed,
    Leading,
    Leftovers,
    LoopLag,
    ProbeSkipped,
    ServiceRestarted,
    ViolationFound,
    ViolationsStand,
    WebhookSettled,
    WinRate,
    WritesRestricted,
)
from prober.outcome import (
    Claim,
    OutageState,
    Outcome,
    Phase,
    ProbeName,
    RaceOutcome,
    Service,
    Settlement,
    SkipReason,
    Violation,
    WebhookCheck,
)
from prober.result import RaceHistory, Result
from tests.web.event_samples import (
    answer,
    at,
    changed,
    database,
    health,
    outage,
    page,
    race,
    ran,
    redis,
    redis_info,
    stats,
    webhook,
)

seconds = st.floats(0.0, 100.0)
moments = st.floats(0.0, 1000.0)
counts = st.integers(0, 10**6)
# Text that a target, a contract or a bug could hand over as a label value.
strange = st.text(max_size=12) | st.sampled_from(["/health", "orders", "accept", '"}\n', "ping", "select"])

webhooks = st.builds(
    webhook,
    outcome=st.sampled_from(Outcome),
    check=st.sampled_from(WebhookCheck),
    code=st.none() | st.integers(100, 999),
    accepted=st.booleans(),
    sent=st.booleans(),
    duration=seconds,
    trace_id=st.sampled_from(["", "a" * 32, "b" * 200]),
    phases=st.dictionaries(st.sampled_from(Phase), seconds),
    tls_not_after=st.none() | moments,
)
races = st.builds(
    race,
    outcome=st.sampled_from(Outcome),
    race_outcome=st.sampled_from(RaceOutcome),
    race_duration=st.none() | seconds,
    spread=st.none() | seconds,
    history=st.builds(
        RaceHistory,
        answers=st.lists(
            st.builds(
                answer,
                sent=st.none() | seconds,
                answered=st.none() | seconds,
                claim=st.sampled_from(Claim),
            ),
            max_size=4,
        ).map(tuple),
    ),
)
redises = st.builds(
    redis,
    outcome=st.sampled_from(Outcome),
    operations=st.dictionaries(strange, seconds, max_size=3),
    info=st.none() | st.builds(redis_info, role=strange, run_id=strange, evicted_keys=counts, used_memory=counts),
    backlog=st.none() | st.dictionaries(strange, counts, max_size=3),
)
databases = st.builds(
    database,
    probe=st.sampled_from([ProbeName.DATABASE, ProbeName.DATABASE_POOLED]),
    outcome=st.sampled_from(Outcome),
    operations=st.dictionaries(strange, seconds, max_size=3),
    stats=st.none()
    | st.builds(
        stats,
        datname=strange,
        rollbacks=st.none() | counts,
        rollbacks_reset=st.none() | moments,
        pool_usage=st.none() | st.floats(0, 2),
    ),
)
healths = st.builds(
    health,
    pages=st.lists(st.builds(page, strange, st.none() | st.integers(100, 599)), max_size=3).map(tuple),
    lies=st.lists(strange, max_size=2).map(tuple),
    missing_routes=st.lists(strange, max_size=2).map(tuple),
)
results: st.SearchStrategy[Result] = st.one_of(webhooks, races, redises, databases, healths)

events: st.SearchStrategy[Event] = st.one_of(
    st.builds(ran, results, lateness=st.none() | st.floats(-1, 10), fresh_until=moments),
    st.builds(
        ProbeSkipped,
        probe=st.sampled_from(ProbeName),
        reason=st.sampled_from(SkipReason),
        count=st.integers(1, 9),
    ),
    st.builds(CapHit, probe=st.sampled_from(ProbeName)),
    st.builds(
        WritesRestricted,
        at=st.just(at(0)),
        paused=st.booleans(),
        maintenance=st.booleans(),
        sentence=strange,
    ),
    st.builds(
        changed,
        st.sampled_from(OutageState),
        st.builds(outage, st.sampled_from(ProbeName), moments, st.none() | moments),
    ),
    st.builds(ServiceRestarted, service=st.sampled_from(Service), at=st.just(at(0)), detail=st.just("")),
    st.builds(
        WebhookSettled,
        message_sid=st.just("SM"),
        run_id=st.just("run"),
        settlement=st.sampled_from(Settlement),
        at=st.just(at(0)),
        delay=st.none() | seconds,
        effects=st.integers(0, 3),
        sentence=st.just(""),
    ),
    st.builds(WinRate, value=st.none() | st.floats(0, 1), judged=counts, unjudged=counts, fresh_until=moments),
    st.builds(
        ViolationFound,
        id=st.just("1"),
        kind=st.sampled_from(Violation),
        at=st.just(at(0)),
        sentence=st.just(""),
    ),
    st.builds(
        ViolationsStand,
        at=st.just(at(0)),
        open=st.dictionaries(st.sampled_from(Violation), counts),
        known=st.dictionaries(st.sampled_from(Violation), counts),
    ),
    st.builds(
        Leading,
        leading=st.booleans(),
        at=st.just(at(0)),
        until=moments | st.sampled_from([float("inf"), float("-inf")]),
        fence=st.none() | counts,
    ),
    st.builds(LoopLag, seconds=seconds, at=st.just(at(0))),
    st.builds(JournalFailed, reason=st.sampled_from(JOURNAL_FAILURES), detail=st.just("")),
    st.builds(Leftovers, counts=st.dictionaries(strange, counts, max_size=3)),
    st.builds(EventsDropped, count=counts),
)
