"""A look again and again, at a pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def regularly(look: Callable[[], Awaitable[object]], every: float) -> None:
    """Look every so many seconds until cancelled; one that took longer is followed by the next at once."""
    due = time.monotonic()
    while True:
        await look()
        due = max(due + every, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
