"""The clocks: the monotonic one measures and schedules, the wall clock only labels; a lease counts suspension."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks.

    `mono` is CLOCK_MONOTONIC in seconds: the same in every process of this machine until it reboots.
    `wall` is Unix time in seconds, for people and for the journal; nothing is ever measured with it.
    """

    mono: float
    wall: float

    def later(self, mono: float) -> Instant:
        """Another moment of the same boot, by its monotonic time."""
        return Instant(mono, self.wall + (mono - self.mono))


def now() -> Instant:
    """Read both clocks, one right after the other."""
    return Instant(time.monotonic(), time.time())


def boottime() -> float:
    """CLOCK_BOOTTIME in seconds: monotonic, and it counts the time that this machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
