"""When each probe runs: a grid on the monotonic clock, one run at a time, late runs skipped and counted.

`plan` is the arithmetic, pure. `Cadence` is one probe's loop over it. Stepping the wall clock changes
nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

# What starts this much (seconds) before it is due starts in time.
EARLY = 0.002
# A point of the grid that is now must not be taken for one that has passed, by how floats are rounded (seconds).
ROUNDING = 1e-6


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


def rebased(previous: Slot, at: float, timing: Timing) -> Slot:
    """The last slot as `plan` has to see it once `timing` is in force, from `at` on.

    The grid goes on from the last start at the new interval, but has no points from before `at`: what was not
    planned then was not skipped.
    """
    grid = max(previous.grid, at - timing.interval + ROUNDING)
    return Slot(grid=grid, due=grid)


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
        self._stirred = asyncio.Event()
        self._woken = False
        self._stopped = False
        self._running = False
        self._urgent = False
        self._last: Slot | None = None  # of the run that started last; None before the first
        self._last_started = 0.0
        self._next = Slot(grid=0.0, due=0.0)
        self._due = 0.0

    def wake(self) -> None:
        """Run at once, whatever the grid says: the connection held open has just closed."""
        self._woken = True
        self._stirred.set()

    def stop(self) -> None:
        """Start no more runs; the one under way goes on to its end."""
        self._stopped = True
        self._stirred.set()

    def retime(self, timing: Timing) -> None:
        """Follow another timing from now on. With an equal one nothing moves."""
        if timing == self.timing:
            return
        self.timing = timing
        if self._last is None:
            return
        now = time.monotonic()
        self._last = rebased(self._last, now, timing)
        if not self._running:
            skipped = self._next.skipped
            self._plan(now)
            self._next = replace(self._next, skipped=self._next.skipped + skipped)
            self._stirred.set()

    async def forever(self) -> None:
        """Keep the probe running until stopped (or cancelled)."""
        grid = time.monotonic() + self._offset
        self._next = Slot(grid=grid, due=grid)
        self._due = grid
        while True:
            woken = await self._sleep()
            if self._stopped:
                return
            started = time.monotonic()
            on_grid = not self._urgent and not woken
            start = Start(
                lateness=max(0.0, started - self._due) if on_grid else None,
                skipped=self._next.skipped if on_grid else 0,
                urgent=self._urgent or woken,
            )
            # The grid goes on from a run outside of it: what an outage displaced was not skipped, and is not made
            # up for.
            self._last = self._next if on_grid else Slot(grid=started, due=started)
            self._last_started = started
            self._running = True
            self._urgent = await self._run_once(start)
            self._running = False
            if self._stopped:
                return
            self._plan(time.monotonic())

    def _plan(self, now: float) -> None:
        """Plan the next start after the last one."""
        if self._last is None:
            return
        if self._urgent and self.timing.down_interval is not None:
            self._next = replace(self._last, skipped=0)
            self._due = plan_urgent(self._last_started, now, self.timing.down_interval)
        else:
            self._next = plan(self._last, now, self.timing, random.random())  # noqa: S311 (jitter, not a secret)
            self._due = self._next.due

    async def _sleep(self) -> bool:
        """Sleep until the next start is due, which may be moved meanwhile; True if woken before."""
        if time.monotonic() >= self._due:
            # Give the loop one turn even when there is no time to sleep.
            await asyncio.sleep(0)
        early = 0.0
        while not self._stopped and not self._woken and time.monotonic() < self._due - early:
            self._stirred.clear()
            timer = asyncio.get_running_loop().call_later(self._due - time.monotonic(), self._stirred.set)
            try:
                await self._stirred.wait()
            finally:
                timer.cancel()
            # A timer may fire a moment before its time.
            early = EARLY
        woken = self._woken and time.monotonic() < self._due - EARLY
        self._woken = False
        return woken
