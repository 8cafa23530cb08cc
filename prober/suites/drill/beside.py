"""Work that goes on beside a block of code, and whose failure ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager


@asynccontextmanager
async def at_work(*work: Awaitable[None]) -> AsyncIterator[None]:
    """Beside the block these go on; they end with it. What one of them raises ends the block."""
    tasks = [asyncio.ensure_future(each) for each in work]
    here = asyncio.current_task()
    failed: list[BaseException] = []

    def ended(task: asyncio.Future[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            if here is not None:
                here.cancel()

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if not failed or here is None:
            raise
        here.uncancel()
        raise failed[0] from None
    finally:
        for task in tasks:
            task.remove_done_callback(ended)
            task.cancel()
        await asyncio.wait(tasks)
