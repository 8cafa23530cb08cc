"""The figures of a drill out of made-up histories: phases, rates, lateness, backlog, recovery, measures."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.guide.judging import judge
from prober.outcome import Measure, Outcome, Service, Settlement, Suite
from prober.suites.drill.figures import (
    Fate,
    Window,
    backlog_figures,
    clues,
    followed,
    measures_of,
    percentile,
    phase_figures,
    recovery_figures,
    series,
    untouched,
)
from prober.suites.drill.traffic import Sent
from prober.suites.results_drill import Backlog, Recovery, Rollbacks

WINDOW = Window(start=100.0, end=160.0, fault=110.0, undoing=130.0, recovered=131.0)
numbers = itertools.count(1)


def sent(due: float, outcome: Outcome = Outcome.OK, *, seconds: float = 0.01, code: int | None = 200) -> Sent:
    return Sent(message_sid=f"SM{next(numbers)}", due=due, answered=due + seconds, outcome=outcome, code=code)


def done(each: Sent, seen: float | None = None, *, effects: int = 1) -> Fate:
    return Fate(settlement=Settlement.DONE, seen=each.answered if seen is None else seen, effects=effects)


def fated(*messages: Sent) -> dict[str, Fate]:
    return {each.message_sid: done(each) for each in messages if each.accepted}


def test_a_message_counts_in_the_phase_in_which_it_was_due() -> None:
    messages = [sent(at) for at in (100.0, 109.9, 110.0, 130.5, 131.0, 159.9)]
    before, during, after = phase_figures(WINDOW, messages, fated(*messages))
    assert [p.sent for p in (before, during, after)] == [2, 2, 2]
    assert (before.begins_at, during.begins_at, after.begins_at, after.ends_at) == (0, 10, 31, 60)
    assert before.success_rate == during.success_rate == after.success_rate == 1
    assert before.error_rate == 0


def test_an_answer_alone_is_no_success() -> None:
    messages = [sent(115.0), sent(116.0), sent(117.0, Outcome.TIMEOUT, code=None), sent(118.0)]
    fates = fated(messages[0])
    fates[messages[1].message_sid] = Fate(settlement=Settlement.LOST, seen=None, effects=0)
    _, during, _ = phase_figures(WINDOW, messages, fates)
    assert (during.accepted, during.lost, during.failed) == (3, 1, {"timeout": 1})
    assert during.success_rate == 0.5  # what is not known is not lost
    assert during.error_rate == 0.5


def test_rate_limited_is_no_error_of_the_endpoint() -> None:
    messages = [
        sent(115.0),
        sent(116.0, Outcome.RATE_LIMITED, code=429),
        sent(117.0, Outcome.UNEXPECTED_STATUS, code=403),
    ]
    _, during, _ = phase_figures(WINDOW, messages, fated(*messages))
    assert during.rejected == {"rate_limited": 1, "403": 1}
    assert during.success_rate == 0.5
    only = phase_figures(WINDOW, messages[1:2], {})[1]
    assert only.success_rate is None
    assert only.error_rate is None


def test_slow_and_late_are_degraded() -> None:
    slow, waited, late = sent(115.0, seconds=2.5), sent(116.0), sent(117.0)
    fates = {
        slow.message_sid: done(slow),
        waited.message_sid: done(waited, seen=130.2),
        late.message_sid: Fate(settlement=Settlement.LATE, seen=150.0, effects=1),
    }
    _, during, _ = phase_figures(WINDOW, [slow, waited, late], fates)
    assert (during.degraded_slow, during.degraded_late) == (1, 2)


def test_a_fault_that_never_came_has_one_phase_and_one_not_undone_two() -> None:
    messages = [sent(105.0), sent(120.0)]
    (only,) = phase_figures(Window(start=100.0, end=130.0), messages, {})
    assert (only.name, only.sent) == ("before", 2)
    names = [p.name for p in phase_figures(Window(start=100.0, end=130.0, fault=110.0), messages, {})]
    assert names == ["before", "during"]


def test_every_second_has_its_slot() -> None:
    messages = [sent(100.2), sent(100.7, Outcome.RESET, code=None), sent(102.5, Outcome.RATE_LIMITED, code=429)]
    slots = series(Window(start=100.0, end=102.9), messages, [(100.1, 3), (100.9, 5), (101.5, None)])
    assert [(s.sent, s.accepted, s.failed, s.backlog) for s in slots] == [
        (2, 1, 1, 5),
        (0, 0, 0, None),
        (1, 0, 0, None),
    ]


def test_repeats_and_unknown_ends_are_told_apart() -> None:
    first, second, third = sent(101.0), sent(102.0), sent(103.0)
    fates = {first.message_sid: done(first, effects=2), second.message_sid: done(second)}
    found = followed([first, second, third], fates)
    assert (found.accepted, found.in_time, found.repeated, found.not_known, found.lost) == (3, 2, 1, 1, 0)


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([], (None, None, None)),
        ([(105, 0), (115, None), (120, None)], (0, None, None)),
        ([(105, 2), (115, 9), (131, 7), (135, 2), (140, 0)], (2, 9, 5.0)),
        ([(105, 0), (115, 0), (131, 0)], (0, 0, 0.0)),
        ([(105, 0), (131, 4), (140, 3)], (0, 4, None)),
    ],
)
def test_backlog(looks: list[tuple[float, int | None]], expected: tuple[object, ...]) -> None:
    found = backlog_figures(WINDOW, looks)
    assert (found.before, found.largest, found.drained_seconds) == expected


def test_recovery_of_both_ways() -> None:
    during, early, late = sent(120.0), sent(130.5), sent(133.0)
    fates = {
        during.message_sid: done(during, seen=130.1),
        early.message_sid: done(early, seen=138.0),
        late.message_sid: done(late, seen=134.0),
    }
    messages = [during, early, late]
    found = recovery_figures(WINDOW, (110.2, 131.0, 0.02), messages, fates, visible=True)
    assert (found.service_seconds, found.webhook_seconds) == (1.0, 4.0)
    assert found.service_outage_seconds == pytest.approx(20.8)
    unseen = recovery_figures(WINDOW, None, messages, {}, visible=False)
    assert unseen.service_seconds is None
    assert unseen.webhook_seconds == pytest.approx(0.51)
    never = recovery_figures(Window(start=0.0, end=1.0), None, messages, fates, visible=True)
    assert never.webhook_seconds is None


def recovery(service: float | None, webhook: float | None) -> Recovery:
    return Recovery(
        service_seconds=service, service_outage_seconds=None, uncertainty=None, webhook_seconds=webhook
    )


@pytest.mark.parametrize(
    ("found", "gave_up", "expected"),
    [
        (recovery(1.0, 4.0), None, 4.0),
        (recovery(6.0, 4.0), None, 6.0),
        (recovery(None, 4.0), None, 4.0),
        (recovery(1.0, None), None, None),
        (recovery(None, None), 61.0, 61.0),
    ],
)
def test_recovered_is_who_serves_again(found: Recovery, gave_up: float | None, expected: float | None) -> None:
    backlog = Backlog(before=0, largest=3, drained_seconds=1.0)
    measures, why_not = measures_of(Service.REDIS, (), backlog, found, None, gave_up_after=gave_up)
    assert measures[Measure.RECOVERY_TIME] == expected
    assert (Measure.RECOVERY_TIME in why_not) is (expected is None)
    assert measures[Measure.BACKLOG] == 3
    assert Measure.ERROR_RATE in why_not


def test_no_transaction_is_no_rollback_rate() -> None:
    backlog = Backlog(before=None, largest=None, drained_seconds=None)
    none = Rollbacks(transactions=0, rolled_back=0, sentence="")
    measures, why_not = measures_of(Service.DATABASE, (), backlog, recovery(1, 1), none)
    assert measures[Measure.ROLLBACKS] is None
    assert Measure.ROLLBACKS in why_not
    some = Rollbacks(transactions=8, rolled_back=2, sentence="")
    assert measures_of(Service.DATABASE, (), backlog, recovery(1, 1), some)[0][Measure.ROLLBACKS] == 0.25


def test_waits_and_what_nothing_kept_are_those_of_the_fault() -> None:
    messages = [
        sent(105.0, seconds=9.0),  # before
        sent(111.0, seconds=0.01),
        sent(112.0, seconds=0.02),
        sent(113.0, Outcome.TIMEOUT, seconds=3.0, code=None),  # given up: whether it was kept is not known
        sent(114.0, Outcome.SERVER_ERROR, seconds=0.03, code=503),
        sent(115.0, Outcome.RATE_LIMITED, seconds=5.0, code=429),
        sent(140.0, Outcome.SERVER_ERROR, seconds=8.0, code=500),  # after
    ]
    fates = fated(*messages)
    assert clues(WINDOW, messages, fates, visible=True) == {
        Measure.TYPICAL_WAIT_DURING: pytest.approx(0.02),
        Measure.WAIT_DURING: pytest.approx(3.0),
        Measure.NOT_KEPT_DURING: 0.25,
    }
    fates[messages[1].message_sid] = Fate(settlement=Settlement.LOST, seen=None, effects=0)
    assert clues(WINDOW, messages, fates, visible=True)[Measure.NOT_KEPT_DURING] == 0.5
    assert clues(WINDOW, messages, fates, visible=False)[Measure.NOT_KEPT_DURING] is None
    assert set(clues(WINDOW, messages[:1], fates, visible=True).values()) == {None}


def test_of_claimed_messages_a_bad_figure_stands_and_a_good_one_shows_nothing() -> None:
    assert set(untouched({Measure.ERROR_RATE: 0.0, Measure.BACKLOG: 5.0, Measure.RECOVERY_TIME: 1.0})) == {
        Measure.ERROR_RATE,
        Measure.BACKLOG,
    }
    assert untouched({Measure.ERROR_RATE: 0.3, Measure.BACKLOG: 5000.0}) == {}
    assert untouched({Measure.ERROR_RATE: None}) == {}


def test_percentile_is_the_nearest_rank() -> None:
    assert percentile([], 99) is None
    assert percentile([3.0], 50) == 3.0
    assert percentile(map(float, range(1, 101)), 99) == 99.0


outcomes = st.sampled_from([Outcome.OK, Outcome.TIMEOUT, Outcome.RATE_LIMITED, Outcome.SERVER_ERROR])
settlements = st.sampled_from([*Settlement, None])


@given(st.lists(st.tuples(st.floats(100, 159.99), outcomes, settlements), max_size=60))
def test_every_message_is_counted_once_and_can_be_judged(
    history: list[tuple[float, Outcome, Settlement | None]],
) -> None:
    messages = [sent(due, outcome) for due, outcome, _ in history]
    fates = {
        message.message_sid: Fate(settlement=settlement, seen=message.answered, effects=1)
        for message, (_, outcome, settlement) in zip(messages, history, strict=True)
        if settlement is not None and outcome is Outcome.OK
    }
    phases = phase_figures(WINDOW, messages, fates)
    assert sum(phase.sent for phase in phases) == len(messages)
    for phase in phases:
        parts = phase.accepted + sum(phase.rejected.values()) + sum(phase.failed.values())
        assert parts == phase.sent
    found = followed(messages, fates)
    assert found.in_time + found.late + found.lost + found.not_known == found.accepted
    assert sum(slot.sent for slot in series(WINDOW, messages, [])) == len(messages)
    backlog = backlog_figures(WINDOW, [])
    for service, suite in ((Service.REDIS, Suite.REDIS_FAILURE), (Service.DATABASE, Suite.DB_RESTART)):
        back = recovery_figures(WINDOW, None, messages, fates, visible=True)
        measures, why_not = measures_of(service, phases, backlog, back, None)
        judge(suite, measures, why_not)
