"""Questions to the journal, asked in a thread of their own, so that a slow disk holds up no scrape."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from prober.publish.journal.reader import Reader, UnreadableError

MOST_WAITING = 32  # questions; whoever asks more gets an answer sooner by asking later
ANSWER_WITHIN = 5.0  # seconds

T = TypeVar("T")


class Archive:
    """The journal in `data_dir`, read only; None: this prober keeps none.

    `ask` raises UnreadableError when there is no journal, it cannot be read, or not in time.
    """

    def __init__(self, data_dir: Path | None) -> None:
        self._reader = None if data_dir is None else Reader(data_dir)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting = 0

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Ask one question."""
        reader = self._reader
        if reader is None:
            raise UnreadableError("this prober keeps no journal")
        if self._waiting >= MOST_WAITING:
            raise UnreadableError(f"{MOST_WAITING} questions to the journal wait already; ask again in a second")
        self._waiting += 1
        try:
            asked = asyncio.get_running_loop().run_in_executor(self._thread, question, reader)
            async with asyncio.timeout(ANSWER_WITHIN):
                return await asked
        except TimeoutError:
            raise UnreadableError(
                f"the journal did not answer within {ANSWER_WITHIN:g} s; is its disk busy?"
            ) from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Give thread and connection back; a question under way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._reader is not None and not self._waiting:
            self._reader.close()
