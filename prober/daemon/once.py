"""Every probe once, by the same code that the daemon runs: what `prober check` shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from prober.clock import now
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import Intentions, assemble
from prober.daemon.permission import WritePermission, paused_by, permission_of
from prober.daemon.watch import Watched
from prober.event import WebhookSettled
from prober.gate import NO_PERMIT, Gate
from prober.judge.outage import INCONCLUSIVE
from prober.outcome import Mode, Outcome, Settlement, SkipReason, WebhookCheck
from prober.probes.base import Run
from prober.probes.effects import EffectWatch
from prober.probes.synthetic import new_run_id
from prober.probes.witness import NotAskable, Witness
from prober.result import (
    AwaitedWebhook,
    DatabaseResult,
    HealthResult,
    RaceResult,
    RedisResult,
    Result,
    WebhookResult,
)

# All probes begin at once, and may together want more than the burst of the caps: those wait for the rest.
PATIENCE_FOR_PERMIT = 10.0
VIOLATIONS = frozenset({Outcome.VIOLATION, Outcome.FORGED_ACCEPTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of `prober check`; `verdict` is ok, violation, failed or unknown."""

    name: str
    verdict: str
    outcome: str
    seconds: float | None
    sentence: str

    def document(self) -> dict[str, object]:
        """The line as JSON has it."""
        return asdict(self)


async def check_once(config: Config, contract: Contract) -> list[Line]:
    """Run every probe once, all at the same time, and follow the webhook to its effect.

    A pause or a maintenance window holds here too.
    """
    permission = permission_of(config, paused_by(config, now()))
    assembled = assemble(config, contract, Intentions(webhook=_nothing, order=_nothing), permission)
    try:
        runs = [_run(watched, assembled.gate, permission) for watched in assembled.watched]
        results = await asyncio.gather(*runs)
        lines = [result if isinstance(result, Line) else _line(result) for result in results]
        for result in results:
            if isinstance(result, WebhookResult) and result.awaited is not None and assembled.witness is not None:
                lines += await _effect(config, contract, assembled.witness, result, result.awaited)
        return lines
    finally:
        await assembled.close()


async def _nothing(*_: object) -> None:
    """A check removes what it makes before it ends, and keeps no journal."""


async def _run(watched: Watched, gate: Gate, permission: WritePermission) -> Result | Line:
    if watched.only_writes and permission.refusal() is not None:
        return _not_run(watched, permission.restrictions(now()).sentence)
    permit = NO_PERMIT
    if watched.demand.total:
        granted = await gate.permit(watched.demand, patience=PATIENCE_FOR_PERMIT)
        if isinstance(granted, SkipReason):
            return _not_run(watched, f"no request was allowed within {PATIENCE_FOR_PERMIT:g} s: {granted}")
        permit = granted
    started = now()
    run = Run(id=new_run_id(started.wall), started=started, timeout=watched.timing.timeout, permit=permit)
    try:
        return await watched.probe.run(run)
    finally:
        permit.close()


def _not_run(watched: Watched, why: str) -> Line:
    name = watched.probe.name
    return Line(name=name, verdict="unknown", outcome="not_known", seconds=None, sentence=f"not run: {why}")


async def _effect(
    config: Config, contract: Contract, witness: Witness, result: WebhookResult, message: AwaitedWebhook
) -> list[Line]:
    """Wait for the effect of the one message, then until its rows are gone."""
    deadline = config.probes.webhook.processing_deadline
    ended: asyncio.Future[WebhookSettled] = asyncio.get_running_loop().create_future()
    gone = asyncio.Event()

    async def settled(event: WebhookSettled, _: AwaitedWebhook) -> None:
        if not ended.done():
            ended.set_result(event)

    async def forget(_: Sequence[AwaitedWebhook]) -> None:
        gone.set()

    effects = EffectWatch(
        contract.webhook,
        witness,
        deadline=deadline,
        service_clock=time.monotonic,
        settled=settled,
        forget=forget,
    )
    delivered = result.accepted and result.check is WebhookCheck.DELIVERY
    at = result.started.later(result.finished_mono) if delivered else None
    if at is None:
        # Nothing to wait for; but a row may exist of which the answer was lost.
        await _removed(effects, message)
        return []
    effects.follow([replace(message, accepted=at)])
    following = asyncio.create_task(effects.forever())
    try:
        async with asyncio.timeout(deadline + 10.0):
            if contract.webhook.traces(message.mode).effect is None:
                await gone.wait()
                why = f"not observable in mode {message.mode}: the contract names no effect of a claimed message"
                return [
                    Line(name="webhook effect", verdict="unknown", outcome="not_known", seconds=None, sentence=why)
                ]
            event = await ended
            if event.settlement is not Settlement.LOST:
                await gone.wait()
    except TimeoutError:
        why = "the database could not be asked for the effect: not known is not lost"
        return [Line(name="webhook effect", verdict="unknown", outcome="not_known", seconds=None, sentence=why)]
    finally:
        following.cancel()
        await asyncio.wait([following])
        if not gone.is_set():
            await _removed(effects, message)
    return [_effect_line(event)]


async def _removed(effects: EffectWatch, message: AwaitedWebhook) -> None:
    """Remove the rows of a message where the database lets us: without it there is nobody to ask."""
    with suppress(NotAskable):
        await effects.remove([message])


def _effect_line(event: WebhookSettled) -> Line:
    bad = event.settlement is Settlement.LOST or event.effects > 1
    outcome = "duplicate_effect" if event.effects > 1 else str(event.settlement)
    return Line(
        name="webhook effect",
        verdict="violation" if bad else "ok",
        outcome=outcome,
        seconds=event.delay,
        sentence=event.sentence,
    )


def _line(result: Result) -> Line:
    verdict = "ok"
    if result.outcome in VIOLATIONS:
        verdict = "violation"
    elif not result.ok:
        verdict = "unknown" if result.outcome in INCONCLUSIVE else "failed"
    return Line(
        name=result.probe,
        verdict=verdict,
        outcome=result.race_outcome if isinstance(result, RaceResult) else result.outcome,
        seconds=result.duration,
        sentence=result.detail or _sentence(result),
    )


def _sentence(result: Result) -> str:
    match result:
        case RedisResult() | DatabaseResult():
            return ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in result.operations.items())
        case HealthResult():
            return f"{len(result.pages)} pages and routes answered"
        case WebhookResult(mode=Mode.FULL):
            return "accepted"
    return ""
