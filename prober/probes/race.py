"""The race probe: a synthetic order offered to synthetic vendors who all accept at one instant.

It makes the order, opens and warms every connection, sends each request but its last byte, releases those in one
go, asks the witnesses, then lets the winner ask again and a late vendor ask, now and then also a vendor of a
second routing of the same order. A second heat, on an order of its own, runs with the order's row locked until
everybody has asked. All of it goes to the judge, and the orders are removed again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from prober.cap import Demand, race_requests
from prober.clock import now
from prober.contract import Race
from prober.http1 import Client, Exchange
from prober.judge.race import RaceVerdict, judge_race
from prober.outcome import Ask, Outcome, ProbeName, RaceOutcome
from prober.probes.accept import Accepts
from prober.probes.base import Permission, Probe, Run, Unrestricted
from prober.probes.heat import Heat, Lanes
from prober.probes.marks import Marks
from prober.probes.race_witness import RaceWitness
from prober.probes.sending import send_write
from prober.probes.synthetic import Mark, Order
from prober.probes.witness import NotAskable
from prober.result import RaceHistory, RaceResult, RaceRows, VendorAnswer

# Making and removing an order are our own work beside the race; each gets its own bound.
WORK_TIMEOUT = 5.0
# A second heat is held this much longer than the first one took, and within these bounds (seconds).
HOLD_FACTOR = 1.5
HOLD_LEAST, HOLD_MOST = 0.01, 0.25

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


class RaceProbe:
    """Runs one race a run. `intend` is told of each order before it exists anywhere."""

    name = ProbeName.RACE

    def __init__(
        self,
        contract: Race,
        settings: RaceSettings,
        mark: Mark,
        client: Client,
        marks: Marks,
        intend: Intend,
        permission: Permission | None = None,
    ) -> None:
        self._contract = contract
        self._settings = settings
        self._mark = mark
        self._client = client
        self._witness = marks.witness
        self._marks = marks
        self._intend = intend
        self._accepts = Accepts(contract, mark, client.endpoint, settings.bearer_token)
        self._rows = RaceWitness(contract, mark, client, marks.witness)
        self._vendors = mark.vendors(settings.vendors)
        self._permission = permission or Unrestricted()
        self._split_last = float("-inf")
        self.demand = Demand(routing=race_requests(settings.vendors))

    async def run(self, run: Run) -> RaceResult:
        """Make an order, race for it, judge, and clean up whatever happened in between."""
        order, _ = self._mark.orders_of(run.id)
        heat = Heat(order_id=order.id, routing_id=order.routing_id, released=run.started)
        try:
            await self._create(order, heat)
        except NotAskable as why:
            # The insert may have been committed although its answer was lost.
            leftovers = await self._clean(order)
            sentence = f"the synthetic order could not be made: {why.detail}"
            verdict = RaceVerdict(RaceOutcome.SETUP_FAILED, sentence)
            return self._result(run, heat, RaceHistory(), verdict, leftovers)
        lanes = Lanes(self._client, self._accepts, self._vendors, run, self._permission)
        leftovers = 0
        try:
            await lanes.race(heat, Ask.RACE)
            history = await self._witnessed(run, heat)
            if judge_race(history).outcome is RaceOutcome.ONE_WINNER:
                history, leftovers = await self._held(run, heat, lanes, history)
        finally:
            lanes.close()
            leftovers = _both(leftovers, await self._clean(order))
        return self._result(run, heat, history, self._judged(heat, history), leftovers)

    def succeed(self, before: Probe) -> None:
        """Take over when the last second routing was opened."""
        if isinstance(before, RaceProbe):
            self._split_last = max(self._split_last, before._split_last)

    async def close(self) -> None:
        """Nothing is held between runs."""

    def _judged(self, heat: Heat, history: RaceHistory) -> RaceVerdict:
        if heat.held_back is None:
            return judge_race(history)
        sentence = f"given up before the accepts were released: writes are held back ({heat.held_back})"
        return RaceVerdict(RaceOutcome.SETUP_FAILED, sentence)

    async def _create(self, order: Order, heat: Heat) -> None:
        if (refused := self._permission.refusal()) is not None:
            raise NotAskable(Outcome.SETUP_FAILED, f"writes are held back: {refused}")
        await self._intend(order.run_id, order.id)
        await self._marks.make_order(order, self._contract.create, self._values(heat), timeout=WORK_TIMEOUT)

    def _values(self, heat: Heat, routing_id: str | None = None) -> dict[str, object]:
        return {
            "order_id": heat.order_id,
            "routing_id": routing_id or heat.routing_id,
            "retailer_id": self._mark.retailer,
            "vendor_ids": [*self._vendors, self._mark.late_vendor],
        }

    async def _witnessed(self, run: Run, heat: Heat) -> RaceHistory:
        """Ask every witness, and where there is one winner what can only be asked then."""
        values = self._values(heat)
        rows = await self._rows.rows(values, heat.answers)
        page_winner = None
        if rows is not None and rows.routing_exists:
            page_winner = await self._rows.page_winner(run, heat.routing_id, rows)
        history = RaceHistory(answers=heat.answers, rows=rows, page_winner=page_winner)
        if rows is None or not rows.locked_vendor or judge_race(history).outcome is not RaceOutcome.ONE_WINNER:
            return history
        later = [
            *await self._ask(run, heat, heat.routing_id, rows.locked_vendor, Ask.AGAIN),
            *await self._ask(run, heat, heat.routing_id, self._mark.late_vendor, Ask.LATE),
        ]
        rows_after = await self._rows.rows(values)
        second_rows = None
        due = run.started.mono >= self._split_last + self._settings.split_every
        if due and self._contract.second_routing:
            self._split_last = run.started.mono
            second, second_rows = await self._second_routing(run, heat, rows.locked_vendor)
            later += second
        return replace(history, answers=(*heat.answers, *later), rows_after=rows_after, second_rows=second_rows)

    async def _ask(self, run: Run, heat: Heat, routing_id: str, vendor: str, ask: Ask) -> list[VendorAnswer]:
        """What a vendor was answered; nothing where no write may begin any more."""
        accept = self._accepts.make(run, heat.order_id, routing_id, vendor, ask, self._permission.fence)
        sent = await send_write(
            self._client, run.permit, self._permission, accept.fence, accept.request, timeout=run.timeout
        )
        return [self._accepts.read(accept, sent, heat.released.mono)] if isinstance(sent, Exchange) else []

    async def _second_routing(
        self, run: Run, heat: Heat, winner: str
    ) -> tuple[list[VendorAnswer], RaceRows | None]:
        """Open another routing of the order and let a vendor accept there that has not won."""
        routing_id = self._mark.second_routing(run.id)
        values = self._values(heat, routing_id)
        if self._permission.refusal() is not None:
            return [], None
        try:
            await self._witness.run(self._contract.second_routing, values, timeout=WORK_TIMEOUT)
        except NotAskable:
            return [], None
        vendor = next(vendor for vendor in self._vendors if vendor != winner)
        answers = await self._ask(run, heat, routing_id, vendor, Ask.SECOND)
        return answers, await self._rows.rows(values)

    async def _held(self, run: Run, first: Heat, lanes: Lanes, history: RaceHistory) -> tuple[RaceHistory, int]:
        """Run a second heat whose row is locked until everybody has asked; what it left beside the history."""
        hold = self._contract.hold
        if hold is None or not first.times:
            return history, 0
        _, order = self._mark.orders_of(run.id)
        heat = Heat(order_id=order.id, routing_id=order.routing_id, released=first.released)
        seconds = min(max(HOLD_FACTOR * max(first.times), HOLD_LEAST), HOLD_MOST)
        values = self._values(heat)
        try:
            await self._create(order, heat)
            async with self._witness.hold(hold, values, timeout=WORK_TIMEOUT):
                racing = await lanes.started(heat, Ask.HELD)
                await racing.until(seconds)
            await racing.answered()
            held_rows = await self._rows.rows(values, heat.answers)
            history = replace(history, answers=(*history.answers, *heat.answers), held_rows=held_rows)
        except NotAskable as why:
            # Without the lock there is nothing to learn that the first heat has not told.
            history = replace(history, not_held=why.detail)
        finally:
            leftovers = await self._clean(order)
        return history, leftovers

    async def _clean(self, order: Order) -> int:
        """Remove an order and count what is still there; -1 when that could not be done or asked."""
        if self._permission.refusal(undo=True) is not None:
            return -1
        try:
            await self._marks.remove_order(order, self._contract.cleanup, timeout=WORK_TIMEOUT)
            return await self._witness.count(self._contract.leftovers, order.values, timeout=WORK_TIMEOUT)
        except NotAskable:
            return -1

    def _result(
        self, run: Run, heat: Heat, history: RaceHistory, verdict: RaceVerdict, leftovers: int
    ) -> RaceResult:
        times = heat.times
        complete = bool(times) and len(times) == len(heat.answers)
        return RaceResult(
            probe=self.name,
            run_id=run.id,
            started=heat.released,
            duration=max(times, default=0.0) if complete else now().mono - heat.released.mono,
            outcome=OUTCOME_OF_RUN.get(verdict.outcome, Outcome.VIOLATION),
            detail=verdict.sentence,
            race_outcome=verdict.outcome,
            sentence=verdict.sentence,
            routing_id=heat.routing_id,
            order_id=heat.order_id,
            orders=tuple(order.id for order in self._mark.orders_of(run.id)),
            released=heat.released,
            history=history,
            race_duration=max(times) if complete else None,
            spread=heat.spread,
            leftovers=leftovers,
        )


def _both(one: int, other: int) -> int:
    """The leftovers of two orders; -1 where one of them is not known."""
    return -1 if min(one, other) < 0 else one + other
