"""How often a narrow check-then-write window is caught, by our race and by a naive client, on the same target."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from prober.clock import now
from prober.config.load import load_config
from prober.contract import Race, fill
from prober.daemon.assembly import Intentions, assemble, load_contract
from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import FaultName
from prober.demo.target.record import Kind
from prober.gate import Gate, Permit
from prober.outcome import Ask, Claim, ProbeName, RaceOutcome
from prober.probes.base import Run, Unrestricted
from prober.probes.race import RaceProbe
from prober.probes.synthetic import Mark, new_run_id
from prober.probes.witness import Witness
from prober.result import RaceResult
from tests.system.daemon_stack import WIDE_CAP

TIMEOUT = 10.0
PATIENCE = 10.0
PAUSE = 0.03  # seconds between two races, in which the target comes to rest


@dataclass(frozen=True)
class Caught:
    """Shares of races in which the second winner was caught; the window and spreads are medians, seconds."""

    vendors: int
    way: str
    races: int
    ours: int
    free: int  # of ours, those caught without the lock on the row
    naive: int
    window: float
    our_spread: float
    naive_spread: float


class Naive:
    """What anybody would write: aiohttp posts, gathered."""

    def __init__(self, contract: Race, mark: Mark, url: str, witness: Witness, vendors: Sequence[str]) -> None:
        self._contract = contract
        self._mark = mark
        self._url = url
        self._witness = witness
        self._vendors = vendors

    async def race(self, run_id: str) -> bool:
        """One race; whether more than one vendor was told it had won."""
        order, routing = self._mark.order(run_id), self._mark.routing(run_id)
        values = {
            "order_id": order,
            "routing_id": routing,
            "retailer_id": self._mark.retailer,
            "vendor_ids": list(self._vendors),
        }
        await self._witness.run(self._contract.create, values, timeout=TIMEOUT)
        try:
            async with aiohttp.ClientSession() as session:
                claims = await asyncio.gather(*(self._accept(session, routing, v) for v in self._vendors))
        finally:
            await self._witness.run(self._contract.cleanup, values, timeout=TIMEOUT)
        return claims.count(Claim.WON) > 1

    async def _accept(self, session: aiohttp.ClientSession, routing: str, vendor: str) -> Claim:
        path = fill(self._contract.accept.path, {"routing_id": routing, "vendor_id": vendor, "order_id": ""})
        body = {
            k: fill(v, {"vendor_id": vendor, "routing_id": routing, "order_id": ""})
            for k, v in self._contract.accept.body.items()
        }
        headers = {**self._contract.accept.headers, "X-Idempotency-Key": f"{routing}-{vendor}"}
        async with session.post(self._url + path, json=body, headers=headers) as response:
            return self._contract.read(response.status, await response.read())


async def measure(vendors: int, races: int, *, way: Mapping[str, Any] | None = None) -> Caught:
    """Race in turn, ours and the naive one, against the planted window; `way` are conditions of a proxy."""
    async with Owner() as owner:
        stack = Stack(
            owner=owner,
            directory=owner.directory,
            probes={"race": {"vendors": vendors}},
            target_settings={"rate_limit": {"requests": 1_000_000}},
            target_config={"rate_limit": "1000000/1m"},
            config_sections={"cap": WIDE_CAP},
            proxied=way is not None,
        )
        await stack.start_services()
        if way is not None:
            await stack.proxy.set(**way)
        return await measure_on(stack, races, way="direct" if way is None else "20 ± 5 ms")


async def measure_on(stack: Stack, races: int, *, way: str = "direct") -> Caught:
    """The same on services that run, with as many vendors as the stack's config says; the fault is gone again."""
    config = load_config(stack.config_file, {})
    contract = load_contract(config, stack.directory)
    assembled = assemble(config, contract, Intentions(webhook=_nothing, order=_nothing), Unrestricted())
    assert assembled.witness is not None
    probe = next(w.probe for w in assembled.watched if w.probe.name is ProbeName.RACE)
    assert isinstance(probe, RaceProbe)
    mark, vendors = Mark(config.instance), config.probes.race.vendors
    naive = Naive(contract.race, mark, config.target.url, assembled.witness, mark.vendors(vendors))
    others = 0
    results: list[RaceResult] = []
    their_routings: list[str] = []
    async with ControlClient(stack.target.control_url) as control:
        await control.plant(FaultName.DOUBLE_ACCEPT_RARE)
        for _ in range(races):
            results.append(await _our_race(assembled.gate, probe))
            await asyncio.sleep(PAUSE)
            run_id = new_run_id(now().wall)
            others += await naive.race(run_id)
            their_routings.append(mark.routing(run_id))
            await asyncio.sleep(PAUSE)
        await control.remove(FaultName.DOUBLE_ACCEPT_RARE)
        decisions = await control.record(Kind.DECISION)
    await assembled.close()
    return Caught(
        vendors=vendors,
        way=way,
        races=races,
        ours=sum(result.race_outcome is RaceOutcome.MULTIPLE_WINNERS for result in results),
        free=sum([a.claim for a in r.history.asked(Ask.RACE)].count(Claim.WON) > 1 for r in results),
        naive=others,
        window=statistics.median(d["window"] for d in decisions if d["window"]),
        our_spread=_spread(decisions, [result.routing_id for result in results], vendors),
        naive_spread=_spread(decisions, their_routings, vendors),
    )


async def _our_race(gate: Gate, probe: RaceProbe) -> RaceResult:
    started = now()
    permit = await gate.permit(probe.demand, patience=PATIENCE)
    assert isinstance(permit, Permit)
    try:
        return await probe.run(Run(id=new_run_id(started.wall), started=started, timeout=TIMEOUT, permit=permit))
    finally:
        permit.close()


def _spread(decisions: Sequence[Mapping[str, Any]], routings: Sequence[str], vendors: int) -> float:
    """First to last arrival at the target of the accepts of one race, median; of the first so many of each."""
    arrivals: dict[str, list[float]] = {routing: [] for routing in routings}
    for decision in decisions:
        if decision["routing"] in arrivals:
            arrivals[decision["routing"]].append(decision["arrived"])
    first = (sorted(moments)[:vendors] for moments in arrivals.values() if len(moments) >= vendors)
    return statistics.median(moments[-1] - moments[0] for moments in first)


async def _nothing(*_: object) -> None:
    """A proof keeps no journal."""
