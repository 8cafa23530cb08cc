"""Waits for what another thread does, without blocking the event loop and never without a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .raw_server import PATIENCE, RawServer


async def wait_finished(server: RawServer) -> None:
    """Wait until one more script of the server has ended."""
    await asyncio.to_thread(server.wait_finished)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)
