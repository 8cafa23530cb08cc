"""The thread that owns the journal's file: writes in batches, retries what fails, tidies up in between."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import TypeVar

from prober.event import JournalFailed
from prober.publish.journal.backlog import WRITES_KEPT, Backlog, Write, shed
from prober.publish.journal.entries import Durability, JournalNews, JournalRecovered
from prober.publish.journal.file import JournalError, JournalFile
from prober.publish.journal.retention import Keep, Retained, bytes_used, retain

_CHUNK = 500  # entries a transaction: about 10 ms
_BREATH = 0.002  # seconds between two slices of retention, in which the loop and a write_now get their turn
_LONGEST_RETRY = 5.0  # seconds
_SIZE_CHECK = 60.0  # seconds between two looks at the size

T = TypeVar("T")
Waiter = asyncio.Future[Durability]
Answers = list[tuple[Waiter, Durability]]


class Writer:
    """The loop of the writer thread. `announce` and `answer` are called from that thread."""

    def __init__(
        self,
        file: JournalFile,
        backlog: Backlog,
        keep: Keep,
        *,
        flush_interval: float,
        retry_interval: float,
        announce: Callable[[JournalNews], None],
        answer: Callable[[Answers], None],
    ) -> None:
        self._file = file
        self._backlog = backlog
        self._keep = keep
        self._flush_interval = flush_interval
        self._retry_interval = retry_interval
        self._announce = announce
        self._answer = answer
        self._wake = threading.Event()
        self._stopping = False
        self._held: deque[Write] = deque()  # taken out of the backlog, not committed yet
        self._questions: deque[Callable[[], None]] = deque()
        self._retention: Iterator[Retained] | None = None
        self._retained: Future[Retained] | None = None
        self._last_slice: Retained | None = None
        self._failing_since: float | None = None
        self._retry_at = 0.0
        self._retry_after = retry_interval
        self._size_checked = 0.0
        self.finished: Future[int] = Future()  # how many entries were never written
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def failing(self) -> bool:
        """Whether the last attempt to write or read failed."""
        return self._failing_since is not None

    def wake(self) -> None:
        """Write what waits now, not at the end of the flush interval."""
        self._wake.set()

    def stop(self) -> None:
        """Write what waits a last time, close the file and end; `finished` tells when."""
        self._stopping = True
        self._wake.set()

    def keep(self, keep: Keep) -> None:
        """Keep by other limits; a retention under way ends with those that it began with."""
        self._keep = keep

    def ask(self, question: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run `question` in the thread; its future fails with JournalError, or with what `question` raised."""
        future: Future[T] = Future()

        def put() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self._persist(lambda: self._file.ask(question)))
            except JournalError as trouble:
                self._failed(trouble)
                future.set_exception(trouble)
            except Exception as error:  # whoever asked has to know, not this thread
                future.set_exception(error)

        self._questions.append(put)
        self.wake()
        return future

    def retain(self, now_wall: float) -> Future[Retained]:
        """Begin retention, in slices between the writes; a run under way is replaced."""
        future: Future[Retained] = Future()

        def begin(connection: sqlite3.Connection) -> None:
            self._end_retention(JournalError("io", "retention was begun anew"))
            self._retention, self._retained = retain(connection, self._keep, now_wall), future

        started = self.ask(begin)
        started.add_done_callback(lambda done: _pass_on(done, future))
        return future

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(_BREATH if self._retention is not None else self._flush_interval)
            self._wake.clear()
            self._guarded_cycle()
        self._retry_at = 0.0
        self._guarded_cycle()
        self._end_retention(JournalError("io", "the journal was closed before retention was through"))
        self._answer([(write.waiter, Durability.KEPT) for write in self._held if write.waiter is not None])
        self._file.close()
        self.finished.set_result(len(self._backlog) + sum(len(write.entries) for write in self._held))

    def _guarded_cycle(self) -> None:
        try:
            self._cycle()
        except Exception as error:  # a mistake of ours must not end the thread, and with it all writing
            self._failed(JournalError("io", f"unexpected {type(error).__name__}: {error}"))

    def _cycle(self) -> None:
        arrived = self._backlog.take_writes()
        self._held.extend(arrived)
        if self._failing_since is None or time.monotonic() >= self._retry_at:
            self._flush()
        else:
            self._give_up_waiting(arrived)
        while self._questions:
            self._questions.popleft()()
        self._tidy()
        self._count_dropped()

    def _flush(self) -> None:
        """Commit all that waits, in transactions of bounded size; the first failure ends it."""
        while True:
            self._held.extend(self._backlog.take_writes())  # a write_now does not wait for many results
            writes = list(islice(self._held, _CHUNK))
            results = self._backlog.take_results(_CHUNK - len(writes))
            if not writes and not results:
                return
            try:
                refused = self._persist(
                    lambda writes=writes, results=results: self._file.write(  # type: ignore[misc]
                        writes, results, synced=bool(writes)
                    )
                )
            except JournalError as trouble:
                self._backlog.return_results(results)
                self._failed(trouble)
                self._give_up_waiting(self._held)
                return
            for _ in writes:
                self._held.popleft()
            self._succeeded(writes, refused)

    def _persist(self, attempt: Callable[[], T]) -> T:
        """Do it; when the file is beyond reading, set it aside and do it once more on a new one."""
        try:
            return attempt()
        except JournalError as trouble:
            if not trouble.hopeless:
                raise
            self._end_retention(trouble)  # it belongs to the connection that is closed now
            said = self._file.set_aside(trouble)
            self._announce(JournalFailed(reason=trouble.reason, detail=said))
            return attempt()

    def _succeeded(self, writes: Sequence[Write], refused: set[int]) -> None:
        self._answer(
            [
                (write.waiter, Durability.REFUSED if index in refused else Durability.DURABLE)
                for index, write in enumerate(writes)
                if write.waiter is not None
            ]
        )
        for index in refused:
            kinds = ", ".join(type(entry).__name__ for entry in writes[index].entries)
            self._announce(JournalFailed(reason="io", detail=f"cannot be stored and is left out: {kinds}"))
        if self._failing_since is not None:
            seconds = time.monotonic() - self._failing_since
            self._failing_since, self._retry_after = None, self._retry_interval
            detail = f"the journal is written again after {seconds:.1f} s"
            self._announce(JournalRecovered(seconds=seconds, detail=detail))

    def _failed(self, trouble: JournalError) -> None:
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        self._retry_at = now + self._retry_after
        self._retry_after = min(2 * self._retry_after, max(_LONGEST_RETRY, self._retry_interval))
        self._announce(JournalFailed(reason=trouble.reason, detail=trouble.detail))

    def _give_up_waiting(self, writes: Sequence[Write]) -> None:
        """Answer those who wait: what they wrote is kept in memory, within bounds, and tried again."""
        self._answer([(write.waiter, Durability.KEPT) for write in writes if write.waiter is not None])
        for write in writes:
            write.waiter = None
        if len(self._held) > WRITES_KEPT:
            kept, dropped = shed(self._held, WRITES_KEPT * 3 // 4)
            self._held = deque(kept)
            self._dropped(dropped)

    def _tidy(self) -> None:
        """Do one slice of retention, and begin one by size when the journal has grown too large."""
        if self._failing_since is not None or self._stopping:
            return
        try:
            if self._retention is not None:
                self._tidy_slice(self._retention)
            elif time.monotonic() >= self._size_checked + _SIZE_CHECK:
                self._size_checked = time.monotonic()
                if self._file.ask(bytes_used, synced=False) > self._keep.max_bytes:
                    self.retain(time.time())
        except JournalError as trouble:
            self._end_retention(trouble)
            self._failed(trouble)

    def _tidy_slice(self, retention: Iterator[Retained]) -> None:
        done = self._file.ask(lambda _: next(retention, None), synced=False)
        if done is not None:
            self._last_slice = done
            return
        self._end_retention(self._last_slice)

    def _end_retention(self, end: Retained | JournalError | None) -> None:
        self._retention = None
        future, self._retained = self._retained, None
        if future is None or not future.set_running_or_notify_cancel():
            return
        if isinstance(end, Retained):
            future.set_result(end)
        else:
            future.set_exception(end or JournalError("io", "retention did nothing"))

    def _count_dropped(self) -> None:
        self._dropped(self._backlog.take_dropped())

    def _dropped(self, count: int) -> None:
        if count:
            detail = f"{count} entries were dropped unwritten: the journal cannot keep up"
            self._announce(JournalFailed(reason="dropped", detail=detail))


def _pass_on(started: Future[None], future: Future[Retained]) -> None:
    if started.cancelled():
        future.cancel()
    elif (trouble := started.exception()) is not None and future.set_running_or_notify_cancel():
        future.set_exception(trouble)
