"""Who counts violations: told at once, by the clock, by other processes, and with a journal that is broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from prober.clock import now
from prober.daemon.violations import ViolationWatch
from prober.event import Event, ViolationFound, ViolationsStand
from prober.outcome import Standing, Violation
from prober.publish.journal.entries import Acknowledgement, JournalNews
from prober.publish.journal.journal import Journal
from tests.publish.journal_samples import commit, eventually, journal, journal_file

SPLIT = Violation.SPLIT_ORDER
HOLD = 3600.0


def found(n: int, ago: float = 0.0) -> ViolationFound:
    at = now()
    return ViolationFound(id=f"split_order-{n}", kind=SPLIT, at=at.later(at.mono - ago), sentence="two winners")


def acknowledged(what: str, seconds: float) -> Acknowledgement:
    at = now()
    return Acknowledgement(what=what, at=at, until_wall=at.wall + seconds, reason="ticket 7")


class Told:
    """What was published."""

    def __init__(self) -> None:
        self.stands: list[ViolationsStand] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, ViolationsStand)
        self.stands.append(event)

    def last(self) -> tuple[int, int]:
        """How many split orders are open and known."""
        return self.stands[-1].open.get(SPLIT, 0), self.stands[-1].known.get(SPLIT, 0)


@asynccontextmanager
async def watching(book: Journal, told: Told, hold: float = HOLD) -> AsyncIterator[ViolationWatch]:
    restored = await book.restore(now())
    watch = ViolationWatch(restored, hold=hold, read=book.acknowledgements, publish=told)
    watch.tell()
    task = asyncio.create_task(watch.forever())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def becomes(told: Told, wanted: tuple[int, int]) -> None:
    await eventually(lambda: told.last() == wanted, f"expected {wanted}, got {told.last()}")


async def test_what_the_journal_kept_is_told_at_the_start(tmp_path: Path) -> None:
    file = journal_file(tmp_path)
    commit(file, found(1), found(2), found(3, ago=2 * 86_400), acknowledged("split_order-2", 600))
    file.close()
    told = Told()
    async with journal(tmp_path, []) as book, watching(book, told):
        assert told.last() == (1, 1)
        assert {one.found.id: one.standing for one in told.stands[-1].newest} == {
            "split_order-1": Standing.OPEN,
            "split_order-2": Standing.KNOWN,
        }


async def test_an_acknowledgement_of_another_process_is_noticed_and_ends(tmp_path: Path) -> None:
    told = Told()
    async with journal(tmp_path, []) as book, watching(book, told) as watch:
        await book.write_now(found(1), timeout=30)
        watch.found(found(1))
        assert told.last() == (1, 0)
        other = journal_file(tmp_path)
        commit(other, acknowledged(SPLIT, 3.0))
        other.close()
        await becomes(told, (0, 1))
        until = told.stands[-1].newest[0].until_wall
        await becomes(told, (1, 0))
        assert time.time() >= until
        # Each change was told, and nothing else: at the start, found, known, open again.
        assert len(told.stands) == 4


async def test_it_is_over_when_the_hold_has_passed(tmp_path: Path) -> None:
    told = Told()
    async with journal(tmp_path, []) as book, watching(book, told, hold=1.5) as watch:
        watch.found(found(1))
        assert told.last() == (1, 0)
        await becomes(told, (0, 0))


async def test_with_a_broken_journal_what_is_found_counts_from_memory(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("a file where a directory has to be")
    news: list[JournalNews] = []
    told = Told()
    async with journal(tmp_path / "in the way", news) as book, watching(book, told) as watch:
        assert told.last() == (0, 0)
        watch.found(found(1))
        watch.found(found(2))
        assert told.last() == (2, 0)
        reported: Callable[[], bool] = lambda: len(news) >= 1  # noqa: E731
        await eventually(reported, "the failure was never told")
