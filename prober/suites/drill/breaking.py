"""Makes the faults of a drill and undoes them: on disk before they are made, checked from outside after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from prober.config.model import Config
from prober.faults.driver import Driver, FaultError
from prober.faults.guardian import Guardian
from prober.faults.ledger import Entry, Ledger
from prober.faults.undoing import PATIENCE, undo_surely
from prober.suites.drill.choosing import Chosen

# A fault that could not be made may not be to be undone either, for the same reason (seconds).
PATIENCE_UNMADE = 10.0


@dataclass(slots=True)
class Made:
    """One fault that was made, or may have been. Instants are CLOCK_MONOTONIC."""

    chosen: Chosen
    entry: Entry
    began: float
    in_force: bool = False  # False: it could not be made, and may stand in part
    undoing: float | None = None  # since when it is being undone
    undone: float | None = None  # when it was seen to be undone

    @property
    def driver(self) -> Driver:
        """Who made it."""
        return self.chosen.driver


def _least(own: float, most: Callable[[], float]) -> float:
    return min(own, most())


class Breaking:
    """The faults of one drill. The ledger's lock is ours; `say` is told each step in a sentence."""

    def __init__(self, ledger: Ledger, guardian: Guardian, config: Config, say: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._guardian = guardian
        self._config = config
        self._say = say
        self.made: list[Made] = []

    @property
    def standing(self) -> list[Made]:
        """What is not undone, the latest first."""
        return [made for made in reversed(self.made) if made.undone is None]

    async def guard(self) -> None:
        """Have the guardian watch; FaultError where there can be none, and then nothing may be broken."""
        await self._guardian.start()

    async def make(self, chosen: Chosen) -> Made:
        """Make a fault; FaultError where it cannot be made, and then it may stand in part."""
        driver = chosen.driver
        await self.guard()
        entry = self._ledger.write(driver.fault, driver.service, driver.kind, driver.sentence, driver.how)
        made = Made(chosen, entry, time.monotonic())
        self.made.append(made)
        self._say(f"making the fault: {driver.sentence}")
        await driver.inject()
        made.in_force = True
        if not chosen.step.aside:
            self._say(f"the fault is in force: {driver.fault} of {driver.service}")
        return made

    async def undo(self, faults: Sequence[Made], most: Callable[[], float]) -> None:
        """Undo these, in this order; FaultError for the first that could not be undone, after all were tried.

        `most` is asked again and again for how long (seconds) each may be tried at most.
        """
        failed: FaultError | None = None
        for made in faults:
            made.undoing = made.undoing or time.monotonic()
            try:
                own = PATIENCE if made.in_force else PATIENCE_UNMADE
                seen = await undo_surely(made.driver, self._config, patience=partial(_least, own, most))
            except FaultError as error:
                self._say(f"NOT UNDONE: {made.driver.sentence}: {error}")
                failed = failed or error
                continue
            made.undone = time.monotonic()
            self._ledger.remove(made.entry)
            self._say(
                f"undone and checked from outside: {made.driver.sentence} ({seen}; "
                f"{made.undone - made.undoing:.1f} s)"
            )
        if failed is not None:
            raise failed
