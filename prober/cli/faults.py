"""What a command does first: undo the fault of a drill that died with its machine, or say that one stands."""

from __future__ import annotations

import asyncio
import sys

from prober.cli.settings import Settings
from prober.faults.ledger import DIRECTORY, Ledger, LedgerError

# A command has its own work to do: what cannot be undone in this time (seconds) is said.
PATIENCE = 15.0


def settle_faults(settings: Settings, command: str) -> None:
    """Undo whatever the ledger names, unless the drill lives; says what was done on stderr. Never raises."""
    if not (settings.config.data_dir / DIRECTORY).is_dir():
        return

    def say(sentence: str) -> None:
        print(settings.redact(f"{command}: {sentence}"), file=sys.stderr, flush=True)

    ledger = Ledger(settings.config.data_dir)
    try:
        if not ledger.entries():
            return
        if not ledger.take():
            say("a drill is under way, or is being undone: " + "; ".join(e.sentence for e in ledger.entries()))
            return
        from prober.faults.undoing import undo_standing  # only here: it takes what a daemon does without

        asyncio.run(undo_standing(ledger, settings.config, say, patience=PATIENCE))
    except (OSError, LedgerError) as error:
        say(f"whether a drill has left something broken is not known: {error}")
    finally:
        ledger.release()
