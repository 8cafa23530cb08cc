"""Claims the id of a message before it is sent, so that the target takes it for a repeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from prober.clock import now
from prober.contract import Webhook
from prober.outcome import Mode
from prober.probes.effects import query_values
from prober.probes.marks import Marks
from prober.probes.synthetic import NOBODYS_NUMBER, Mark, new_message_sid, new_run_id
from prober.probes.witness import NotAskable, Witness
from prober.result import AwaitedWebhook
from prober.sql import Sql

ASK_TIMEOUT = 5.0
# A claim that is gone before the target has looked for it would be none.
SETTLE = 10.0
SETTLE_STEP = 0.05


@dataclass(slots=True)
class Claim:
    """A MessageSid. `holds`: its row is there. Whoever sent it and was answered 2xx sets `accepted`."""

    sid: str
    holds: bool
    accepted: bool = False


@asynccontextmanager
async def claimed(contract: Webhook, marks: Marks | None, instance: str) -> AsyncIterator[Claim]:
    """A new MessageSid, claimed where the contract and the database let us; nothing of it is left afterwards."""
    claim, started = Claim(new_message_sid(), holds=False), now()
    if marks is None or contract.claimed is None:
        yield claim
        return
    run_id = new_run_id(started.wall)
    message = AwaitedWebhook(
        message_sid=claim.sid,
        run_id=run_id,
        mode=Mode.NO_SIDE_EFFECTS,
        from_number=NOBODYS_NUMBER,
        body=Mark(instance).body(run_id),
        intended=started,
    )
    values = query_values([message])
    with suppress(NotAskable):
        await marks.claim(message, contract.claimed.claim, timeout=ASK_TIMEOUT)
        claim.holds = True
    try:
        yield claim
        if claim.accepted and contract.claimed.effect is not None:
            with suppress(NotAskable):
                await _settled(contract.claimed.effect, marks.witness, values)
    finally:
        # Also where the answer to the claim was lost: it may have been committed.
        with suppress(NotAskable):
            await marks.remove_messages([claim.sid], contract.claimed.cleanup, values, timeout=ASK_TIMEOUT)


async def _settled(effect: Sql, witness: Witness, values: dict[str, object]) -> None:
    deadline = time.monotonic() + SETTLE
    while time.monotonic() < deadline:
        rows = await witness.fetch(effect, values, timeout=ASK_TIMEOUT)
        if any(row["done"] for row in rows):
            return
        await asyncio.sleep(SETTLE_STEP)
