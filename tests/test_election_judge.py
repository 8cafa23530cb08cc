"""What convicts an election must be arguable from records alone: each row is a history and what it proves."""

from __future__ import annotations

import pytest

from proofs.election_judge import (
    Fault,
    Passing,
    Request,
    RowWritten,
    Sample,
    Trouble,
    both_lead,
    excused,
    foreign,
    handovers,
    late,
    read_mark,
    strangers,
)

PASSINGS = [Passing(10.0, 1, "a"), Passing(20.0, 2, "b"), Passing(30.0, 3, "a")]
NAMES = ("a", "b", "c")
TERM = 3.0


def test_reads_the_header() -> None:
    assert read_mark("a/0123;fence=7", 5.0) == Request("a", 7, 5.0)
    assert read_mark("a/0123", 5.0) is None


@pytest.mark.parametrize(
    ("fence", "at", "is_late"), [(1, 19.9, False), (1, 20.1, True), (2, 29.0, False), (3, 99.0, False)]
)
def test_late_is_after_the_lease_has_passed(fence: int, at: float, is_late: bool) -> None:
    request = Request("a", fence, at)
    assert late([request], PASSINGS) == ([request] if is_late else [])


@pytest.mark.parametrize(
    ("fault", "is_excused"),
    [
        (Fault("a", Trouble.FREEZE, 15.0, 21.0, True), True),
        (Fault("a", Trouble.FREEZE, 15.0, 23.0, True), False),  # it came before the thaw: from whom?
        (Fault("a", Trouble.FREEZE, 20.5, 21.0, True), False),  # the lease had passed before the freeze
        (Fault("b", Trouble.FREEZE, 15.0, 21.0, True), False),
        (Fault("a", Trouble.SILENCE, 15.0, 21.0, True), False),
    ],
)
def test_only_a_freeze_between_check_and_sending_excuses(fault: Fault, is_excused: bool) -> None:
    assert excused(Request("a", 1, 22.0), [fault], PASSINGS) == (fault if is_excused else None)


def test_a_number_of_another_or_before_its_time_is_strange() -> None:
    good = [Request("a", 1, 10.5), Request("b", 2, 20.5)]
    bad = [Request("b", 1, 15.0), Request("a", 9, 50.0), Request("b", 2, 19.0)]
    assert strangers([*good, *bad], PASSINGS) == bad


def test_a_row_belongs_to_the_holder() -> None:
    rows = [RowWritten("INSERT orders", "a", "a", 1.0), RowWritten("INSERT orders", "a", "b", 2.0)]
    assert foreign(rows) == rows[1:]


def test_two_lead_only_if_one_led_before_and_after_the_other_was_seen_to() -> None:
    first, other, again = (
        Sample("a", True, 11.0, 11.1),
        Sample("b", True, 11.2, 11.3),
        Sample("a", True, 11.4, 11.5),
    )
    assert both_lead([first, other, again], PASSINGS) == [(first, other)]
    # It has taken the lease anew in between: then it may have been without.
    assert both_lead([first, other, again], [*PASSINGS, Passing(11.35, 4, "a")]) == []
    # Not certain: they may have followed each other.
    assert both_lead([first, other], PASSINGS) == []
    assert both_lead([first, other, Sample("a", False, 11.4, 11.5)], PASSINGS) == []
    assert both_lead([first, Sample("b", False, 11.2, 11.3), again], PASSINGS) == []


def test_a_loss_is_followed_by_the_next_taking() -> None:
    loss = Fault("a", Trouble.FREEZE, 15.0, 25.0, True)
    (found,) = handovers([loss], PASSINGS, [Request("b", 2, 21.0)], NAMES, TERM)
    assert (found.taken, found.wrote) == (5.0, 6.0)
    nobody = Fault("a", Trouble.KILL, 35.0, 36.0, True)
    (found,) = handovers([nobody], PASSINGS, [], NAMES, TERM)
    assert (found.taken, found.wrote) == (None, None)


def test_no_loss_is_counted_where_nobody_could_have_taken_over() -> None:
    loss = Fault("a", Trouble.FREEZE, 15.0, 25.0, True)
    others = [Fault("b", Trouble.KILL, 12.0, 16.0, False), Fault("c", Trouble.SILENCE, 18.0, 19.0, False)]
    assert handovers([loss, *others], PASSINGS, [], NAMES, TERM) == []
    assert len(handovers([loss, others[0]], PASSINGS, [], NAMES, TERM)) == 1


def test_a_holder_that_was_back_in_time_lost_nothing() -> None:
    back = Fault("a", Trouble.SILENCE, 31.0, 32.0, True)
    assert handovers([back], PASSINGS, [], NAMES, TERM) == []
    assert handovers([Fault("a", Trouble.SILENCE, 31.0, 32.0, False)], PASSINGS, [], NAMES, TERM) == []
