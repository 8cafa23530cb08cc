"""When each probe runs: a grid on the monotonic clock, one run at a time, late runs skipped and counted.

`plan` is the arithmetic, pure. `Cadence` is one probe's loop over it. Stepping the wall clock changes
nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often a probe runs; all in seconds. `jitter` spreads each start over [0, jitter)."""

    interval: float
    timeout: float
    jitter: float = 0.0
    down_interval: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One planned start: the grid point it belongs to, and when it is due (grid point plus jitter)."""

    grid: float
    due: float
    skipped: int = 0  # grid points that passed before this one without a run


def plan(previous: Slot, now: float, timing: Timing, shake: float) -> Slot:
    """Plan the next start after a run that ended at `now`. `shake` in [0, 1) chooses the jitter.

    Grid points that have already passed are skipped, never made up for: a prober that fell behind must not
    hit the target with what it missed.
    """
    grid = previous.grid + timing.interval
    skipped = 0
    if grid + timing.jitter < now:
        skipped = int((now - grid - timing.jitter) // timing.interval) + 1
        grid += skipped * timing.interval
    return Slot(grid=grid, due=grid + shake * timing.jitter, skipped=skipped)


def plan_urgent(started: float, now: float, down_interval: float) -> float:
    """When to probe again while the service is down: `down_interval` after the last start, or at once."""
    return max(now, started + down_interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a probe is told when it starts. `lateness` is None for runs outside the grid."""

    lateness: float | None
    skipped: int
    urgent: bool


class Cadence:
    """Runs one probe again and again.

    `run_once` does a run and returns whether the next one is urgent. It must not raise.
    """

    def __init__(
        self, timing: Timing, run_once: Callable[[Start], Awaitable[bool]], *, offset: float = 0.0
    ) -> None:
        self.timing = timing
        self._run_once = run_once
        self._offset = offset
        self._woken = asyncio.Event()
        self._stopped = False

    def wake(self) -> None:
        """Run at once, whatever the grid says: the connection held open has just closed."""
        self._woken.set()

    def stop(self) -> None:
        """Start no more runs; the one under way goes on to its end."""
        self._stopped = True
        self._woken.set()

    async def forever(self) -> None:
        """Keep the probe running until stopped (or cancelled)."""
        grid = time.monotonic() + self._offset
        slot = Slot(grid=grid, due=grid)
        urgent = False
        due = slot.due
        while True:
            woken = await self._sleep_until(due)
            if self._stopped:
                return
            started = time.monotonic()
            on_grid = not urgent and not woken
            start = Start(
                lateness=max(0.0, started - due) if on_grid else None,
                skipped=slot.skipped if on_grid else 0,
                urgent=urgent or woken,
            )
            urgent = await self._run_once(start)
            if self._stopped:
                return
            now = time.monotonic()
            if not on_grid:
                # The grid goes on from here: what an outage displaced was not skipped, and is not made up for.
                slot = Slot(grid=started, due=started)
            if urgent and self.timing.down_interval is not None:
                due = plan_urgent(started, now, self.timing.down_interval)
            else:
                slot = plan(slot, now, self.timing, random.random())  # noqa: S311 (jitter, not a secret)
                due = slot.due

    async def _sleep_until(self, due: float) -> bool:
        """Sleep until `due`; True if woken before."""
        delay = due - time.monotonic()
        if delay <= 0:
            # Give the loop one turn even when there is no time to sleep.
            await asyncio.sleep(0)
        else:
            timer = asyncio.get_running_loop().call_later(delay, self._woken.set)
            try:
                await self._woken.wait()
            finally:
                timer.cancel()
        woken = self._woken.is_set() and time.monotonic() < due - 0.002
        self._woken.clear()
        return woken
