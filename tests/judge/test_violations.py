"""Open, known, over: by tables, and against a plain walk through time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.clock import Instant
from prober.event import ViolationFound
from prober.judge.violations import (
    GRACE,
    MOST_OF_A_KIND,
    NEWEST_OF_A_KIND,
    StandingViolations,
    Suspension,
    fate,
    renewed,
)
from prober.outcome import Standing, Violation

OPEN, KNOWN, OVER = Standing.OPEN, Standing.KNOWN, Standing.OVER
SPLIT, LOST = Violation.SPLIT_ORDER, Violation.LOST_MESSAGE
HOLD = 100.0


def at(wall: float) -> Instant:
    return Instant(0.0, wall)


def found(n: int, seen: float, kind: Violation = SPLIT) -> ViolationFound:
    return ViolationFound(id=f"{kind}-{n}", kind=kind, at=at(seen), sentence=f"sentence {n}")


def acknowledged(began: float, ends: float, what: str = SPLIT) -> Suspension:
    return Suspension(what=what, began=began, ends=ends, reason=f"until {ends:g}")


@pytest.mark.parametrize(
    ("suspensions", "stands"),
    [
        # Seen at 0: open for the hold, then over.
        ((), {0: OPEN, 99: OPEN, 100: OVER, 1e9: OVER}),
        # Acknowledged while open: known, then open for as long as the hold is.
        (((10, 500),), {9: OPEN, 10: KNOWN, 499: KNOWN, 500: OPEN, 599: OPEN, 600: OVER}),
        # Shorter than the hold: that still counts from the end of it.
        (((10, 20),), {15: KNOWN, 20: OPEN, 110: OPEN, 119: OPEN, 120: OVER}),
        # Acknowledged when it was over: it is not brought back.
        (((101, 500),), {200: OVER, 550: OVER}),
        # At the very end of the hold it still counts.
        (((100, 500),), {200: KNOWN, 550: OPEN}),
        # Two: the later end decides, and what lies between them pages.
        (((10, 50), (20, 40)), {30: KNOWN, 45: KNOWN, 50: OPEN, 149: OPEN, 150: OVER}),
        (((10, 50), (120, 300)), {60: OPEN, 200: KNOWN, 300: OPEN, 400: OVER}),
        # The second begins when the hold after the first is over.
        (((10, 50), (151, 300)), {149: OPEN, 150: OVER, 200: OVER, 350: OVER}),
        # One that had ended before it was seen.
        (((-50, -10),), {0: OPEN, 99: OPEN, 100: OVER}),
        # One of the kind from before it was found: it never paged.
        (((-50, 70),), {0: KNOWN, 69: KNOWN, 70: OPEN, 169: OPEN, 170: OVER}),
    ],
)
def test_what_becomes_of_a_violation(
    suspensions: tuple[tuple[float, float], ...], stands: dict[float, Standing]
) -> None:
    for now, standing in stands.items():
        made_by_then = [acknowledged(*one) for one in suspensions if one[0] <= now]
        assert fate(0.0, made_by_then, HOLD).standing(now) is standing, now


@pytest.mark.parametrize(
    ("before", "after", "covers_from"),
    [
        (None, (500, 900), 500),
        ((10, 600), (500, 900), 10),  # still in force
        ((10, 450), (500, 900), 10),  # ended, and what it covered pages again
        ((10, 399), (500, 900), 500),  # what it covered is over
        ((10, 600), (500, 510), 10),  # made shorter
    ],
)
def test_a_renewed_acknowledgement_covers_what_the_one_before_did(
    before: tuple[float, float] | None, after: tuple[float, float], covers_from: float
) -> None:
    earlier = None if before is None else acknowledged(*before)
    assert renewed(earlier, acknowledged(*after), HOLD) == Suspension(
        what=SPLIT, began=covers_from, ends=after[1], reason=f"until {after[1]:g}"
    )


moments = st.integers(-300, 300).map(float)
periods = st.lists(
    st.tuples(moments, st.integers(1, 300)).map(lambda one: acknowledged(one[0], one[0] + one[1])), max_size=5
)


@given(seen=moments, suspensions=periods, now=moments)
def test_the_same_as_walking_through_time(seen: float, suspensions: list[Suspension], now: float) -> None:
    made_by_then = [one for one in suspensions if one.began <= now]
    open_until, known_until = seen + HOLD, -math.inf
    for second in range(-300, int(now) + 1):
        for one in made_by_then:
            if one.began == second <= open_until:
                known_until, open_until = max(known_until, one.ends), max(open_until, one.ends + HOLD)
    expected = KNOWN if now < known_until else OPEN if now < open_until else OVER
    assert fate(seen, made_by_then, HOLD).standing(now) is expected


@given(seen=moments, suspensions=periods, now=moments)
def test_nothing_is_forgotten_by_being_acknowledged(
    seen: float, suspensions: list[Suspension], now: float
) -> None:
    """What would page without any acknowledgement pages or is known with any."""
    if fate(seen, (), HOLD).standing(now) is OPEN:
        assert fate(seen, suspensions, HOLD).standing(now) is not OVER


@given(seen=moments, suspensions=periods, now=moments)
def test_it_changes_when_it_says_and_not_before(seen: float, suspensions: list[Suspension], now: float) -> None:
    its = fate(seen, suspensions, HOLD)
    moment = its.changes(now)
    if math.isinf(moment):
        assert its.standing(now) is OVER
    else:
        assert its.standing(math.nextafter(moment, -math.inf)) is its.standing(now)
        assert its.standing(moment) is not its.standing(now)


@given(
    seen=st.lists(st.tuples(moments, st.sampled_from([SPLIT, LOST])), max_size=8),
    suspensions=st.lists(
        st.builds(
            lambda began, length, what: acknowledged(began, began + length, what),
            moments,
            st.integers(1, 300),
            st.sampled_from([SPLIT, LOST, f"{SPLIT}-0", f"{LOST}-1"]),
        ),
        max_size=4,
    ),
    now=moments,
    late=st.integers(0, 8),
)
def test_the_stand_is_each_violation_s_own(
    seen: list[tuple[float, Violation]], suspensions: list[Suspension], now: float, late: int
) -> None:
    """Whatever comes first, violations or acknowledgements, and however often it was asked in between."""
    every = [found(n, wall, kind) for n, (wall, kind) in enumerate(seen)]
    standing = StandingViolations(HOLD, every[:late], suspensions[:1])
    standing.stand(at(now - 1))
    standing.suspend(suspensions)
    for violation in every[late:]:
        standing.find(violation)
    stand = standing.stand(at(now))
    expected: dict[Standing, list[str]] = {OPEN: [], KNOWN: [], OVER: []}
    for violation in every:
        own = [one for one in suspensions if one.what in (violation.id, violation.kind)]
        its = fate(violation.at.wall, own, HOLD)
        alone = [one for one in suspensions[:1] if one.what in (violation.id, violation.kind)]
        forgotten = (
            every.index(violation) < late and now - 1 >= fate(violation.at.wall, alone, HOLD).open_until + GRACE
        )
        expected[OVER if forgotten else its.standing(now)].append(violation.id)
    for said, which in ((stand.open, OPEN), (stand.known, KNOWN)):
        assert sum(said.values()) == len(expected[which])
        for kind in (SPLIT, LOST):
            assert said.get(kind, 0) == sum(id_.startswith(kind) for id_ in expected[which])
        told = [one.found.id for one in stand.newest if one.standing is which]
        assert set(told) <= set(expected[which])
        assert len(told) == sum(min(count, NEWEST_OF_A_KIND) for count in said.values())
    changes = standing.next_change(now)
    assert changes > now
    assert standing.stand(at(math.nextafter(changes, -math.inf) if math.isfinite(changes) else 1e9)).open == (
        stand.open if math.isfinite(changes) else {}
    )


def test_seen_again_it_is_one_violation_and_newer() -> None:
    standing = StandingViolations(HOLD, [found(1, 0.0), found(1, 90.0), found(1, 50.0)])
    (only,) = standing.stand(at(150.0)).newest
    assert (only.found.at.wall, only.standing, only.until_wall) == (90.0, OPEN, 190.0)


def test_the_newest_are_told_with_what_becomes_of_them() -> None:
    every = [found(n, float(n)) for n in range(30)] + [found(n, 50.0 + n, LOST) for n in range(3)]
    stand = StandingViolations(HOLD, every, [acknowledged(60, 300, LOST)]).stand(at(70.0))
    assert (stand.open, stand.known) == ({SPLIT: 30}, {LOST: 3})
    assert [one.found.id for one in stand.newest] == [
        *(f"{LOST}-{n}" for n in (2, 1, 0)),
        *(f"{SPLIT}-{n}" for n in range(29, 29 - NEWEST_OF_A_KIND, -1)),
    ]
    assert (stand.newest[0].until_wall, stand.newest[0].reason) == (300.0, "until 300")


def test_a_flood_keeps_the_newest_and_no_more() -> None:
    standing = StandingViolations(HOLD, [found(0, 0.0, LOST)])
    for n in range(MOST_OF_A_KIND + 5):
        standing.find(found(n, 1.0))
    assert standing.stand(at(2.0)).open == {SPLIT: MOST_OF_A_KIND, LOST: 1}


def test_what_is_over_is_forgotten() -> None:
    standing = StandingViolations(HOLD, [found(1, 0.0)])
    assert standing.stand(at(HOLD)).open == {}
    standing.suspend([acknowledged(HOLD - 1, 500)])  # made before the end, read after it
    assert standing.stand(at(HOLD + 1)).known == {SPLIT: 1}
    assert standing.stand(at(600 + GRACE)).known == {}
    standing.suspend([acknowledged(HOLD - 1, 5000)])
    assert standing.stand(at(600 + GRACE)).known == {}


def test_another_hold_judges_anew_what_is_known() -> None:
    standing = StandingViolations(100.0, [found(1, 0.0), found(2, 50.0)])
    assert standing.stand(at(90.0)).open == {SPLIT: 2}
    standing.hold_for(60.0)
    assert standing.stand(at(90.0)).open == {SPLIT: 1}
    standing.hold_for(1000.0)
    assert standing.stand(at(90.0)).open == {SPLIT: 2}
    assert standing.next_change(90.0) == 1000.0
