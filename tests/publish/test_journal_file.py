"""The file: private, migrated, set aside when damaged, and clear about what is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.outcome import RaceOutcome, Settlement, Violation
from prober.publish.journal import schema
from prober.publish.journal.backlog import Write
from prober.publish.journal.file import JournalError, JournalFile
from tests.publish.journal_samples import (
    commit,
    journal_file,
    mark,
    one_of_each,
    outage,
    race,
    redis_result,
    settled,
    violation,
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    file = journal_file(tmp_path / "data")
    yield file
    file.close()


def rows(file: JournalFile, sql: str) -> list[tuple[object, ...]]:
    return file.ask(lambda connection: connection.execute(sql).fetchall())


def count(file: JournalFile, table: str) -> int:
    ((number,),) = rows(file, f"SELECT count(*) FROM {table}")
    return int(str(number))


def set_aside(file: JournalFile) -> list[str]:
    return sorted(
        path.name
        for path in file.path.parent.iterdir()
        if path.name.startswith(f"{schema.FILE_NAME}.") and path.name.endswith("Z")
    )


def scribble(file: JournalFile, table: str) -> None:
    """Overwrite the page that a table begins with, as a bad disk would, while nobody has the file open."""
    ((page,),) = rows(file, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")
    ((size,),) = rows(file, "PRAGMA page_size")
    file.close()
    with file.path.open("r+b") as raw:
        raw.seek((int(str(page)) - 1) * int(str(size)))
        raw.write(b"\xa5" * int(str(size)))


def test_every_kind_of_entry_has_a_place(file: JournalFile) -> None:
    commit(file, *one_of_each())
    for table in ("races", "outages", "webhooks", "violations", "acknowledgements", "restarts", "marks", "state"):
        assert count(file, table) == 1, table
    assert count(file, "results") == 3  # the race is a result too


def test_nobody_else_can_read_it(file: JournalFile) -> None:
    commit(file, violation(1))
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.path.parent.iterdir()}
    assert modes == {schema.FILE_NAME + end: 0o600 for end in ("", "-wal", "-shm")}


def test_a_file_that_others_can_read_is_closed_to_them(file: JournalFile) -> None:
    commit(file, violation(1))
    file.close()
    file.path.chmod(0o644)
    commit(file, violation(2))
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("version", range(schema.VERSION))
def test_a_file_of_any_earlier_version_is_migrated(file: JournalFile, version: int) -> None:
    file.path.parent.mkdir()
    earlier = sqlite3.connect(file.path, isolation_level=None)
    schema.migrate(earlier, version)
    if version:
        earlier.execute("INSERT INTO violations VALUES (NULL, 'v1', 'lost_message', 1.0, 2.0, 'gone')")
        earlier.execute("INSERT INTO violations VALUES (NULL, 'v2', 'lost_message', 1.0, 3.0, 'gone')")
    earlier.close()
    commit(file, violation(3, Violation.LOST_MESSAGE, seen=4.0))
    assert rows(file, "PRAGMA user_version") == [(schema.VERSION,)]
    assert rows(file, "SELECT total FROM tallies WHERE name = 'violation/lost_message'") == [
        (3 if version else 1,)
    ]
    assert set_aside(file) == []


def test_a_migration_that_fails_leaves_the_file_as_it_was(file: JournalFile) -> None:
    file.path.parent.mkdir()
    earlier = sqlite3.connect(file.path, isolation_level=None)
    schema.migrate(earlier, 1)
    earlier.execute("CREATE TABLE tallies (in_the_way)")
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(earlier)
    assert schema.version_of(earlier) == 1
    assert not earlier.in_transaction
    earlier.close()


def test_a_file_of_a_newer_prober_is_named_and_set_aside_whole(file: JournalFile) -> None:
    commit(file, violation(1))
    file.ask(lambda connection: connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}"))
    file.close()
    with pytest.raises(JournalError, match="newer") as caught:
        commit(file, violation(2))
    assert caught.value.reason == "schema"
    assert caught.value.hopeless
    said = file.set_aside(caught.value)
    (aside,) = set_aside(file)
    assert aside in said
    assert aside.startswith("journal.sqlite.unknown-schema-")
    kept = sqlite3.connect(file.path.with_name(aside))
    assert kept.execute("SELECT id FROM violations").fetchall() == [("lost_message-1",)]
    kept.close()
    commit(file, violation(2))
    assert count(file, "violations") == 1


def test_somebody_elses_database_is_not_written_to(file: JournalFile) -> None:
    file.path.parent.mkdir()
    other = sqlite3.connect(file.path)
    other.execute("CREATE TABLE recipes (name)")
    other.close()
    with pytest.raises(JournalError, match="not a journal") as caught:
        commit(file, violation(1))
    assert caught.value.reason == "schema"


def test_garbage_instead_of_a_database_is_corrupt(file: JournalFile) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(b"this is no database at all\n" * 400)
    with pytest.raises(JournalError) as caught:
        commit(file, violation(1))
    assert caught.value.reason == "corrupt"
    file.set_aside(caught.value)
    commit(file, violation(1))
    (aside,) = set_aside(file)
    assert file.path.with_name(aside).read_bytes().startswith(b"this is no database")


def test_what_matters_is_carried_over_from_a_damaged_file(file: JournalFile) -> None:
    commit(file, *one_of_each(), race(50, RaceOutcome.SPLIT_ORDER), settled(70, Settlement.LOST))
    commit(file, violation(51), mark(52), outage(53), *(redis_result(n) for n in range(200)))
    tables = ("violations", "marks", "outages", "state", "acknowledgements")
    before = {table: rows(file, f"SELECT * FROM {table}") for table in (*tables, "tallies")}
    scribble(file, "results")
    with pytest.raises(JournalError) as caught:
        file.write([], [redis_result(900)], synced=False)
    assert caught.value.reason == "corrupt"
    file.set_aside(caught.value)
    assert {table: rows(file, f"SELECT * FROM {table}") for table in before} == before
    assert rows(file, "SELECT id FROM races") == [("race-50",)]
    assert count(file, "results") == 0
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_damage_among_what_matters_costs_only_that(file: JournalFile) -> None:
    commit(file, *(violation(n) for n in range(20)), *(mark(n) for n in range(20)))
    scribble(file, "marks")
    with pytest.raises(JournalError) as caught:
        commit(file, mark(100))
    file.set_aside(caught.value)
    assert count(file, "violations") == 20
    assert rows(file, "SELECT name, total FROM tallies") == [("violation/lost_message", 20)]
    assert count(file, "marks") == 0


def test_files_set_aside_do_not_fill_the_disk(file: JournalFile) -> None:
    for n in range(8):
        commit(file, violation(n))
        file.set_aside(JournalError("corrupt", "said the test"))
    assert len(set_aside(file)) == 5
    assert count(file, "violations") == 8


def test_a_full_file_is_named_and_works_again(file: JournalFile) -> None:
    commit(file, violation(1))
    ((pages,),) = rows(file, "PRAGMA page_count")
    rows(file, f"PRAGMA max_page_count = {pages}")
    many = [redis_result(n) for n in range(500)]
    with pytest.raises(JournalError) as caught:
        file.write([Write((violation(2),))], many, synced=True)
    assert caught.value.reason == "full"
    assert not caught.value.hopeless
    assert count(file, "violations") == 1  # all or nothing
    rows(file, "PRAGMA max_page_count = 100000")
    file.write([Write((violation(2),))], many, synced=True)
    assert count(file, "violations") == 2
    assert count(file, "results") == 500


def test_a_directory_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("a file")
    file = journal_file(tmp_path / "in-the-way")
    with pytest.raises(JournalError, match="directory is writable") as caught:
        commit(file, violation(1))
    assert caught.value.reason == "io"


def test_a_file_that_was_removed_is_begun_anew(file: JournalFile) -> None:
    commit(file, violation(1))
    for path in file.path.parent.iterdir():
        path.unlink()
    commit(file, violation(2))
    assert rows(file, "SELECT id FROM violations") == [("lost_message-2",)]
    assert file.path.exists()


def test_an_entry_that_cannot_be_stored_costs_only_what_was_written_with_it(file: JournalFile) -> None:
    impossible = Write((mark(1), outage(1, began=float("nan"))))
    refused = file.write([Write((mark(2),)), impossible, Write((mark(3),))], (), synced=True)
    assert refused == {1}
    assert rows(file, "SELECT id FROM marks ORDER BY id") == [("order-2",), ("order-3",)]


def test_totals_count_each_fact_once(file: JournalFile) -> None:
    for _ in range(3):
        commit(file, violation(1, seen=1.0), settled(1, Settlement.LOST))
    commit(file, settled(1, Settlement.LATE), settled(2, Settlement.DONE), violation(1, seen=9.0))
    assert rows(file, "SELECT name, total FROM tallies ORDER BY name") == [
        ("violation/lost_message", 1),
        ("webhook/done", 1),
        ("webhook/late", 1),
        ("webhook/lost", 1),
    ]
    assert rows(file, "SELECT last_wall - first_wall FROM violations") == [(8.0,)]
