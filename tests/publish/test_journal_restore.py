"""What a prober that starts reads back, in the same boot and in another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.clock import Instant
from prober.judge.violations import MOST_OF_A_KIND
from prober.outcome import RaceOutcome, Settlement, Violation
from prober.publish.journal.entries import Acknowledgement, Cleaned, Entry, Forgotten, State
from prober.publish.journal.restore import Anchor, Left, Restored, read_boot_id, read_left, restore
from tests.publish.journal_samples import (
    BOOT,
    WALL,
    at,
    awaited,
    commit,
    journal_file,
    mark,
    outage,
    race,
    settled,
    violation,
)

OTHER_BOOT = "99999999-8888-7777-6666-555555555555"


def restored(
    directory: Path, *entries: Entry, now: Instant, boot_id: str = BOOT, win_rate_window: int = 100
) -> Restored:
    file = journal_file(directory)
    commit(file, *entries)
    try:
        return file.ask(
            lambda connection: restore(
                connection,
                now,
                boot_id,
                recovery_hold=600.0,
                win_rate_window=win_rate_window,
                violation_hold=4 * 3600.0,
            )
        )
    finally:
        file.close()


def test_an_empty_journal_restores_nothing(tmp_path: Path) -> None:
    assert restored(tmp_path, now=at(0)) == Restored()


def test_outages_of_this_boot_keep_their_monotonic_times(tmp_path: Path) -> None:
    past = restored(
        tmp_path,
        outage(1, began=100.0),
        outage(2, began=50.0, ended=60.0),
        outage(3, began=2_000.0, ended=2_001.5),
        outage(1, began=100.0),  # written again
        now=Instant(2_300.0, WALL - 5_000.0),  # the wall clock was stepped back: it must not matter
    )
    assert past.open_outages == (outage(1, began=100.0),)
    assert past.recent_outages == (outage(3, began=2_000.0, ended=2_001.5),)


def test_outages_of_another_boot_are_placed_by_wall_time(tmp_path: Path) -> None:
    past = restored(
        tmp_path,
        outage(1, began=100.0),
        outage(2, began=150.0, ended=161.5),
        now=Instant(5.0, WALL + 200.0),
        boot_id=OTHER_BOOT,
    )
    (under_way,), (ended,) = past.open_outages, past.recent_outages
    assert under_way.began.mono == pytest.approx(-95.0)
    assert under_way.began.wall == WALL + 100.0
    assert ended.ended is not None
    assert ended.ended.mono == pytest.approx(5.0 - 38.5)
    assert ended.duration == pytest.approx(11.5)


@given(
    wall=st.floats(0, 4e9),
    now=st.builds(Instant, st.floats(0, 1e7), st.floats(0, 4e9)),
    mono=st.floats(0, 1e7),
)
def test_no_moment_of_another_boot_lies_in_the_future(wall: float, now: Instant, mono: float) -> None:
    moment = Anchor(now, BOOT).instant(wall, mono, OTHER_BOOT)
    assert moment.mono <= now.mono
    assert moment.wall == wall
    assert Anchor(now, BOOT).instant(wall, mono, BOOT) == Instant(mono, wall)


def test_a_machine_without_boot_ids_trusts_no_monotonic_time() -> None:
    assert Anchor(at(10), "").instant(WALL, 5.0, "").mono == 0.0


def test_this_machine_has_a_boot_id() -> None:
    assert len(read_boot_id()) == 36


def test_messages_are_awaited_until_they_are_forgotten(tmp_path: Path) -> None:
    past = restored(
        tmp_path,
        awaited(1),
        awaited(2),
        awaited(2, accepted=2.5),
        awaited(3, accepted=3.5),
        settled(3, Settlement.LOST),
        awaited(3, accepted=3.5, lost=True),
        awaited(4, accepted=4.5),
        settled(4, Settlement.DONE),
        Forgotten(message_sid=awaited(4).message_sid),
        settled(5, Settlement.LATE),
        now=at(100),
    )
    assert past.awaited == (awaited(1), awaited(2, accepted=2.5), awaited(3, accepted=3.5, lost=True))
    assert (past.lost, past.late) == (1, 1)


def test_what_may_be_left_is_read_alone_with_how_it_was_sent(tmp_path: Path) -> None:
    file = journal_file(tmp_path)
    twice = replace(awaited(2), repeated=True)
    commit(file, awaited(1), twice, awaited(3), Forgotten(message_sid=awaited(3).message_sid), mark(4), mark(5))
    commit(file, Cleaned(kind=mark(5).kind, id=mark(5).id))
    try:
        left = file.ask(lambda connection: read_left(connection, at(100), BOOT))
    finally:
        file.close()
    assert left == Left(marks=(mark(4),), awaited=(awaited(1), twice))


def test_the_window_of_races_comes_back_in_its_order(tmp_path: Path) -> None:
    outcomes = [RaceOutcome.ONE_WINNER, RaceOutcome.SPLIT_ORDER, RaceOutcome.UNAVAILABLE] * 3
    past = restored(
        tmp_path, *(race(n, outcome) for n, outcome in enumerate(outcomes)), now=at(100), win_rate_window=3
    )
    assert past.races == tuple(outcomes[-6:])


def test_violations_come_back_counted_and_open_ones_as_values(tmp_path: Path) -> None:
    past = restored(
        tmp_path,
        violation(1, Violation.SPLIT_ORDER, seen=0.0),
        violation(2, Violation.SPLIT_ORDER, seen=15_000.0),
        violation(3, Violation.LOST_MESSAGE, seen=15_100.0),
        Acknowledgement(what="split_order", at=at(15_001), until_wall=WALL + 99_999, reason="known bug"),
        Acknowledgement(what="lost_message", at=at(1), until_wall=WALL + 2, reason="expired"),
        now=at(15_200.0),
    )
    assert past.violations == {Violation.SPLIT_ORDER: 2, Violation.LOST_MESSAGE: 1}
    assert past.last_violations[Violation.SPLIT_ORDER] == WALL + 15_000.0
    assert [found.id for found in past.standing_violations] == [
        "split_order-1",  # of the kind that is acknowledged; that it was over by then is for the judge to say
        "split_order-2",
        "lost_message-3",
    ]
    assert past.standing_violations[1].at == at(15_000.0)
    assert [known.what for known in past.acknowledgements] == ["split_order"]


def test_what_is_acknowledged_comes_back_however_old(tmp_path: Path) -> None:
    hold = 4 * 3600.0
    past = restored(
        tmp_path,
        violation(1, Violation.SPLIT_ORDER, seen=0.0),
        violation(2, Violation.NO_WINNER, seen=0.0),
        violation(3, Violation.NO_WINNER, seen=0.0),
        violation(4, Violation.LATE_WINNER, seen=0.0),
        violation(5, Violation.LOST_MESSAGE, seen=0.0),
        Acknowledgement(what="split_order", at=at(2), until_wall=WALL + 1e6, reason="in force"),
        Acknowledgement(
            what="no_winner-3", at=at(1), until_wall=WALL + 5e5 - hold + 1, reason="ended not long ago"
        ),
        Acknowledgement(what="late_winner", at=at(3), until_wall=WALL + 5e5 - hold - 1, reason="ended long ago"),
        now=at(5e5),
    )
    assert [found.id for found in past.standing_violations] == ["split_order-1", "no_winner-3"]
    assert [one.what for one in past.acknowledgements] == ["no_winner-3", "split_order"]


def test_of_a_flood_of_violations_the_newest_come_back(tmp_path: Path) -> None:
    flood = [violation(n, Violation.SPLIT_ORDER, seen=n / 10) for n in range(MOST_OF_A_KIND + 7)]
    past = restored(tmp_path, violation(1), *flood, now=at(1_000))
    assert [found.id for found in past.standing_violations] == ["lost_message-1", *(f.id for f in flood[7:])]


def test_marks_and_state_come_back(tmp_path: Path) -> None:
    past = restored(
        tmp_path,
        mark(1),
        mark(2),
        Cleaned(kind="orders", id="order-1"),
        State(key="paused", value={"until": 5.0}),
        State(key="paused", value=None),
        State(key="leases", value=[1, "two"]),
        now=at(10),
    )
    assert past.marks == (mark(2),)
    assert past.state == {"paused": None, "leases": [1, "two"]}


def test_a_row_nobody_understands_costs_no_other(tmp_path: Path) -> None:
    file = journal_file(tmp_path)
    commit(file, outage(1), outage(2), race(1), State(key="good", value=1))
    file.ask(lambda connection: connection.execute("UPDATE outages SET cause = 'gremlins' WHERE id = 'outage-1'"))
    file.ask(lambda connection: connection.execute("UPDATE races SET outcome = 'a draw'"))
    file.ask(lambda connection: connection.execute("INSERT INTO state VALUES ('bad', 'no json')"))
    file.close()
    past = restored(tmp_path, now=at(10))
    assert past.open_outages == (outage(2),)
    assert past.races == ()
    assert past.state == {"good": 1}
    assert past.not_understood == 3
