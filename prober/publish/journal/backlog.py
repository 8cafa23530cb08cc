"""What waits in memory between the event loop, which never waits, and the thread that writes.

Both sides are bounded: a disk that hangs or is full must not become a prober that is out of memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from prober.event import Outage, ServiceRestarted, WebhookSettled
from prober.outcome import Settlement
from prober.publish.journal.entries import Cleaned, Durability, Entry, Forgotten, Intended, State
from prober.result import AwaitedWebhook, Result

RESULTS_KEPT = 5_000  # about 5 MB
WRITES_KEPT = 10_000


@dataclass(slots=True, eq=False)
class Write:
    """Entries that are written together or not at all, and who waits for it."""

    entries: tuple[Entry, ...]
    waiter: asyncio.Future[Durability] | None = None


class Backlog:
    """Two queues under one lock: results, whose oldest may be dropped, and what matters, which is not.

    The lock is held for a few hundred nanoseconds by either side, so the loop never waits for the disk.
    """

    def __init__(self, results_kept: int = RESULTS_KEPT, writes_kept: int = WRITES_KEPT) -> None:
        self._lock = threading.Lock()
        self._results: deque[Entry] = deque(maxlen=results_kept)
        self._results_kept = results_kept
        self._writes: deque[Write] = deque()
        self._writes_kept = writes_kept
        self._dropped = 0

    def put_result(self, result: Entry) -> None:
        """Add what may be dropped; when full the oldest goes."""
        with self._lock:
            self._dropped += len(self._results) == self._results_kept
            self._results.append(result)

    def put_write(self, write: Write) -> None:
        """Add what matters."""
        with self._lock:
            self._writes.append(write)
            if len(self._writes) > self._writes_kept:
                kept, dropped = shed(self._writes, self._writes_kept * 3 // 4)
                self._writes = deque(kept)
                self._dropped += dropped

    def take_writes(self) -> Sequence[Write]:
        """Take out all that matters, oldest first."""
        with self._lock:
            taken, self._writes = self._writes, deque()
        return taken

    def take_results(self, limit: int) -> list[Entry]:
        """Take out at most `limit` results, oldest first."""
        with self._lock:
            return [self._results.popleft() for _ in range(min(limit, len(self._results)))]

    def return_results(self, results: Sequence[Entry]) -> None:
        """Put back what could not be written, before what has come since; the oldest go if they are too many."""
        with self._lock:
            room = self._results_kept - len(self._results)
            self._dropped += max(0, len(results) - room)
            self._results.extendleft(reversed(results[max(0, len(results) - room) :]))

    def take_dropped(self) -> int:
        """Return how many entries have been dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def __len__(self) -> int:
        return len(self._results) + len(self._writes)


def shed(writes: Iterable[Write], limit: int) -> tuple[list[Write], int]:
    """Make at most `limit` writes of many; return them in their order and how many facts were dropped.

    First go those that a later one overtakes (an outage that is written again, a mark whose thing is gone),
    which loses nothing. Then the oldest of the least precious, one class after the other; whoever waits for
    one of these is answered by the time limit of `write_now`.
    """
    kept = _without_overtaken(list(writes))
    surplus = len(kept) - limit
    if surplus <= 0:
        return kept, 0
    by_worth = sorted(range(len(kept)), key=lambda index: (_worth(kept[index]), index))
    gone = set(islice(by_worth, surplus))
    return [write for index, write in enumerate(kept) if index not in gone], surplus


def _without_overtaken(writes: list[Write]) -> list[Write]:
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for write in reversed(writes):
        keys = [_key(entry) for entry in write.entries]
        overtaken = all(key is not None and key in seen for key in keys)
        if write.waiter is not None or not overtaken:
            kept.append(write)
        seen.update(key for key in keys if key is not None)
    kept.reverse()
    return kept


def _key(entry: Entry) -> tuple[str, str, str] | None:
    """Name the row that the last entry of this key alone decides; None if each entry counts."""
    match entry:
        case Outage(id=id_):
            return "outage", "", id_
        case AwaitedWebhook(message_sid=sid) | Forgotten(message_sid=sid):
            return "webhook", "", sid
        case Intended(kind=kind, id=id_) | Cleaned(kind=kind, id=id_):
            return "mark", kind, id_
        case State(key=key):
            return "state", "", key
        case _:
            return None


def _worth(write: Write) -> int:
    return max((_worth_of(entry) for entry in write.entries), default=0)


def _worth_of(entry: Entry) -> int:
    match entry:
        case WebhookSettled(settlement=Settlement.DONE) | ServiceRestarted():
            return 0
        case Cleaned() | Forgotten():  # costs one more look for what is gone
            return 1
        case AwaitedWebhook() | State() | WebhookSettled():
            return 2
        case Intended():
            return 3
        case Outage():
            return 4
        case Result():  # the evidence of a violation
            return 5
        case _:
            return 6
