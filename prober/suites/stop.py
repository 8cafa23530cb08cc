"""How a suite is told to end early: the first signal ends it in order, the second one at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Stop:
    """Set once, with who wanted it; whoever works for a suite looks at `asked`, or waits."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.reason = ""

    @property
    def asked(self) -> bool:
        """Whether to end in order now."""
        return self._asked.is_set()

    def ask(self, reason: str) -> None:
        """End in order; the first reason is the one that is told."""
        if not self._asked.is_set():
            self.reason = reason
            self._asked.set()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work comes to, or None where the end is asked for before; it is cancelled then."""
        working, asked = asyncio.ensure_future(work), asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait([working, asked], return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for task in (working, asked):
                task.cancel()
            await asyncio.wait([working, asked])

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is asked for, at most `timeout` seconds; whether it is."""
        try:
            async with asyncio.timeout(timeout):
                await self._asked.wait()
        except TimeoutError:
            return False
        return True


@contextmanager
def signals(stop: Stop, task: asyncio.Task[object]) -> Iterator[None]:
    """SIGINT and SIGTERM ask for an end in order; a second one of either cancels `task`."""
    loop = asyncio.get_running_loop()

    def heard(number: signal.Signals) -> None:
        if stop.asked:
            task.cancel()
        else:
            stop.ask(f"stopped by {number.name}")

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, heard, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
