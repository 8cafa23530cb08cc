"""Loss: not known is not lost, and a correct target is never called lossy because of an outage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.judge.loss import Sighting, Waited, overdue, settle
from prober.outcome import Settlement

ABSENT, THERE = Sighting(effects=0, done=False), Sighting(effects=1, done=True)


def waited(
    elapsed: float, service: float | None = None, absent_until: float | None = None, *, ours: bool = True
) -> Waited:
    service_time = elapsed if service is None else service
    return Waited(elapsed=elapsed, service_time=service_time, absent_until=absent_until, ours=ours)


@pytest.mark.parametrize(
    ("how", "seen", "lost_before", "expected"),
    [
        (waited(0.02), THERE, False, Settlement.DONE),
        (waited(59.9, absent_until=59.0), THERE, False, Settlement.DONE),
        (waited(59.9), ABSENT, False, None),
        (waited(60.0), ABSENT, False, Settlement.LOST),
        (waited(600.0), None, False, None),
        (waited(90.0, service=30.0), ABSENT, False, None),
        (waited(120.0, service=60.0), ABSENT, False, Settlement.LOST),
        (waited(90.0, service=30.0), THERE, False, Settlement.NOT_KNOWN),
        (waited(90.0, service=30.0, absent_until=20.0), THERE, False, Settlement.LATE),
        (waited(60.0, ours=False), ABSENT, False, Settlement.NOT_KNOWN),
        (waited(59.9, ours=False), ABSENT, False, None),
        (waited(1.0, ours=False), THERE, False, Settlement.DONE),
        (waited(70.0), THERE, True, Settlement.LATE),
        (waited(70.0), ABSENT, True, None),
    ],
)
def test_verdicts(how: Waited, seen: Sighting | None, lost_before: bool, expected: Settlement | None) -> None:
    verdict = settle(how, seen, deadline=60.0, orphan_age=900.0, already_lost=lost_before)
    assert (verdict.settlement if verdict else None) is expected


GONE = Sighting(effects=0, done=False, mark_gone=True)


@pytest.mark.parametrize(
    ("age", "marked", "seen", "expected"),
    [
        # Nobody's sweep touches what is younger than orphan_age: a mark that is not there was never written.
        (100.0, False, GONE, Settlement.LOST),
        (900.0, False, GONE, Settlement.LOST),
        (900.1, False, GONE, Settlement.NOT_KNOWN),
        (5_000.0, False, GONE, Settlement.NOT_KNOWN),
        # A mark that was written is gone, so somebody has removed it, and the rows with it.
        (100.0, True, GONE, Settlement.NOT_KNOWN),
        # While the mark stands nobody has removed anything, however long ago the message was made.
        (5_000.0, True, ABSENT, Settlement.LOST),
        (5_000.0, False, ABSENT, Settlement.LOST),
        (5_000.0, True, replace(THERE, mark_gone=True), Settlement.LATE),
    ],
)
def test_what_a_sweep_may_have_removed_is_not_known(
    age: float, marked: bool, seen: Sighting, expected: Settlement
) -> None:
    how = Waited(elapsed=age, service_time=60.0, absent_until=10.0, age=age, marked=marked)
    verdict = settle(how, seen, deadline=60.0, orphan_age=900.0, already_lost=False)
    assert verdict is not None
    assert verdict.settlement is expected


times = st.floats(0, 10_000)


@given(times, times, st.booleans(), st.booleans())
def test_a_loss_is_never_called_without_the_mark_having_been_looked_for(
    age: float, service: float, marked: bool, lost: bool
) -> None:
    how = Waited(elapsed=age, service_time=service, absent_until=None, age=age, marked=marked)
    verdict = settle(how, ABSENT, deadline=60.0, orphan_age=900.0, already_lost=lost)
    assert (verdict is not None) == overdue(how, ABSENT, deadline=60.0, already_lost=lost)


@given(times, times, st.booleans())
def test_what_cannot_be_asked_is_never_settled(elapsed: float, service: float, lost: bool) -> None:
    assert settle(waited(elapsed, service), None, deadline=60.0, orphan_age=900.0, already_lost=lost) is None


@given(times, st.floats(0, 59.999))
def test_an_outage_never_makes_a_loss(elapsed: float, service: float) -> None:
    assert settle(waited(elapsed, service), ABSENT, deadline=60.0, orphan_age=900.0, already_lost=False) is None


@given(times, times, st.one_of(st.none(), times), st.booleans())
def test_an_effect_that_is_there_is_never_lost(
    elapsed: float, service: float, absent: float | None, lost: bool
) -> None:
    verdict = settle(waited(elapsed, service, absent), THERE, deadline=60.0, orphan_age=900.0, already_lost=lost)
    assert verdict is not None
    assert verdict.settlement is not Settlement.LOST
