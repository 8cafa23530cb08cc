"""How long what is kept: by age, by size, in small slices, and never what is still open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prober.event import ViolationFound
from prober.outcome import RaceOutcome, Settlement, Violation
from prober.publish.journal.entries import Acknowledgement, Forgotten
from prober.publish.journal.file import JournalFile
from prober.publish.journal.retention import Keep, Retained, bytes_used, retain
from tests.publish.journal_samples import (
    WALL,
    at,
    awaited,
    commit,
    journal_file,
    outage,
    race,
    redis_result,
    settled,
    violation,
)

DAY = 86_400.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    file = journal_file(tmp_path)
    yield file
    file.close()


def slices(file: JournalFile, keep: Keep, now_wall: float) -> list[Retained]:
    """Run retention to its end; return what each slice said, as it was then."""
    return file.ask(
        lambda connection: [
            replace(done, removed=dict(done.removed)) for done in retain(connection, keep, now_wall)
        ]
    )


def ids(file: JournalFile, table: str, column: str = "id") -> list[str]:
    found = file.ask(lambda c: c.execute(f"SELECT {column} FROM {table} ORDER BY seq").fetchall())
    return [str(row[0]) for row in found]


def forget(n: int) -> Forgotten:
    return Forgotten(message_sid=awaited(n).message_sid)


def test_by_age_each_kind_has_its_own_time(file: JournalFile) -> None:
    commit(
        file,
        redis_result(0),
        redis_result(40 * 86_400),
        outage(1, began=0.0, ended=1.0),
        outage(2, began=390 * DAY, ended=390 * DAY + 1),
        violation(1, seen=0.0),
        violation(2, seen=390 * DAY),
        race(1, RaceOutcome.SPLIT_ORDER),
        race(2),
    )
    (*_, done) = slices(file, Keep(results=30 * DAY, races=90 * DAY, incidents=400 * DAY), WALL + 41 * DAY)
    # the results of both races are results like any other
    assert done.removed == {"results": 3}
    (*_, done) = slices(file, Keep(incidents=400 * DAY), WALL + 401 * DAY)
    assert ids(file, "outages") == ["outage-2"]
    assert ids(file, "violations") == ["lost_message-2"]
    # the newest races are kept: the window of the win rate is made of them
    assert ids(file, "races") == ["race-2"]
    assert done.removed == {"results": 1, "outages": 1, "violations": 1, "evidence": 1}


def test_what_is_open_is_kept_whatever_the_limits_say(file: JournalFile) -> None:
    commit(
        file,
        outage(1, began=0.0),
        outage(2, began=0.0, ended=1.0),
        awaited(1),
        awaited(2),
        settled(2, Settlement.DONE),
        awaited(3),
        settled(3, Settlement.DONE),
        forget(3),
        violation(1, seen=1e6),
        violation(2, seen=1e6 - 5 * 3600),
    )
    slices(file, Keep(results=0, races=0, incidents=0, max_bytes=1), WALL + 1e6 + 3600)
    assert ids(file, "outages") == ["outage-1"]
    assert ids(file, "webhooks", "run_id") == ["run-1", "run-2"]
    assert ids(file, "violations") == ["lost_message-1"]


def test_what_is_acknowledged_is_kept_until_it_has_paged_once_more(file: JournalFile) -> None:
    keep = Keep(results=0, races=0, incidents=0, max_bytes=1, violation_hold=100)
    commit(
        file,
        race(1, RaceOutcome.SPLIT_ORDER),
        ViolationFound(id="split_order-race-1", kind=Violation.SPLIT_ORDER, at=at(1), sentence="two winners"),
        violation(2),
        violation(3),
        race(4, RaceOutcome.NO_WINNER),
        Acknowledgement(what="split_order-race-1", at=at(5), until_wall=WALL + 500, reason="known"),
        Acknowledgement(what="lost_message-3", at=at(5), until_wall=WALL + 400, reason="known"),
    )
    slices(file, keep, WALL + 550)
    assert ids(file, "violations") == ["split_order-race-1"]
    assert ids(file, "races") == ["race-1"]
    slices(file, keep, WALL + 601)
    assert ids(file, "violations") == []


def test_by_size_results_go_first_then_races_then_incidents(file: JournalFile) -> None:
    commit(file, *(redis_result(n) for n in range(3_000)), *(race(n) for n in range(1_200)))
    commit(file, *(outage(n, began=n, ended=n + 1) for n in range(300)))
    size = file.ask(bytes_used)
    (*_, done) = slices(file, Keep(max_bytes=int(size * 0.8)), WALL)
    assert set(done.removed) == {"results"}
    assert done.within_size
    (*_, done) = slices(file, Keep(max_bytes=size // 3), WALL)
    assert done.removed["races"] == 200  # all but the window
    assert "outages" in done.removed
    assert not done.within_size
    assert len(ids(file, "races")) == 1_000


def test_the_oldest_of_a_kind_go_first_and_the_file_shrinks(file: JournalFile) -> None:
    commit(file, *(redis_result(n) for n in range(5_000)))
    file.ask(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    before, size = file.path.stat().st_size, file.ask(bytes_used)
    (*_, done) = slices(file, Keep(max_bytes=size // 2), WALL)
    file.ask(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    left = ids(file, "results", "run_id")
    assert left == [f"run-{n}" for n in range(5_000 - len(left), 5_000)]
    assert done.bytes <= size // 2
    assert file.path.stat().st_size < before * 0.6


def test_each_slice_is_small(file: JournalFile) -> None:
    commit(file, *(redis_result(n) for n in range(2_000)))
    said = slices(file, Keep(results=0), WALL + 1e6)
    removed = [done.removed.get("results", 0) for done in said]
    assert removed[-1] == 2_000
    assert max(b - a for a, b in zip([0, *removed], removed, strict=False)) <= 250


def test_totals_outlive_the_rows(file: JournalFile) -> None:
    commit(file, *(violation(n, seen=0.0) for n in range(10)))
    slices(file, Keep(incidents=DAY), WALL + 10 * DAY)
    assert ids(file, "violations") == []
    assert file.ask(lambda c: c.execute("SELECT total FROM tallies").fetchall()) == [(10,)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ended=st.lists(st.none() | st.floats(0, 1e6), max_size=30),
    seen=st.lists(st.floats(0, 1e6), max_size=30),
    now=st.floats(0, 2e6),
    keep=st.builds(
        Keep, results=st.floats(0, 1e6), incidents=st.floats(0, 1e6), max_bytes=st.integers(0, 200_000)
    ),
)
def test_nothing_open_ever_goes(
    tmp_path_factory: pytest.TempPathFactory,
    ended: list[float | None],
    seen: list[float],
    now: float,
    keep: Keep,
) -> None:
    file = journal_file(tmp_path_factory.mktemp("journal"))
    try:
        outages = [outage(n, 0.0, end) for n, end in enumerate(ended)]
        commit(file, *outages, *(violation(n, seen=mono) for n, mono in enumerate(seen)))
        slices(file, keep, WALL + now)
        left = set(ids(file, "outages"))
        assert {one.id for one in outages if one.ended is None} <= left
        open_ = {f"lost_message-{n}" for n, mono in enumerate(seen) if mono >= now - keep.violation_hold}
        assert open_ <= set(ids(file, "violations"))
    finally:
        file.close()
