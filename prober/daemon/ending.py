"""How the prober comes to its end: who may ask for it, and with which exit code."""

from __future__ import annotations

import asyncio
from enum import IntEnum

import structlog

log = structlog.get_logger()


class Ending(IntEnum):
    """How the daemon ended; the exit code."""

    FINE = 0
    COULD_NOT_RUN = 3


class Stop:
    """Why and that the daemon is to end."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.ending = Ending.FINE

    def asked_to(self) -> None:
        """A signal came."""
        self.asked.set()

    def web_process_ended(self, code: int) -> None:
        """Without its face a monitor is blind to others: end, and let the supervisor start both afresh."""
        log.error("the web process ended", code=code)
        self.fault()

    def fault(self) -> None:
        """Something of ours broke."""
        self.ending = Ending.COULD_NOT_RUN
        self.asked.set()
