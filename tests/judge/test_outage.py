"""The outage state machine: a table of stories, and properties over random ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.clock import Instant
from prober.event import OutageChanged
from prober.judge.outage import INCONCLUSIVE, Observation, Tracking, connection_closed, given_up, observe
from prober.outcome import OutageState, Outcome, ProbeName

WALL = 1_700_000_000.0


def at(mono: float) -> Instant:
    return Instant(mono, WALL + mono)


@dataclass(frozen=True)
class Closed:
    mono: float


def run(sent: float, answered: float, outcome: Outcome = Outcome.OK, *, restarted: bool = False) -> Observation:
    return Observation(sent=at(sent), answered=at(answered), outcome=outcome, restarted=restarted)


def play(story: list[Closed | Observation], successes: int = 3) -> tuple[Tracking, list[OutageChanged]]:
    tracking = Tracking(probe=ProbeName.REDIS)
    changes: list[OutageChanged] = []
    for fact in story:
        if isinstance(fact, Closed):
            tracking, new = connection_closed(tracking, at(fact.mono))
        else:
            tracking, new = observe(tracking, fact, recovery_successes=successes)
        changes += new
    return tracking, changes


def states(changes: list[OutageChanged]) -> list[OutageState]:
    return [change.state for change in changes]


UP, FAILING, DOWN, RECOVERING = OutageState.UP, OutageState.FAILING, OutageState.DOWN, OutageState.RECOVERING
REFUSED, TIMEOUT = Outcome.REFUSED, Outcome.TIMEOUT


def test_a_crash_is_measured_from_the_closing_to_the_first_good_answer() -> None:
    story: list[Closed | Observation] = [
        run(9.0, 9.001),
        Closed(9.5),
        run(9.501, 9.502, REFUSED),
        run(9.521, 9.522, REFUSED),
        run(10.000, 10.001),
        run(10.020, 10.021),
        run(10.040, 10.041),
    ]
    tracking, changes = play(story)
    assert states(changes) == [FAILING, DOWN, RECOVERING, UP]
    outage = changes[-1].outage
    assert outage is not None
    assert outage.began == at(9.5)
    assert outage.ended == at(10.001)
    assert outage.duration == pytest.approx(0.501)
    assert outage.uncertainty == pytest.approx(10.001 - 9.521)
    assert outage.failures == 2
    assert outage.cause is REFUSED
    assert tracking.state is UP
    assert not tracking.urgent


def test_a_freeze_begins_when_the_first_failing_probe_was_sent() -> None:
    _, changes = play(
        [run(1.0, 2.0, TIMEOUT), run(2.0, 3.0, TIMEOUT), run(3.0, 3.5), run(3.52, 3.53), run(3.6, 3.61)]
    )
    outage = changes[-1].outage
    assert outage is not None
    assert (outage.began, outage.ended) == (at(1.0), at(3.5))


def test_a_dropped_connection_to_the_same_server_is_no_outage() -> None:
    tracking, changes = play([run(1.0, 1.1), Closed(1.5), run(1.51, 1.52)])
    assert changes == []
    assert tracking.state is UP
    assert not tracking.urgent


def test_a_closed_connection_asks_for_an_urgent_probe() -> None:
    tracking, _ = play([run(1.0, 1.1), Closed(1.5)])
    assert tracking.urgent


def test_a_restart_that_no_probe_saw_failing_still_counts() -> None:
    _, changes = play(
        [run(1.0, 1.1), Closed(1.5), run(1.51, 1.52, restarted=True), run(1.53, 1.54), run(1.55, 1.56)]
    )
    assert states(changes) == [RECOVERING, UP]
    outage = changes[-1].outage
    assert outage is not None
    assert outage.duration == pytest.approx(0.02)
    assert outage.uncertainty == pytest.approx(0.02)


def test_a_failure_while_recovering_goes_on_with_the_same_outage() -> None:
    _, changes = play(
        [run(1, 1.1, REFUSED), run(2, 2.1), run(3, 3.1, REFUSED), run(4, 4.1), run(5, 5.1), run(6, 6.1)]
    )
    assert states(changes) == [FAILING, RECOVERING, DOWN, RECOVERING, UP]
    assert len({change.outage.id for change in changes if change.outage}) == 1
    outage = changes[-1].outage
    assert outage is not None
    assert outage.ended == at(4.1)


@pytest.mark.parametrize("outcome", sorted(INCONCLUSIVE))
def test_what_says_nothing_of_the_service_is_no_outage(outcome: Outcome) -> None:
    tracking, changes = play([run(1, 1.1), Closed(1.2), run(2, 2.1, outcome)])
    assert changes == []
    assert not tracking.urgent


def test_one_success_may_be_enough() -> None:
    _, changes = play([run(1, 1.1, REFUSED), run(2, 2.1)], successes=1)
    assert states(changes) == [FAILING, RECOVERING, UP]


outcomes = st.sampled_from([Outcome.OK, Outcome.OK, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.RATE_LIMITED])


@st.composite
def stories(draw: st.DrawFn) -> list[Closed | Observation]:
    clock, story = 0.0, list[Closed | Observation]()
    for _ in range(draw(st.integers(0, 40))):
        clock += draw(st.floats(0.001, 5))
        if draw(st.integers(0, 5)) == 0:
            story.append(Closed(clock))
            continue
        sent = clock
        clock += draw(st.floats(0.0001, 2))
        outcome = draw(outcomes)
        story.append(run(sent, clock, outcome, restarted=outcome is Outcome.OK and draw(st.booleans())))
    return story


NEXT = {
    UP: {FAILING, RECOVERING},
    FAILING: {DOWN, RECOVERING},
    DOWN: {RECOVERING},
    RECOVERING: {UP, DOWN},
}


@given(stories(), st.integers(1, 4))
def test_states_only_follow_the_path_and_lengths_make_sense(
    story: list[Closed | Observation], successes: int
) -> None:
    tracking, changes = play(story, successes)
    state = UP
    for change in changes:
        assert change.state in NEXT[state]
        state = change.state
        assert change.outage is not None
        assert (change.outage.ended is not None) == (change.state is UP)
        if change.outage.ended is not None:
            assert change.outage.duration is not None
            assert change.outage.duration >= 0
            assert change.outage.uncertainty is not None
            assert change.outage.uncertainty >= 0
    assert tracking.state is state
    assert (tracking.outage is None) == (state is UP)


@given(stories(), st.integers(1, 4))
def test_as_many_good_probes_in_a_row_as_asked_for_end_every_outage(
    story: list[Closed | Observation], successes: int
) -> None:
    last = 1000.0
    story = [*story, *(run(last + n, last + n + 0.1) for n in range(successes))]
    tracking, _ = play(story, successes)
    assert tracking.state is UP


@given(st.lists(st.sampled_from([Outcome.OK, Outcome.RATE_LIMITED]), max_size=30))
def test_a_healthy_service_never_has_an_outage(seen: list[Outcome]) -> None:
    _, changes = play([run(n, n + 0.5, outcome) for n, outcome in enumerate(seen)])
    assert changes == []


def test_an_outage_that_is_watched_no_longer_has_ended_by_then_and_has_no_measured_length() -> None:
    tracking, _ = play([run(10.0, 10.1, Outcome.REFUSED), run(12.0, 12.1, Outcome.REFUSED)])
    assert tracking.outage is not None
    after, (change,) = given_up(tracking, at(15.0))
    assert after.outage is not None
    assert (after.outage.id, after.outage.ended, after.outage.uncertainty) == (tracking.outage.id, at(15.0), 3.0)
    assert (change.state, change.outage) == (OutageState.UP, None)
    assert "down for at least 2.000 s" in change.sentence
    assert given_up(Tracking(probe=ProbeName.REDIS), at(15.0))[1] == ()
