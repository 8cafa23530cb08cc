"""The journal as the loop sees it: durable when it says so, and never in the way."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from prober.publish.journal.entries import Acknowledgement, Durability, JournalNews, State
from prober.publish.journal.journal import Journal
from prober.publish.journal.reader import Reader
from prober.publish.journal.restore import Restored
from prober.publish.journal.retention import Keep
from tests.publish.journal_samples import (
    ENVIRONMENT,
    WALL,
    at,
    commit,
    eventually,
    journal,
    journal_file,
    mark,
    one_of_each,
    outage,
    race,
    redis_result,
    stored,
)


def all_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


async def test_what_is_written_now_is_there_at_once(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    async with journal(tmp_path, news) as book:
        assert await book.write_now(mark(1), mark(2), timeout=30) is Durability.DURABLE
        assert stored(tmp_path, "marks") == 2
    assert news == []


async def test_what_is_recorded_is_there_soon(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        for entry in one_of_each():
            book.record(entry)
        reader = Reader(tmp_path)
        await book.write_now(State(key="the file", value="exists"), timeout=30)
        await eventually(lambda: len(reader.results()) == 3, "the results never came")
        reader.close()


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    book = Journal(tmp_path, report=lambda news: None, flush_interval=600.0)
    book.start()
    for n in range(3_000):
        book.record(redis_result(n))
    book.record(outage(1))
    assert await book.close() == 0
    assert stored(tmp_path, "results") == 3_000
    assert stored(tmp_path, "outages") == 1


async def test_a_closed_journal_refuses_and_stays_quiet(tmp_path: Path) -> None:
    book = journal(tmp_path, [])
    assert await book.write_now(mark(1), timeout=30) is Durability.REFUSED
    book.start()
    assert await book.write_now(mark(2), timeout=30) is Durability.DURABLE
    await book.close()
    assert await book.write_now(mark(3), timeout=30) is Durability.REFUSED
    book.record(mark(4))
    assert await book.restore(at(0)) == Restored()
    assert await book.retain(WALL) is None
    assert await book.close() == 0
    assert stored(tmp_path, "marks") == 1


async def test_what_another_process_acknowledges_is_read(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    async with journal(tmp_path, news) as book:
        assert await book.acknowledgements(at(10)) == ()
        other = journal_file(tmp_path)
        mine = Acknowledgement(what="split_order", at=at(5), until_wall=WALL + 20, reason="known")
        commit(other, mine)
        other.close()
        assert await book.acknowledgements(at(10)) == (mine,)
        hold = Keep().violation_hold
        assert await book.acknowledgements(at(19 + hold)) == (mine,)
        assert await book.acknowledgements(at(20 + hold)) == ()
    assert await book.acknowledgements(at(10)) is None
    assert news == []


async def test_a_journal_that_fails_is_not_asked_for_acknowledgements(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    (tmp_path / "in the way").write_text("a file where a directory has to be")
    async with journal(tmp_path / "in the way", news) as book:
        assert await book.acknowledgements(at(1)) is None
        await eventually(lambda: bool(news), "the failure was never told")
        assert await book.acknowledgements(at(1)) is None
        assert len(news) == 1


async def test_many_at_once_are_all_durable(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        answers = await asyncio.gather(*(book.write_now(mark(n), timeout=20) for n in range(500)))
        assert set(answers) == {Durability.DURABLE}
        assert stored(tmp_path, "marks") == 500


async def test_a_caller_that_gives_up_loses_nothing(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        writing = asyncio.create_task(book.write_now(mark(1)))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await book.write_now(mark(2), timeout=30)
        assert stored(tmp_path, "marks") == 2


async def test_an_entry_that_cannot_be_stored_is_refused_and_reported(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    async with journal(tmp_path, news) as book:
        assert await book.write_now(State(key="odd", value=object()), timeout=30) is Durability.REFUSED
        assert await book.write_now(mark(1), timeout=30) is Durability.DURABLE
    assert [one.detail for one in news] == ["cannot be stored and is left out: State"]


async def test_a_restart_finds_everything_again(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        await book.write_now(*one_of_each(), timeout=30)
    async with journal(tmp_path, []) as book:
        past = await book.restore(at(100))
    assert past.open_outages == (outage(4),)
    assert past.marks == (mark(9),)
    assert past.races == (race(3).race_outcome,)
    assert past.state == {"paused_until": {"wall": 12.5, "why": ["a", None]}}


async def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    def redact(text: str) -> str:
        return text.replace("hunter2", "***").replace("nobody listens", "***")

    async with journal(tmp_path, [], redact) as book:
        book.record(outage(1))
        book.record(State(key="k", value=["hunter2"]))
        assert await book.write_now(State(key="hunter2", value=1), timeout=30) is Durability.DURABLE
        everything = all_bytes(tmp_path)
        assert b"hunter2" not in everything
        assert b"nobody listens" not in everything
        assert b"***" in everything


async def test_a_redaction_that_fails_writes_nothing_unredacted(tmp_path: Path) -> None:
    def redact(text: str) -> str:
        raise RuntimeError("no list of secrets")

    async with journal(tmp_path, [], redact) as book:
        assert await book.write_now(mark(1), timeout=30) is Durability.REFUSED


async def test_retention_runs_beside_the_writing(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        for n in range(2_000):
            book.record(redis_result(n))
        await book.write_now(outage(1), timeout=30)
        retaining = asyncio.create_task(book.retain(WALL + 30 * 86_400 + 1_000))
        answers = [await book.write_now(mark(n), timeout=30) for n in range(20)]
        done = await retaining
        assert set(answers) == {Durability.DURABLE}
        assert done is not None
        assert done.removed == {"results": 1_000}
        assert stored(tmp_path, "results") == 1_000
        assert stored(tmp_path, "outages") == 1


async def test_a_journal_that_is_too_large_is_trimmed_without_being_asked(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        for n in range(4_000):
            book.record(redis_result(n))
        await book.write_now(mark(1), timeout=30)
    keep = Keep(results=1e10, max_bytes=500_000)
    async with Journal(tmp_path, report=lambda news: None, keep=keep, flush_interval=0.05) as book:
        await eventually(lambda: stored(tmp_path, "results") < 3_000, "it was never trimmed")
        assert (await book.restore(at(10))).marks == (mark(1),)


async def test_a_command_may_write_beside_the_daemon(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as daemon, journal(tmp_path, []) as command:
        for n in range(0, 60, 3):
            await asyncio.gather(
                daemon.write_now(mark(n)), command.write_now(mark(n + 1)), daemon.write_now(mark(n + 2))
            )
        # One that found the file locked for too long tries again by itself.
        await eventually(lambda: stored(tmp_path, "marks") == 60, "a write got lost")


@pytest.mark.parametrize("module", ["prober.publish.journal", "prober.publish.journal.reader"])
def test_the_journal_needs_only_what_comes_with_python(module: str) -> None:
    heavy = "{'aiohttp', 'apscheduler', 'asyncpg', 'prometheus_client', 'pydantic', 'redis', 'structlog', 'yaml'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
