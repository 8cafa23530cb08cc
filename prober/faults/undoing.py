"""Undoing a fault until it is seen to be undone: the same for a drill, its guardian, and whoever comes later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from prober.config.model import Config
from prober.faults.driver import Driver, FaultError, GoneError
from prober.faults.known import driver_of
from prober.faults.ledger import Ledger, LedgerError
from prober.faults.outside import answers

AGAIN = 0.25  # seconds between two tries
LOOK = 0.05  # seconds between two looks from outside
# A database that recovers from a crash, or a Redis that loads, may take a while to answer (seconds).
PATIENCE = 90.0

Say = Callable[[str], None]


async def undo_surely(driver: Driver, config: Config, *, patience: Callable[[], float] = lambda: PATIENCE) -> str:
    """Undo, and look from outside, again and again; a clause that says how it was seen to be undone.

    `patience` is asked before each further try for how long (seconds, from the first one) that is done; FaultError
    with the last reason after it.
    """
    began = time.monotonic()
    done = False
    while True:
        try:
            if not done:
                await driver.undo()
                done = True
            await driver.check_undone()
            await answers(driver.service, config)
        except GoneError as gone:
            return str(gone)
        except FaultError as error:
            if time.monotonic() > began + (tried := patience()):
                raise FaultError(f"not undone after {tried:g} s: {error}") from None
            await asyncio.sleep(LOOK if done else AGAIN)
        else:
            return f"{driver.service} answers"


async def undo_standing(ledger: Ledger, config: Config, say: Say, *, patience: float = PATIENCE) -> bool:
    """Undo everything that the ledger names, the latest first, and say so; whether nothing is left.

    The lock of the ledger has to be ours.
    """
    try:
        entries = ledger.entries()
    except LedgerError as error:
        say(str(error))
        return False
    whole = True
    for entry in entries:
        began = time.monotonic()
        try:
            seen = await undo_surely(driver_of(entry, config), config, patience=lambda: patience)
        except (FaultError, LedgerError) as error:
            say(f"NOT UNDONE: {entry.sentence}: {error}")
            whole = False
            continue
        ledger.remove(entry)
        say(f"undone and checked from outside: {entry.sentence} ({seen}; {time.monotonic() - began:.1f} s)")
    return whole
