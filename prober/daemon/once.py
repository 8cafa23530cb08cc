"""Every probe once, by the same code that the daemon runs: what `prober check` shows."""

from __future__ import annotations

import asyncio

from prober.clock import now
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import Intentions, assemble
from prober.daemon.once_effects import CheckedEffects, Line
from prober.daemon.watch import Watched
from prober.judge.outage import INCONCLUSIVE
from prober.outcome import Mode, Outcome
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

VIOLATIONS = frozenset({Outcome.VIOLATION, Outcome.FORGED_ACCEPTED})


async def check_once(config: Config, contract: Contract) -> list[Line]:
    """Run every probe once, all at the same time, and follow the webhooks to their effects."""
    # Marked as a part of this instance: its daemon, which may run beside, takes nothing of it for its own.
    owner = f"{config.instance}/check"
    assembled = assemble(config, contract, Intentions(webhook=_nothing, order=_nothing), owner)
    try:
        results = await asyncio.gather(*(_run(watched) for watched in assembled.watched))
        lines = [_line(result) for result in results]
        if assembled.witness is not None and assembled.marks is not None:
            lines += await CheckedEffects(config, contract, assembled.witness, assembled.marks).lines(results)
        return lines
    finally:
        await assembled.close()


async def _nothing(*_: object) -> None:
    """A check removes what it makes before it ends, and keeps no journal."""


async def _run(watched: Watched) -> Result:
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
