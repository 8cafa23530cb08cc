"""The race probe: a synthetic order offered to synthetic vendors who all accept at one instant.

It makes the order, opens and warms every connection, sends each request but its last byte, releases those in one
go, asks the witnesses, then lets the winner ask again and a late vendor ask, now and then also a vendor of a
second routing of the same order. All of it goes to the judge, and the order is removed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from prober.clock import Instant, now
from prober.contract import Race
from prober.http1 import Client, Connection, Exchange, release_all
from prober.judge.race import RaceVerdict, judge_race
from prober.outcome import Ask, Claim, Outcome, ProbeName, RaceOutcome
from prober.probes.accept import Accept, Accepts
from prober.probes.base import Run
from prober.probes.marks import Marks
from prober.probes.race_witness import RaceWitness
from prober.probes.synthetic import Mark, Order
from prober.probes.witness import NotAskable, Values, Witness
from prober.result import RaceHistory, RaceResult, RaceRows, VendorAnswer

# Long enough for the staged part of every request to have left this process.
STAGED = 0.002
# Making and removing the order are our own work beside the race; each gets its own bound.
WORK_TIMEOUT = 5.0

Intend = Callable[[str, str], Awaitable[object]]  # run id, order id

OUTCOME_OF_RUN = {
    RaceOutcome.ONE_WINNER: Outcome.OK,
    RaceOutcome.SETUP_FAILED: Outcome.SETUP_FAILED,
    RaceOutcome.RATE_LIMITED: Outcome.RATE_LIMITED,
    RaceOutcome.UNAVAILABLE: Outcome.NOT_KNOWN,
    RaceOutcome.UNKNOWN: Outcome.NOT_KNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceSettings:
    """What the probe has to know besides the contract. `split_every`: seconds between two second routings."""

    vendors: int
    bearer_token: str | None = None
    split_every: float = 900.0


@dataclass(slots=True, kw_only=True)
class _Race:
    """One race under way. `spread`: first to last accept released, seconds."""

    run: Run
    order: Order
    released: Instant
    answers: tuple[VendorAnswer, ...] = ()
    spread: float | None = None
    later: list[VendorAnswer] = field(default_factory=list)


class RaceProbe:
    """Runs one race a run. `intend` is told of the order before it exists anywhere."""

    name = ProbeName.RACE

    def __init__(
        self,
        contract: Race,
        settings: RaceSettings,
        mark: Mark,
        client: Client,
        witness: Witness,
        marks: Marks,
        intend: Intend,
    ) -> None:
        self._contract = contract
        self._settings = settings
        self._mark = mark
        self._client = client
        self._witness = witness
        self._marks = marks
        self._intend = intend
        self._accepts = Accepts(contract, mark, client.endpoint, settings.bearer_token)
        self._rows = RaceWitness(contract, mark, client, witness)
        self._vendors = mark.vendors(settings.vendors)
        self._split_due = float("-inf")

    async def run(self, run: Run) -> RaceResult:
        """Make an order, race for it, judge, and clean up whatever happened in between."""
        order = self._mark.order_of(run.id)
        race = _Race(run=run, order=order, released=run.started)
        values = self._values(order.id, order.routing_id)
        await self._intend(run.id, order.id)
        try:
            await self._marks.make_order(order, self._contract.create, values, timeout=WORK_TIMEOUT)
        except NotAskable as why:
            # The insert may have been committed although its answer was lost.
            leftovers = await self._clean(order)
            sentence = f"the synthetic order could not be made: {why.detail}"
            return self._result(race, RaceHistory(), RaceVerdict(RaceOutcome.SETUP_FAILED, sentence), leftovers)
        try:
            await self._race(race)
            history = await self._witnessed(race, values)
        finally:
            leftovers = await self._clean(order)
        return self._result(race, history, judge_race(history), leftovers)

    async def close(self) -> None:
        """Nothing is held between runs."""

    def _values(self, order_id: str, routing_id: str) -> dict[str, object]:
        return {
            "order_id": order_id,
            "routing_id": routing_id,
            "retailer_id": self._mark.retailer,
            "vendor_ids": [*self._vendors, self._mark.late_vendor],
        }

    async def _race(self, race: _Race) -> None:
        """Let every vendor accept at one instant."""
        connections: list[Connection] = []
        try:
            opened = await self._opened(race.run)
            connections = [c for c in opened if isinstance(c, Connection)]
            if len(connections) < len(opened):
                race.answers = self._not_raced(opened)
                return
            accepts = [self._accept(race, race.order.routing_id, vendor, Ask.RACE) for vendor in self._vendors]
            for accept, connection in zip(accepts, connections, strict=True):
                connection.stage(accept.request)
            # What was staged is on the wire once the loop has turned; then nothing stands between the releases.
            await asyncio.sleep(STAGED)
            race.released = now()
            instants = release_all(connections)
            race.spread = max(instants) - race.released.mono
            exchanges = await asyncio.gather(*(c.answer(timeout=race.run.timeout) for c in connections))
        finally:
            for connection in connections:
                connection.close()
        race.answers = tuple(
            self._accepts.read(accept, exchange, race.released.mono)
            for accept, exchange in zip(accepts, exchanges, strict=True)
        )

    async def _opened(self, run: Run) -> Sequence[Connection | Exchange]:
        """A connection for each vendor, warm; a failed exchange, or a 429, in place of what cannot be had."""
        warm_up = self._accepts.warm_up(run)

        async def opened() -> Connection | Exchange:
            connection = await self._client.connect(timeout=run.timeout)
            if warm_up is None or isinstance(connection, Exchange):
                return connection
            warmed = await connection.exchange(warm_up, timeout=run.timeout)
            if warmed.answer is None or warmed.answer.status == 429:
                connection.close()
                return warmed
            if connection.usable:
                return connection
            # A server that closes after each answer has been warmed all the same.
            connection.close()
            return await self._client.connect(timeout=run.timeout)

        return await asyncio.gather(*(opened() for _ in self._vendors))

    def _not_raced(self, opened: Sequence[Connection | Exchange]) -> tuple[VendorAnswer, ...]:
        """Tell why nobody asked: without every connection open there is no common start."""
        answers = []
        for vendor, outcome in zip(self._vendors, opened, strict=True):
            claim, why, told = Claim.NO_ANSWER, Outcome.NOT_KNOWN, "connected, but the race did not start"
            if isinstance(outcome, Exchange):
                limited = outcome.answer is not None
                claim = Claim.RATE_LIMITED if limited else Claim.NO_ANSWER
                why, told = outcome.outcome, "429 before the race" if limited else outcome.detail
            answers.append(
                VendorAnswer(
                    vendor_id=vendor, sent=None, answered=None, claim=claim, code=None, outcome=why, told=told
                )
            )
        return tuple(answers)

    async def _witnessed(self, race: _Race, values: Values) -> RaceHistory:
        """Ask every witness, and where there is one winner what can only be asked then."""
        rows = await self._rows.rows(values, race.answers)
        page_winner = rows_after = second_rows = None
        if rows is not None and rows.routing_exists:
            page_winner = await self._rows.page_winner(race.run, race.order.routing_id, rows)
        history = RaceHistory(answers=race.answers, rows=rows, page_winner=page_winner)
        if rows is not None and rows.locked_vendor and judge_race(history).outcome is RaceOutcome.ONE_WINNER:
            await self._ask(race, race.order.routing_id, rows.locked_vendor, Ask.AGAIN)
            await self._ask(race, race.order.routing_id, self._mark.late_vendor, Ask.LATE)
            rows_after = await self._rows.rows(values)
            if race.run.started.mono >= self._split_due and self._contract.second_routing:
                self._split_due = race.run.started.mono + self._settings.split_every
                second_rows = await self._second_routing(race, rows.locked_vendor)
        return RaceHistory(
            answers=(*race.answers, *race.later),
            rows=rows,
            page_winner=page_winner,
            rows_after=rows_after,
            second_rows=second_rows,
        )

    async def _ask(self, race: _Race, routing_id: str, vendor: str, ask: Ask) -> None:
        accept = self._accept(race, routing_id, vendor, ask)
        exchange = await self._client.exchange(accept.request, timeout=race.run.timeout)
        race.later.append(self._accepts.read(accept, exchange, race.released.mono))

    async def _second_routing(self, race: _Race, winner: str) -> RaceRows | None:
        """Open another routing of the order and let a vendor accept there that has not won."""
        routing_id = self._mark.second_routing(race.run.id)
        values = self._values(race.order.id, routing_id)
        try:
            await self._witness.run(self._contract.second_routing, values, timeout=WORK_TIMEOUT)
        except NotAskable:
            return None
        vendor = next(vendor for vendor in self._vendors if vendor != winner)
        await self._ask(race, routing_id, vendor, Ask.SECOND)
        return await self._rows.rows(values)

    def _accept(self, race: _Race, routing_id: str, vendor: str, ask: Ask) -> Accept:
        return self._accepts.make(race.run, race.order.id, routing_id, vendor, ask)

    async def _clean(self, order: Order) -> int:
        """Remove the order and count what is still there; -1 when that could not be done or asked."""
        try:
            await self._marks.remove_order(order, self._contract.cleanup, timeout=WORK_TIMEOUT)
            return await self._witness.count(self._contract.leftovers, order.values, timeout=WORK_TIMEOUT)
        except NotAskable:
            return -1

    def _result(self, race: _Race, history: RaceHistory, verdict: RaceVerdict, leftovers: int) -> RaceResult:
        times = [a.answered for a in race.answers if a.answered is not None]
        complete = bool(times) and len(times) == len(race.answers)
        return RaceResult(
            probe=self.name,
            run_id=race.run.id,
            started=race.released,
            duration=max(times, default=0.0) if complete else now().mono - race.released.mono,
            outcome=OUTCOME_OF_RUN.get(verdict.outcome, Outcome.VIOLATION),
            detail=verdict.sentence,
            race_outcome=verdict.outcome,
            sentence=verdict.sentence,
            routing_id=race.order.routing_id,
            order_id=race.order.id,
            released=race.released,
            history=history,
            race_duration=max(times) if complete else None,
            spread=race.spread,
            leftovers=leftovers,
        )
