"""Removes what load runs left that were killed: by their ledgers, exact ids and nothing else."""

from __future__ import annotations

import time
from dataclasses import dataclass

from prober.config.model import Config
from prober.contract import Contract
from prober.outcome import Mode
from prober.probes.synthetic import Mark
from prober.probes.witness import Witness
from prober.suites.ledger import dead_ledgers
from prober.suites.load.messages import Ids
from prober.suites.load.rows import Rows


@dataclass(frozen=True, slots=True)
class SweptRuns:
    """What was done: runs of which nothing can come any more, and those that are looked at once more later."""

    runs: int = 0
    messages: int = 0  # whose rows were removed, as far as they could be seen
    later: int = 0


async def sweep_dead_runs(
    config: Config, contract: Contract, witness: Witness, *, dry_run: bool = False
) -> SweptRuns:
    """Remove the rows of every load run that is dead. Raises NotAskable, and OSError for what the disk does.

    A message that was accepted may be processed until `processing_deadline` after it was sent; a run is forgotten
    only then, so what arrives late is removed by the next sweep. Claims are not touched before: a message whose
    claim has gone is a new one, with all its effects.
    """
    runs = messages = later = 0
    for ledger in dead_ledgers(config.data_dir):
        reserved = ledger.reserved
        try:
            ids = Ids(Mark(reserved.instance), reserved.run_id)
            rows = Rows(contract.webhook, witness, ids, reserved.mode, reserved.from_number)
            ordinals = range(1, reserved.count + 1)
            over = time.time() - reserved.last > config.probes.webhook.processing_deadline
            later += not over
            if reserved.mode is Mode.NO_SIDE_EFFECTS and not over:
                continue
            messages += await rows.left(ordinals)
            runs += 1
            if dry_run:
                continue
            await rows.remove(ordinals)
            if over:
                ledger.forget()
        finally:
            ledger.close()
    return SweptRuns(runs=runs, messages=messages, later=later)
