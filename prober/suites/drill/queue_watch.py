"""Watches, while a drill lasts, how many jobs wait in the queues on Redis."""

from __future__ import annotations

import time
from typing import Protocol

from prober.suites.load.memory import Unseen
from prober.suites.pace import regularly

EVERY = 1.0  # seconds between two looks at the queues


class Source(Protocol):
    """Whoever counts the jobs of the largest queue, or says why that cannot be done; never raises, never hangs."""

    async def read(self) -> int | Unseen:
        """Jobs, or why they cannot be counted."""
        ...

    def close(self) -> None:
        """Drop the connection; the next reading makes one anew."""
        ...


class QueueWatch:
    """What was seen of the queues: when (CLOCK_MONOTONIC), and how many jobs; None: they could not be asked."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.looks: list[tuple[float, int | None]] = []

    async def forever(self) -> None:
        """Look until cancelled."""
        await regularly(self._look, EVERY)

    async def last(self) -> None:
        """Look once more when the traffic has ended.

        A short drill may have no other look between the service's return and its own end. Whoever looked until now
        was cancelled, perhaps amid an answer: this one asks on a connection of its own.
        """
        self._source.close()
        await self._look()

    def close(self) -> None:
        """Drop the connection."""
        self._source.close()

    async def _look(self) -> None:
        read = await self._source.read()
        self.looks.append((time.monotonic(), read if isinstance(read, int) else None))
