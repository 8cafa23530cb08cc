"""A clean run: nothing is planted, so nothing may be told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prober.demo.process import Owner
from prober.demo.stack import DEFAULT_CONTRACT, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.outcome import ProbeName
from tests.system.daemon_stack import WIDE_CAP
from tests.system.watching import Scrape, Watched, until

PROBES: Mapping[str, Mapping[str, Any]] = {
    "webhook": {
        "interval": "200ms",
        "timeout": "2s",
        "down_interval": "200ms",
        "processing_deadline": "20s",
        "checks_interval": "10s",
    },
    "race": {
        "interval": "250ms",
        "timeout": "2s",
        "win_rate_window": 5000,
        "max_unjudged": 1000,
        "split_order_interval": "5s",
    },
}
# 50 ± 20 ms there and back; what is reset or stalled has been done by the target, and only the answer is missing.
ROUGH: Mapping[str, Any] = {
    "latency": 0.025,
    "jitter": 0.010,
    "reset": {"share": 0.01, "when": "answer"},
    "stall": {"share": 0.01, "when": "answer"},
}
KILLED = (ProbeName.DATABASE, ProbeName.REDIS)
LONG = 7200.0


@dataclass(frozen=True)
class CleanRun:
    """What a clean run came to, by our own count and by the target's record."""

    races: Counter[str]
    webhooks: int
    unanswered: int
    accepted_by_target: int
    processed_by_target: int
    violations: list[str]
    lost: int
    leftovers: float
    kills: int  # of a service, by the run itself
    outages: int  # that the prober told of the services that were killed
    seconds: float

    @property
    def false_reports(self) -> int:
        """Everything that was told although nothing was wrong."""
        return len(self.violations) + self.lost


def stack_of(owner: Owner, *, proxied: bool, contract: str = DEFAULT_CONTRACT) -> Stack:
    """A stack whose rate limit and caps are no hindrance."""
    return Stack(
        owner=owner,
        directory=owner.directory,
        contract=contract,
        probes=PROBES,
        target_settings={"rate_limit": {"requests": 100_000}},
        target_config={"rate_limit": "100000/1m"},
        config_sections={"cap": WIDE_CAP},
        proxied=proxied,
    )


async def clean_run(
    races: int, webhooks: int, *, contract: str = DEFAULT_CONTRACT, rough: bool = False, kills: int = 0
) -> CleanRun:
    """Run until so many races and webhooks are made: plain, over a rough way, or with so many kills on the way."""
    async with Owner() as owner:
        stack = stack_of(owner, proxied=rough, contract=contract)
        await stack.start_services()
        if rough:
            await stack.proxy.set(**ROUGH)
        began = time.monotonic()
        await stack.start_watcher()
        watched = Watched(stack)
        await _crash(watched, kills, races // (kills + 1))

        async def enough() -> bool:
            scrape = await watched.scrape()
            made = scrape.total("vendor_routing_race_outcomes_total")
            return made >= races and scrape.total("whatsapp_webhook_requests_total") >= webhooks

        await until(f"{races} races and {webhooks} webhooks", enough, LONG)
        scrape = await settled(watched)
        async with ControlClient(stack.target.control_url) as control:
            accepted = {entry["sid"] for entry in await control.record(Kind.ACCEPTED)}
            processed = {entry["sid"] for entry in await control.record(Kind.PROCESSED)}
        await stack.watcher.stop(timeout=60)
        return CleanRun(
            races=outcomes(scrape),
            webhooks=int(scrape.total("whatsapp_webhook_requests_total")),
            unanswered=int(scrape.total("whatsapp_webhook_requests_total", code="none")),
            accepted_by_target=len(accepted),
            processed_by_target=len(processed & accepted),
            violations=[f"{v.id}: {v.sentence}" for v in watched.reader.violations(limit=100)],
            lost=int(scrape.total("whatsapp_webhook_lost_total")),
            leftovers=scrape.total("prober_synthetic_leftovers"),
            kills=kills,
            outages=sum(outage.probe in KILLED for outage in watched.reader.outages(limit=1000)),
            seconds=time.monotonic() - began,
        )


async def _crash(watched: Watched, kills: int, races: int) -> None:
    """So often, PostgreSQL and Redis in turn: kill it after so many races, wait for its outage, start it again."""
    servers = {ProbeName.DATABASE: watched.stack.postgres, ProbeName.REDIS: watched.stack.redis}
    for kill in range(kills):
        probe = KILLED[kill % len(KILLED)]
        await watched.grows("vendor_routing_race_outcomes_total", by=races, timeout=LONG)
        servers[probe].kill()
        await watched.becomes("prober_outage", lambda value: value == 1, probe=probe)
        await servers[probe].start()
        await watched.becomes("prober_outage", lambda value: value == 0, probe=probe)


async def settled(watched: Watched) -> Scrape:
    """Let the messages under way come to their deadline, so that a late lie would be told."""
    before = await watched.scrape()
    await watched.grows("whatsapp_webhook_settled_total", by=200, since=before, timeout=LONG)
    return await watched.scrape()


def outcomes(scrape: Scrape) -> Counter[str]:
    """Races by outcome."""
    found: Counter[str] = Counter()
    for (name, labels), value in scrape.samples.items():
        if name == "vendor_routing_race_outcomes_total" and value:
            found[dict(labels)["outcome"]] += int(value)
    return found
