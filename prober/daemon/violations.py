"""Keeps the metrics right about what pages: when a violation is found, acknowledged, or has lasted its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prober.clock import Instant, now
from prober.event import Event, ViolationFound
from prober.judge.violations import StandingViolations, Suspension
from prober.publish.journal.entries import Acknowledgement
from prober.publish.journal.restore import Restored

# Acknowledgements are made by other processes; so often (seconds) the journal is asked for them, and the clock
# for what has lasted its time.
LOOK_EVERY = 1.0

ReadAcknowledgements = Callable[[Instant], Awaitable[Sequence[Acknowledgement] | None]]


class ViolationWatch:
    """Tells what stands whenever it is another than before.

    What this prober finds counts from memory, whether or not the journal could be written; a journal that cannot
    be read leaves the acknowledgements as they were.
    """

    def __init__(
        self,
        restored: Restored,
        *,
        hold: float,
        read: ReadAcknowledgements,
        publish: Callable[[Event], None],
    ) -> None:
        self._suspensions = _suspensions(restored.acknowledgements)
        self._standing = StandingViolations(hold, restored.standing_violations, self._suspensions)
        self._read = read
        self._publish = publish
        self._next_change = 0.0

    def tell(self) -> None:
        """Say what stands now."""
        at = now()
        self._publish(self._standing.stand(at))
        self._next_change = self._standing.next_change(at.wall)

    def found(self, violation: ViolationFound) -> None:
        """Count one more; to be called when it is in the journal."""
        self._standing.find(violation)
        self.tell()

    def hold_for(self, hold: float) -> None:
        """Let violations page for so long (seconds) from now on."""
        self._standing.hold_for(hold)
        self.tell()

    async def forever(self) -> None:
        """Follow the clock and the journal until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            # Apart, so that a disk that hangs does not stop the clock.
            tasks.create_task(self._follow_clock())
            tasks.create_task(self._follow_journal())

    async def _follow_clock(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if now().wall >= self._next_change:
                self.tell()

    async def _follow_journal(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            acknowledgements = await self._read(now())
            if acknowledgements is None:
                continue
            suspensions = _suspensions(acknowledgements)
            if suspensions != self._suspensions:
                self._suspensions = suspensions
                self._standing.suspend(suspensions)
                self.tell()


def _suspensions(acknowledgements: Sequence[Acknowledgement]) -> tuple[Suspension, ...]:
    return tuple(
        Suspension(what=one.what, began=one.at.wall, ends=one.until_wall, reason=one.reason)
        for one in acknowledgements
    )
