"""Does with a config everything that prober does to its servers, and tells what fails for want of a right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from prober.clock import now
from prober.config.model import Config
from prober.contract import Claimed, Contract, Full, Repeats
from prober.daemon.assembly import Assembled, Intentions, assemble
from prober.daemon.leadership import leadership_of
from prober.daemon.watch import Watched as ProbeWatched
from prober.gate import Permit
from prober.outcome import Mode
from prober.probes.base import Run
from prober.probes.synthetic import Mark, new_message_sid, new_run_id
from prober.probes.witness import NotAskable, Witness
from prober.result import (
    AwaitedWebhook,
    RaceResult,
    RedisResult,
    Result,
    WebhookCheckResult,
    WebhookResult,
)

TIMEOUT = 5.0


async def nothing(*_: object) -> None:
    """Keep no journal."""


async def shortcomings(config: Config, contract: Contract) -> list[str]:
    """All that fails."""
    return [each async for each in tried(config, contract)]


async def falls_short(config: Config, contract: Contract) -> bool:
    """Whether anything fails; nothing more is tried once something did."""
    async with aclosing(tried(config, contract)) as found:
        return await anext(found, None) is not None


async def tried(config: Config, contract: Contract) -> AsyncGenerator[str, None]:
    """Run every probe, a race, the effect and clean-up of a message, and the look at the fixtures: what fails."""
    leadership = leadership_of(config, lambda _: None)
    assert leadership is not None
    await leadership.try_once()
    await leadership.ask_once()  # a renewal
    if leadership.refusal() is not None:
        yield "the lease is not to be had"
    assembled = assemble(config, contract, Intentions(webhook=nothing, order=nothing), leadership)
    try:
        for watched in assembled.watched:
            for urgent in (False, True) if watched.tracking and watched.tripwire else (False,):
                for each in await run_shortcomings(contract, assembled, watched, urgent=urgent):
                    yield each
            for each in await holds(watched.tripwire.hold()) if watched.tripwire else ():
                yield each
        for each in await fixture_shortcomings(config, contract, assembled):
            yield each
    finally:
        await assembled.close()
        await leadership.give_back()


async def run_shortcomings(
    contract: Contract, assembled: Assembled, watched: ProbeWatched, *, urgent: bool
) -> list[str]:
    """Run one probe, and follow the messages that it has sent."""
    started = now()
    permit = await assembled.gate.permit(watched.demand, patience=TIMEOUT)
    assert isinstance(permit, Permit)
    run = Run(id=new_run_id(started.wall), started=started, timeout=TIMEOUT, urgent=urgent, permit=permit)
    try:
        result = await watched.probe.run(run)
    finally:
        permit.close()
    found = shortcomings_of(result, urgent=urgent)
    if isinstance(result, WebhookResult) and result.awaited is not None:
        found += await message_shortcomings(contract, assembled, result.awaited, result.accepted)
    if isinstance(result, WebhookCheckResult):
        for message in result.awaited:
            found += await message_shortcomings(contract, assembled, message, message.accepted is not None)
    return found


async def fixture_shortcomings(config: Config, contract: Contract, assembled: Assembled) -> list[str]:
    """Look for the fixtures and the marks."""
    present = contract.race.present
    assert present is not None
    assert assembled.witness is not None
    assert assembled.marks is not None
    mark = Mark(config.instance)
    values = {"retailer_id": mark.retailer, "vendor_ids": [*mark.vendors(5), mark.late_vendor]}
    found = await asked(assembled.witness.fetch(present, values, timeout=TIMEOUT))
    try:
        if not (await assembled.marks.found(timeout=TIMEOUT)).kept:
            found.append("nothing is marked")
    except NotAskable as why:
        found.append(why.detail)
    return found


def shortcomings_of(result: Result, *, urgent: bool) -> list[str]:
    """What one run could not do or see."""
    found = [] if result.ok else [f"{result.probe}: {result.outcome} {result.detail}"]
    if "not observable" in result.detail:
        found.append(result.detail)
    match result:
        case RaceResult(leftovers=left) if left:
            found.append("an order was left")
        case RedisResult(info=info, backlog=backlog) if not urgent and (info is None or backlog is None):
            found.append("INFO or the backlog is not observable")
        case WebhookResult() if not result.accepted:
            found.append(f"no message could be sent: {result.detail}")
    return found


async def message_shortcomings(
    contract: Contract, assembled: Assembled, message: AwaitedWebhook, accepted: bool
) -> list[str]:
    """Whether the effect of a message is seen, and its rows are removed; in mode full that of a claim as well."""
    witness, found = assembled.witness, list[str]()
    assert witness is not None
    assert contract.webhook.claimed is not None
    values: dict[str, object] = {"from_number": message.from_number, "bodies": [message.body]}
    if message.mode is Mode.FULL:
        mine = {**values, "message_sid": new_message_sid()}
        mine["message_sids"] = [mine["message_sid"]]
        found += await asked(witness.run([contract.webhook.claimed.claim], mine, timeout=TIMEOUT))
        found += await followed(witness, contract.webhook.traces(Mode.NO_SIDE_EFFECTS), mine, wait=False)
    values["message_sids"] = [message.message_sid]
    traces = contract.webhook.traces(message.mode, repeated=message.repeated)
    return found + await followed(witness, traces, values, wait=accepted)


async def followed(
    witness: Witness, traces: Claimed | Repeats | Full, values: dict[str, object], *, wait: bool
) -> list[str]:
    """Wait for an effect, then remove the rows."""
    found: list[str] = []
    assert traces.effect is not None
    try:
        deadline = time.monotonic() + TIMEOUT
        while not all(row["done"] for row in await witness.fetch(traces.effect, values, timeout=TIMEOUT)):
            if not wait or time.monotonic() > deadline:
                found += ["no effect"] if wait else []
                break
            await asyncio.sleep(0.01)
    except NotAskable as why:
        found.append(why.detail)
    return found + await asked(witness.run(traces.cleanup, values, timeout=TIMEOUT))


async def asked(asking: Any) -> list[str]:
    """Why something cannot be asked, if so."""
    try:
        await asking
    except NotAskable as why:
        return [why.detail]
    return []


async def holds(holding: Any) -> list[str]:
    """Whether a tripwire can be held: it is refused at once, or waits for a crash."""
    task = asyncio.create_task(holding)
    done, _ = await asyncio.wait([task], timeout=0.1)
    if not done:
        task.cancel()
        return []
    return [str(task.exception())]
