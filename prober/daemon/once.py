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
from prober.daemon.watch import Watched
from prober.judge.outage import INCONCLUSIVE
from prober.outcome import Mode, Outcome
from prober.probes.base import Permission, Run, Unrestricted
from prober.probes.synthetic import new_run_id
from prober.result import (
    DatabaseResult,
    HealthResult,
    RaceResult,
    RedisResult,
    Result,
    WebhookResult,
)

VIOLATIONS = frozenset({Outcome.VIOLATION, Outcome.FORGED_ACCEPTED})


async def check_once(config: Config, contract: Contract) -> list[Line]:
    """Run every probe once, all at the same time, and follow the webhooks to their effects.

    Where replicas are elected it writes only if the lease is to be had at once, and gives it back.
    """
    async with _permitted(config) as permission:
        assembled = assemble(config, contract, Intentions(webhook=_nothing, order=_nothing), permission)
        try:
            outcomes = await asyncio.gather(*(_run(watched, permission) for watched in assembled.watched))
            lines = [each if isinstance(each, Line) else _line(each) for each in outcomes]
            if assembled.witness is not None:
                results = [each for each in outcomes if isinstance(each, Result)]
                lines += await CheckedEffects(config, contract, assembled.witness).lines(results)
            return lines
        finally:
            await assembled.close()


@asynccontextmanager
async def _permitted(config: Config) -> AsyncIterator[Permission]:
    """What may be written during a check."""
    leadership = leadership_of(config, lambda _: None)
    if leadership is None:
        yield Unrestricted()
        return
    await leadership.try_once()
    keeping = asyncio.create_task(leadership.forever())
    try:
        yield leadership
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await leadership.give_back()


async def _nothing(*_: object) -> None:
    """A check removes what it makes before it ends, and keeps no journal."""


async def _run(watched: Watched, permission: Permission) -> Result | Line:
    if watched.only_writes and (refused := permission.refusal()) is not None:
        why = f"not run, since it writes: {refused}"
        name = watched.probe.name
        return Line(name=name, verdict="unknown", outcome=Outcome.NOT_KNOWN, seconds=None, sentence=why)
    started = now()
    return await watched.probe.run(
        Run(id=new_run_id(started.wall), started=started, timeout=watched.timing.timeout)
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
