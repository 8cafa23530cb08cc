"""Incidents out of two tables as one list: whole, in order, page by page, and by index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prober.outcome import ProbeName, RaceOutcome, Violation
from prober.publish.journal.file import JournalFile
from prober.publish.journal.incidents import IncidentsAsked, cursor_of
from prober.publish.journal.reader import Reader
from tests.publish.journal_samples import (
    WALL,
    at,
    commit,
    journal_file,
    outage,
    race,
    redis_result,
    violation,
    webhook_result,
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    file = journal_file(tmp_path)
    yield file
    file.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    outages=st.lists(st.integers(0, 5), max_size=8),
    violations=st.lists(st.integers(0, 5), max_size=8),
    limit=st.integers(1, 5),
)
def test_the_pages_are_the_whole_list_whatever_began_at_the_same_moment(
    outages: list[int], violations: list[int], limit: int
) -> None:
    with TemporaryDirectory() as folder:
        file, reader = journal_file(Path(folder)), Reader(Path(folder))
        found = [outage(n, float(began), began + 0.5) for n, began in enumerate(outages)]
        seen = [violation(n, seen=float(began)) for n, began in enumerate(violations)]
        commit(file, *found, *seen)
        whole = reader.incidents(IncidentsAsked())
        paged: list[str] = []
        before = None
        while page := reader.incidents(IncidentsAsked(limit=limit, before=before)):
            paged += [one.id for one in page]
            before = cursor_of(page[-1])
        reader.close()
        file.close()
    assert len(whole) == len(outages) + len(violations)
    assert paged == [one.id for one in whole]
    places = [cursor_of(one) for one in whole]
    assert places == sorted(places, reverse=True)


def test_filters(file: JournalFile, tmp_path: Path) -> None:
    commit(file, outage(1, 1.0, 2.0), violation(2), violation(3, Violation.SPLIT_ORDER), outage(4, 4.0))
    reader = Reader(tmp_path)

    def ids(**asked: object) -> list[str]:
        return [one.id for one in reader.incidents(IncidentsAsked(**asked))]  # type: ignore[arg-type]

    assert ids() == ["outage-4", "split_order-3", "lost_message-2", "outage-1"]
    assert ids(outages=False) == ["split_order-3", "lost_message-2"]
    assert ids(violations=False, probe="database") == ["outage-4", "outage-1"]
    assert ids(violations=False, probe="redis") == []
    assert ids(outages=False, kind="split_order") == ["split_order-3"]
    assert ids(since=WALL + 3.0) == ["outage-4", "split_order-3"]
    assert [one.id for one in reader.outages_since(WALL + 4.0)] == ["outage-4"]
    assert [one.id for one in reader.outages_since(WALL + 5.0)] == ["outage-4"], "it is under way"
    reader.close()


def test_races_of_one_outcome_and_how_long_good_runs_took(file: JournalFile, tmp_path: Path) -> None:
    commit(file, race(1), race(2, RaceOutcome.SPLIT_ORDER), redis_result(3), webhook_result(4))
    reader = Reader(tmp_path)
    assert [one.id for one in reader.races("split_order")] == ["race-2"]
    assert [one.id for one in reader.races()] == ["race-2", "race-1"]
    took = {probe: reader.latencies(probe, WALL, limit=10) for probe in ProbeName}
    assert [(one.at_wall, one.seconds, one.good) for one in took[ProbeName.REDIS]] == [(WALL + 3, 0.0005, True)]
    assert [one.seconds for one in took[ProbeName.RACE]] == [0.02, 0.02]
    assert [one.good for one in took[ProbeName.WEBHOOK]] == [True]
    assert reader.latencies(ProbeName.REDIS, at(3.1).wall, limit=10) == ()
    reader.close()


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (IncidentsAsked().outages_sql("*"), "outages_by_time"),
        (IncidentsAsked().violations_sql(), "violations_by_time"),
        (("SELECT id FROM races WHERE outcome = ? AND seq < ? ORDER BY seq DESC", ("x", 1)), "races_by_outcome"),
    ],
)
def test_a_page_is_found_by_an_index_and_never_sorted(
    file: JournalFile, asked: tuple[str, tuple[object, ...]], index: str
) -> None:
    sql, values = asked
    steps = file.ask(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
    plan = "; ".join(str(step[3]) for step in steps)
    assert f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
