"""How a suite is told to end early: the first signal ends it in order, the second one at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
