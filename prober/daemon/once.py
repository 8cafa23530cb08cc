"""Every probe once, by the same code that the daemon runs: what `prober check` shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prober.clock import now
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import Intentions, assemble
from prober.daemon.leadership import leadership_of
from prober.daemon.once_effects import CheckedEffects, Line
from prober.daemon.permission import WritePermission, paused_by, permission_of
from prober.daemon.watch import Watched
from prober.gate import NO_PERMIT, Gate
from prober.judge.outage import INCONCLUSIVE
from prober.outcome import Mode, Outcome, SkipReason
from prober.probes.base import Run
from prober.probes.synthetic import new_run_id
from prober.result import (
    DatabaseResult,
    HealthResult,
    RaceResult,
    RedisResult,
    Result,
    WebhookResult,
)

# The probes of a check all ask at once, and wait for each other where the caps want that (seconds).
PATIENCE_FOR_PERMIT = 10.0

VIOLATIONS = frozenset({Outcome.VIOLATION, Outcome.FORGED_ACCEPTED})


async def check_once(config: Config, contract: Contract) -> list[Line]:
    """Run every probe once, all at the same time, and follow the webhooks to their effects.

    A pause or a maintenance window holds here too; where replicas are elected it writes only if the lease is to be
    had at once, and gives it back.
    """
    # Marked as a part of this instance: its daemon, which may run beside, takes nothing of it for its own.
    owner = f"{config.instance}/check"
    async with permitted(config) as permission:
        assembled = assemble(
            config, contract, Intentions(webhook=_nothing, order=_nothing), permission, owner=owner
        )
        try:
            runs = [_run(watched, assembled.gate, permission) for watched in assembled.watched]
            results = await asyncio.gather(*runs)
            lines = [result if isinstance(result, Line) else _line(result) for result in results]
            if assembled.marks is not None:
                ran = [result for result in results if not isinstance(result, Line)]
                lines += await CheckedEffects(config, contract, assembled.marks).lines(ran)
            return lines
        finally:
            await assembled.close()


@asynccontextmanager
async def permitted(config: Config) -> AsyncIterator[WritePermission]:
    """What a command may write: during a check, or a suite."""
    paused = paused_by(config, now())
    leadership = leadership_of(config, lambda _: None)
    if leadership is None:
        yield permission_of(config, paused)
        return
    await leadership.try_once()
    keeping = asyncio.create_task(leadership.forever())
    try:
        yield permission_of(config, paused, leadership)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await leadership.give_back()


async def _nothing(*_: object) -> None:
    """A check removes what it makes before it ends, and keeps no journal."""


async def _run(watched: Watched, gate: Gate, permission: WritePermission) -> Result | Line:
    if watched.only_writes and (refused := permission.refusal()) is not None:
        if refused is SkipReason.NOT_LEADER:
            return _not_run(watched, "another replica holds the lease")
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
