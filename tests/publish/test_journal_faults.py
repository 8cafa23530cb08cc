"""The journal on disks that are full, read-only, damaged, locked or hanging: nothing open is lost."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from prober.event import JournalFailed
from prober.publish.journal.backlog import RESULTS_KEPT
from prober.publish.journal.entries import Durability, JournalNews, JournalRecovered
from prober.publish.journal.restore import Restored
from prober.publish.journal.schema import FILE_NAME
from tests.publish.journal_samples import (
    at,
    eventually,
    journal,
    mark,
    outage,
    redis_result,
    stored,
    violation,
)


def reasons(news: list[JournalNews]) -> set[str]:
    return {one.reason for one in news if isinstance(one, JournalFailed)}


def recovered(news: list[JournalNews]) -> bool:
    return any(isinstance(one, JournalRecovered) for one in news)


def set_aside(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name.endswith("Z")]


def remove_all(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with ballast.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
        while True:
            filling.write(bytes(4096))


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


async def test_a_damaged_file_is_set_aside_and_what_waits_is_written(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    (tmp_path / FILE_NAME).write_bytes(b"\x00garbage" * 1_000)
    async with journal(tmp_path, news) as book:
        assert await book.restore(at(0)) == Restored()
        assert await book.write_now(violation(1), timeout=30) is Durability.DURABLE
    (only,) = news
    assert isinstance(only, JournalFailed)
    assert only.reason == "corrupt"
    assert "set aside as journal.sqlite.corrupt-" in only.detail
    assert stored(tmp_path, "violations") == 1


async def test_a_file_damaged_under_way_is_set_aside_and_nothing_open_is_lost(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    async with journal(tmp_path, news) as book:
        await book.write_now(outage(1), violation(1), mark(1), timeout=30)
        for n in range(2_000):
            book.record(redis_result(n))
        await eventually(lambda: stored(tmp_path, "results") == 2_000, "the results never came")
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
            (page,) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'results'").fetchone()
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # A file descriptor closed here would release the locks that SQLite holds in this process: keep it.
        raw = (tmp_path / FILE_NAME).open("r+b")
        raw.seek((page - 1) * 4096)
        raw.write(b"\xa5" * 4096)
        raw.flush()
        book.record(redis_result(5_000))
        await eventually(lambda: "corrupt" in reasons(news), "the damage was never noticed")
        assert await book.write_now(mark(2), timeout=30) is Durability.DURABLE
        past = await book.restore(at(10))
        raw.close()
    assert past.open_outages == (outage(1),)
    assert past.marks == (mark(1), mark(2))
    assert list(past.violations.values()) == [1]
    assert stored(tmp_path, "results") == 1


async def test_a_newer_probers_journal_is_left_alone(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as newer:
        newer.execute("PRAGMA user_version = 999")
    async with journal(tmp_path, news) as book:
        assert await book.write_now(mark(1), timeout=30) is Durability.DURABLE
    assert reasons(news) == {"schema"}
    (aside,) = set_aside(tmp_path)
    assert "unknown-schema" in aside.name
    with closing(sqlite3.connect(aside)) as newer:
        assert newer.execute("PRAGMA user_version").fetchone() == (999,)


async def test_a_locked_file_costs_a_bounded_wait_and_nothing_else(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    async with journal(tmp_path, news) as book:
        await book.write_now(mark(1), timeout=30)
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(10):
                assert await book.write_now(mark(2), timeout=5) is Durability.KEPT
            other.execute("ROLLBACK")
        await eventually(lambda: recovered(news), "it never said that it works again")
        assert await book.write_now(mark(3), timeout=30) is Durability.DURABLE
    assert reasons(news) == {"io"}
    assert stored(tmp_path, "marks") == 3


async def test_results_that_cannot_be_written_are_bounded_and_counted(tmp_path: Path) -> None:
    news: list[JournalNews] = []
    (tmp_path / "blocked").write_text("a file where the directory should be")
    async with journal(tmp_path / "blocked", news) as book:
        assert await book.write_now(violation(1), timeout=30) is Durability.KEPT
        for n in range(RESULTS_KEPT + 700):
            book.record(redis_result(n))
        await eventually(lambda: "dropped" in reasons(news), "the loss was never counted")
        assert await book.restore(at(0)) == Restored()
        (tmp_path / "blocked").unlink()
        await eventually(lambda: recovered(news), "it never said that it works again")
        assert await book.write_now(mark(1), timeout=30) is Durability.DURABLE
    assert reasons(news) == {"io", "dropped"}
    assert stored(tmp_path / "blocked", "violations") == 1
    assert stored(tmp_path / "blocked", "results") == RESULTS_KEPT


async def test_a_disk_that_hangs_holds_up_neither_the_caller_nor_the_end(tmp_path: Path) -> None:
    hang = asyncio.Event()
    loop = asyncio.get_running_loop()

    def redact(text: str) -> str:
        # Runs in the writer thread: stands for a write that does not return.
        asyncio.run_coroutine_threadsafe(hang.wait(), loop).result(60)
        return text

    book = journal(tmp_path, [], redact)
    book.start()
    assert await book.write_now(mark(1), timeout=0.1) is Durability.KEPT
    book.record(mark(2))
    assert await book.close(timeout=0.1) >= 1
    hang.set()
    await eventually(lambda: stored(tmp_path, "marks") == 2, "the thread never finished")


async def test_a_file_removed_under_way_is_begun_anew(tmp_path: Path) -> None:
    async with journal(tmp_path, []) as book:
        await book.write_now(mark(1), timeout=30)
        remove_all(tmp_path)
        assert await book.write_now(mark(2), timeout=30) is Durability.DURABLE
        assert stored(tmp_path, "marks") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m,mode=0700", "prober-test", disk],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("only root may mount a small file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


async def test_a_full_disk_keeps_what_matters_until_there_is_room(small_disk: Path) -> None:
    news: list[JournalNews] = []
    async with journal(small_disk, news) as book:
        assert await book.write_now(mark(0), timeout=30) is Durability.DURABLE
        ballast = small_disk / "ballast"
        fill(ballast)
        written = 1
        while await book.write_now(violation(written), timeout=30) is Durability.DURABLE:
            written += 1
            assert written < 10_000
        book.record(outage(1))
        assert reasons(news) == {"full"}
        ballast.unlink()
        await eventually(lambda: recovered(news), "it never said that it works again")
        assert await book.write_now(mark(1), timeout=30) is Durability.DURABLE
        assert stored(small_disk, "violations") == written
        assert stored(small_disk, "outages") == 1


async def test_a_read_only_disk_keeps_what_matters_until_it_can_be_written(small_disk: Path) -> None:
    news: list[JournalNews] = []
    remount(small_disk, "ro")
    async with journal(small_disk, news) as book:
        assert await book.write_now(violation(1), timeout=30) is Durability.KEPT
        remount(small_disk, "rw")
        await eventually(lambda: recovered(news), "it never said that it works again")
        assert stored(small_disk, "violations") == 1
    assert reasons(news) == {"io"}
