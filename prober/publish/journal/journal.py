"""The journal as the event loop sees it: `record` and `write_now`, neither of which waits for SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from prober.clock import Instant
from prober.event import JournalFailed
from prober.publish.journal.backlog import Backlog, Write
from prober.publish.journal.encoding import Redact, as_is
from prober.publish.journal.entries import Acknowledgement, Durability, Entry, JournalNews, is_expendable
from prober.publish.journal.file import JournalError, JournalFile
from prober.publish.journal.restore import (
    Restored,
    read_acknowledgements,
    read_boot_id,
    read_known,
    restore,
)
from prober.publish.journal.retention import Keep, Retained
from prober.publish.journal.statements import Encoder
from prober.publish.journal.writer import Answers, Writer


class Journal:
    """Results, outages, races, webhooks, violations and marks, on the disk of this machine.

    `report` is called in the event loop with every failure (JournalFailed) and when it is over
    (JournalRecovered); nothing here ever raises for what the disk does. `redact` is applied to every text
    before it is stored, in the writer thread. Intervals in seconds.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        report: Callable[[JournalNews], None],
        redact: Redact = as_is,
        keep: Keep | None = None,
        boot_id: str | None = None,
        flush_interval: float = 1.0,
        retry_interval: float = 1.0,
    ) -> None:
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        self._keep = keep or Keep()
        self._report = report
        self._loop: asyncio.AbstractEventLoop | None = None
        self._backlog = Backlog()
        self._closed = False
        self._writer = Writer(
            JournalFile(data_dir, Encoder(self._boot_id, redact)),
            self._backlog,
            self._keep,
            flush_interval=flush_interval,
            retry_interval=retry_interval,
            announce=lambda news: self._in_loop(lambda: report(news)),
            answer=self._answer,
        )

    def start(self) -> None:
        """Begin writing. To be called in the event loop that the other methods are called in."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def record(self, entry: Entry) -> None:
        """Write it within the flush interval; returns at once.

        When the disk cannot keep up the oldest results are dropped and counted, and never what matters more.
        """
        if self._closed:
            return
        if is_expendable(entry):
            self._backlog.put_result(entry)
        else:
            self._backlog.put_write(Write((entry,)))

    async def write_now(self, *entries: Entry, timeout: float = 2.0) -> Durability:
        """Write them together and return when they are on the disk, or say that they are not.

        KEPT: the disk refuses or is slow (`timeout`, seconds); they stay in memory and are tried again.
        """
        if self._closed or self._loop is None:
            return Durability.REFUSED
        waiter: asyncio.Future[Durability] = self._loop.create_future()
        self._backlog.put_write(Write(entries, waiter))
        self._writer.wake()
        await asyncio.wait((waiter,), timeout=timeout)
        if not waiter.done():
            waiter.cancel()
            return Durability.KEPT
        return waiter.result()

    async def restore(self, now: Instant, *, recovery_hold: float = 600.0, win_rate_window: int = 100) -> Restored:
        """Read the past back; an empty one if it cannot be read, which is reported, or when not open."""
        if self._closed or self._loop is None:
            return Restored()
        question = partial(
            restore,
            now=now,
            boot_id=self._boot_id,
            recovery_hold=recovery_hold,
            win_rate_window=win_rate_window,
            violation_hold=self._keep.violation_hold,
        )
        try:
            restored = await asyncio.wrap_future(self._writer.ask(question))
        except JournalError:  # reported by the writer
            return Restored()
        if restored.not_understood:
            detail = f"{restored.not_understood} rows of the journal cannot be understood and are left out"
            self._report(JournalFailed(reason="schema", detail=detail))
        return restored

    async def acknowledgements(self, now: Instant) -> tuple[Acknowledgement, ...] | None:
        """Read what has been acknowledged, also by other processes: what is in force, or ended within the hold.

        None if it cannot be read, which is reported, or when not open. While writing fails nothing is asked: each
        further failure would put off the next try to write.
        """
        if self._closed or self._loop is None or self._writer.failing:
            return None
        question = partial(read_acknowledgements, now=now, violation_hold=self._keep.violation_hold)
        try:
            return await asyncio.wrap_future(self._writer.ask(question))
        except JournalError:  # reported by the writer
            return None

    async def known_violations(self, ids: Sequence[str]) -> frozenset[str]:
        """Say which of these violations are written down already; none where that cannot be read."""
        if self._closed or self._loop is None or not ids:
            return frozenset()
        try:
            return await asyncio.wrap_future(self._writer.ask(partial(read_known, violations=ids)))
        except JournalError:  # reported by the writer
            return frozenset()

    async def retain(self, now_wall: float) -> Retained | None:
        """Remove what is too old or too much, in slices between the writes; None if it could not be done."""
        if self._closed or self._loop is None:
            return None
        try:
            return await asyncio.wrap_future(self._writer.retain(now_wall))
        except JournalError:
            return None

    def keep(self, keep: Keep) -> None:
        """Keep by other limits from now on."""
        self._keep = keep
        self._writer.keep(keep)

    async def close(self, timeout: float = 5.0) -> int:
        """Write what waits, close the file, and return how many entries could not be written.

        After `timeout` seconds it gives up on a disk that hangs; the thread does not keep the process alive.
        """
        if self._closed or self._loop is None:
            self._closed = True
            return 0
        self._closed = True
        self._writer.stop()
        finished = asyncio.wrap_future(self._writer.finished)
        await asyncio.wait((finished,), timeout=timeout)
        return finished.result() if finished.done() else len(self._backlog)

    def _in_loop(self, call: Callable[[], None]) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop has been closed: nobody listens any more
            return

    def _answer(self, answers: Answers) -> None:
        if answers:
            self._in_loop(partial(_answer, answers))


def _answer(answers: Answers) -> None:
    for waiter, durability in answers:
        if not waiter.done():
            waiter.set_result(durability)
