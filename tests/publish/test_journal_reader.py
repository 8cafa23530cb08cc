"""Reading beside the writer: pages newest first, single facts, and a large journal in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from prober.outcome import Outcome, RaceOutcome, Settlement, Violation
from prober.publish.journal.entries import Acknowledgement, State
from prober.publish.journal.file import JournalError, JournalFile
from prober.publish.journal.reader import Reader, UnreadableError
from tests.publish.journal_samples import (
    WALL,
    at,
    awaited,
    commit,
    journal_file,
    mark,
    one_of_each,
    outage,
    race,
    redis_result,
    settled,
    violation,
    webhook_result,
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    file = journal_file(tmp_path)
    yield file
    file.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def test_no_journal_is_said_so_and_found_once_it_is_there(file: JournalFile, reader: Reader) -> None:
    with pytest.raises(UnreadableError, match="does not exist"):
        reader.results()
    commit(file, redis_result(1))
    assert len(reader.results()) == 1


def test_a_damaged_journal_is_said_so_and_the_new_one_is_found(file: JournalFile, reader: Reader) -> None:
    file.path.write_bytes(b"no database" * 1_000)
    with pytest.raises(UnreadableError, match="cannot be read: file is not a database"):
        reader.counts()
    with pytest.raises(JournalError) as caught:
        commit(file, violation(1))
    file.set_aside(caught.value)
    commit(file, violation(2))
    assert reader.counts().violations == {"lost_message": 1}


def test_a_file_set_aside_under_way_is_no_longer_read(file: JournalFile, reader: Reader) -> None:
    commit(file, redis_result(1))
    assert len(reader.results()) == 1
    file.set_aside(JournalError("corrupt", "said the test"))
    commit(file, redis_result(2))
    assert [result.run_id for result in reader.results()] == ["run-2"]


def test_a_journal_of_another_version_is_not_guessed_at(file: JournalFile, reader: Reader) -> None:
    commit(file, violation(1))
    file.ask(lambda connection: connection.execute("PRAGMA user_version = 77"))
    with pytest.raises(UnreadableError, match="version 77"):
        reader.violations()


def test_the_reader_cannot_write(file: JournalFile, reader: Reader) -> None:
    commit(file, violation(1))
    assert reader.counts().marks == 0
    with pytest.raises(UnreadableError, match="readonly"):
        reader._rows("DELETE FROM violations", ())


def test_it_reads_a_journal_that_nobody_has_open(file: JournalFile, reader: Reader) -> None:
    commit(file, redis_result(1))
    file.close()
    assert len(reader.results()) == 1
    assert file.path.stat().st_mode & 0o077 == 0


def test_results_come_newest_first_in_pages(file: JournalFile, reader: Reader) -> None:
    commit(file, *(redis_result(n) for n in range(25)), webhook_result(100))
    pages, before = [], None
    while page := reader.results("redis", limit=10, before=before):
        pages.append([result.run_id for result in page])
        before = page[-1].seq
    assert [len(page) for page in pages] == [10, 10, 5]
    assert list(chain.from_iterable(pages)) == [f"run-{n}" for n in reversed(range(25))]
    newest = reader.results(limit=1)[0]
    assert (newest.probe, newest.specifics["code"]) == ("webhook", 200)
    latest = reader.latest("redis")
    assert latest is not None
    assert latest.started_wall == at(24).wall
    assert latest.specifics["backlog"] == {"order-expiry": 0, "vendor-fallback": 3}
    assert reader.latest("health") is None


def test_outages_and_violations_come_in_pages(file: JournalFile, reader: Reader) -> None:
    commit(file, *(outage(n, began=n, ended=n + 0.5) for n in range(5)), outage(9, began=9.0))
    commit(file, *(violation(n, Violation.SPLIT_ORDER) for n in range(3)), violation(7))
    first = reader.outages(limit=2)
    assert [one.id for one in first] == ["outage-9", "outage-4"]
    assert [one.id for one in reader.outages("database", limit=2, before=first[-1].seq)] == [
        "outage-3",
        "outage-2",
    ]
    assert reader.outages("redis") == ()
    assert [one.id for one in reader.open_outages()] == ["outage-9"]
    ended = reader.outage("outage-4")
    assert ended is not None
    assert (ended.duration, ended.cause) == (0.5, "refused")
    assert [one.id for one in reader.violations(limit=2)] == ["lost_message-7", "split_order-2"]
    assert len(reader.violations("split_order")) == 3
    assert len(reader.recent_violations(at(2).wall)) == 2


def test_acknowledgements_are_found_by_what_they_are_of(file: JournalFile, reader: Reader) -> None:
    commit(
        file,
        violation(2, Violation.SPLIT_ORDER),
        Acknowledgement(what="split_order", at=at(5), until_wall=WALL + 100, reason="the whole kind"),
        Acknowledgement(what="split_order-2", at=at(6), until_wall=WALL + 50, reason="this one"),
        Acknowledgement(what="split_order-2", at=at(7), until_wall=WALL + 60, reason="once more"),
    )
    found = reader.acknowledgements("split_order-2", "split_order", "lost_message")
    assert [(one.at_wall, one.until_wall, one.reason) for one in found] == [
        (WALL + 7, WALL + 60, "once more"),
        (WALL + 5, WALL + 100, "the whole kind"),
    ]
    assert reader.acknowledgements("lost_message") == ()


def test_races_are_lists_without_and_single_ones_with_their_evidence(file: JournalFile, reader: Reader) -> None:
    commit(file, race(1), race(2, RaceOutcome.MULTIPLE_WINNERS))
    newest, oldest = reader.races()
    assert (newest.outcome, newest.violation, newest.evidence) == ("multiple_winners", True, None)
    assert (oldest.outcome, oldest.violation) == ("one_winner", False)
    found = reader.race("race-2")
    assert found is not None
    assert found.evidence is not None
    assert found.evidence["sentence"] == "race 2 ended with multiple_winners"
    assert reader.race("routing-2") == found
    assert reader.race("race-3") is None


def test_a_webhook_is_found_by_its_message_and_by_its_run(file: JournalFile, reader: Reader) -> None:
    commit(file, awaited(1), awaited(1, accepted=1.5), settled(1, Settlement.DONE), webhook_result(2))
    found = reader.webhook("run-1")
    assert found is not None
    assert (found.settlement, found.accepted_wall, found.followed) == ("done", at(1.5).wall, True)
    assert reader.webhook(found.message_sid) == found
    assert reader.webhook("run-2") is None
    assert reader.followed_webhooks() == (found,)
    seen = reader.result_of_webhook("run-2")
    assert seen is not None
    assert seen.outcome == Outcome.OK


def test_counts_and_state(file: JournalFile, reader: Reader) -> None:
    commit(file, *one_of_each(), mark(10), settled(11, Settlement.LOST), State(key="leader", value=[True]))
    counts = reader.counts()
    assert counts.violations == {"lost_message": 1}
    assert counts.settlements == {"done": 1, "lost": 1}
    assert counts.marks == 2
    assert reader.state("leader") == [True]
    assert reader.state("nothing") is None


QUESTIONS: tuple[Callable[[Reader], object], ...] = (
    lambda reader: reader.results(limit=100),
    lambda reader: reader.results("database", limit=100),
    lambda reader: reader.results("database", limit=100, before=50_000),
    lambda reader: reader.latest("health"),
    lambda reader: reader.outages(limit=100),
    lambda reader: reader.outages("redis", limit=100),
    lambda reader: reader.open_outages(),
    lambda reader: reader.outage("outage-77"),
    lambda reader: reader.violations(limit=100),
    lambda reader: reader.recent_violations(9_990.0),
    lambda reader: reader.violation("violation-9999"),
    lambda reader: reader.acknowledgements("violation-9999", "split_order"),
    lambda reader: reader.races(limit=100),
    lambda reader: reader.race("race-77"),
    lambda reader: reader.webhook("run-77"),
    lambda reader: reader.result_of_webhook("run-77"),
    lambda reader: reader.counts(),
)

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
LARGE = (
    f"""{NUMBERS.format(100_000)} INSERT INTO results SELECT NULL,
    CASE WHEN i % 500 = 0 THEN 'webhook' WHEN i % 2 THEN 'redis' ELSE 'database' END, 'run-' || i, i, 0.01,
    'ok', '', '{{"operations":{{"ping":0.0001}},"info":null,"backlog":null}}' FROM n""",
    f"""{NUMBERS.format(10_000)} INSERT INTO outages SELECT NULL, 'outage-' || i, 'database', i, i, 'b',
    'refused', 'nobody listens', i + 1, i + 1, 1, 0.02, 3 FROM n""",
    f"""{NUMBERS.format(10_000)} INSERT INTO violations SELECT NULL, 'violation-' || i, 'split_order', i, i,
    'two winners' FROM n""",
    f"""{NUMBERS.format(10_000)} INSERT INTO races SELECT NULL, 'race-' || i, i, 'one_winner', 0, 'one', 'r-' || i,
    'o-' || i, 0.1, '{{"answers":"{"x" * 3_000}"}}', NULL FROM n""",
    f"""{NUMBERS.format(20_000)} INSERT INTO webhooks (message_sid, run_id, settlement, settled_wall)
    SELECT 'SM' || i, 'run-' || i, 'done', i FROM n""",
)


def test_a_large_journal_answers_every_question_quickly(file: JournalFile, reader: Reader) -> None:
    commit(file, mark(1))
    for sql in LARGE:
        file.ask(lambda connection, sql=sql: connection.execute(sql))  # type: ignore[misc]
    for number, question in enumerate(QUESTIONS):
        began = time.perf_counter()
        question(reader)
        # Each takes about a millisecond; a missing index would show as many times this, even on a busy machine.
        assert time.perf_counter() - began < 1.0, f"question {number}"
