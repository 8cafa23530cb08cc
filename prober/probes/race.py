"""The race probe: a synthetic order offered to synthetic vendors who all accept at one instant.

It makes the order, opens every connection, sends each request but its last bytes, releases those in one go,
asks the witnesses, has it judged, and removes the order again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prober.cap import ASKING_AGAIN, Demand
from prober.clock import Instant, now
from prober.contract import Race, fill
from prober.http1 import Client, Connection, Exchange, build_request, release_all
from prober.judge.race import RaceVerdict, agrees, judge_race
from prober.outcome import Claim, Outcome, ProbeName, RaceOutcome
from prober.probes.base import Run
from prober.probes.synthetic import HEADER, Mark, new_trace
from prober.probes.witness import NotAskable, Values, Witness
from prober.result import RaceResult, RaceRows, VendorAnswer

# Rows may follow the answers by a moment: they are read again for this long before anyone is convicted.
SETTLE = 2.0
SETTLE_STEP = 0.05
# Long enough for the staged part of every request to have left this process.
STAGED = 0.002
# Making, witnessing and removing the order are our own work beside the race; each gets its own bound.
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
    """What the probe has to know besides the contract."""

    vendors: int
    bearer_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raced:
    """A race as it was run, before the witnesses were asked. `spread`: first to last release, seconds."""

    released: Instant
    answers: tuple[VendorAnswer, ...]
    spread: float | None


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
        intend: Intend,
    ) -> None:
        self._contract = contract
        self._settings = settings
        self._mark = mark
        self._client = client
        self._witness = witness
        self._intend = intend
        self._vendors = mark.vendors(settings.vendors)
        # Each vendor's accept, the winner asking again, and a late vendor.
        self.demand = Demand(routing=settings.vendors + ASKING_AGAIN)

    async def run(self, run: Run) -> RaceResult:
        """Make an order, race for it, judge, and clean up whatever happened in between."""
        order_id, routing_id = self._mark.order(run.id), self._mark.routing(run.id)
        values = self._values(order_id, routing_id)
        await self._intend(run.id, order_id)
        try:
            await self._witness.run(self._contract.create, values, timeout=WORK_TIMEOUT)
        except NotAskable as why:
            # The insert may have been committed although its answer was lost.
            leftovers = await self._clean(values)
            return self._no_race(run, values, f"the synthetic order could not be made: {why.detail}", leftovers)
        try:
            raced = await self._race(run, order_id, routing_id)
            rows = await self._witnessed(values, raced.answers)
        finally:
            leftovers = await self._clean(values)
        verdict = judge_race(raced.answers, rows)
        return self._result(run, values, raced, rows, verdict, leftovers)

    async def close(self) -> None:
        """Nothing is held between runs."""

    def _values(self, order_id: str, routing_id: str) -> dict[str, object]:
        return {
            "order_id": order_id,
            "routing_id": routing_id,
            "retailer_id": self._mark.retailer,
            "vendor_ids": list(self._vendors),
        }

    async def _race(self, run: Run, order_id: str, routing_id: str) -> _Raced:
        opened = await asyncio.gather(
            *(self._client.connect(run.permit, timeout=run.timeout) for _ in self._vendors)
        )
        connections = [c for c in opened if isinstance(c, Connection)]
        try:
            if len(connections) < len(opened):
                return self._not_raced(run, opened)
            traces = [
                self._stage(run, order_id, routing_id, vendor, connection)
                for vendor, connection in zip(self._vendors, connections, strict=True)
            ]
            # What was staged is on the wire once the loop has turned; then nothing stands between the releases.
            await asyncio.sleep(STAGED)
            instants = release_all(connections)
            released = now().later(instants[0])
            exchanges = await asyncio.gather(*(c.answer(timeout=run.timeout) for c in connections))
        finally:
            for connection in connections:
                connection.close()
        answers = tuple(
            self._read(vendor, trace, exchange, released.mono)
            for vendor, trace, exchange in zip(self._vendors, traces, exchanges, strict=True)
        )
        return _Raced(released=released, answers=answers, spread=instants[-1] - instants[0])

    def _not_raced(self, run: Run, opened: Sequence[Connection | Exchange]) -> _Raced:
        """Tell why nobody asked: without every connection open there is no common start."""
        answers = tuple(
            VendorAnswer(
                vendor_id=vendor,
                sent=None,
                answered=None,
                claim=Claim.NO_ANSWER,
                code=None,
                outcome=outcome.outcome if isinstance(outcome, Exchange) else Outcome.NOT_KNOWN,
                told=outcome.detail if isinstance(outcome, Exchange) else "connected, but the race did not start",
            )
            for vendor, outcome in zip(self._vendors, opened, strict=True)
        )
        return _Raced(released=run.started, answers=answers, spread=None)

    def _stage(self, run: Run, order_id: str, routing_id: str, vendor: str, connection: Connection) -> str:
        trace_id, traceparent = new_trace()
        connection.stage(self._accept(run, order_id, routing_id, vendor, traceparent))
        return trace_id

    def _accept(self, run: Run, order_id: str, routing_id: str, vendor: str, traceparent: str) -> bytes:
        accept = self._contract.accept
        values = {"order_id": order_id, "routing_id": routing_id, "vendor_id": vendor}
        headers = {
            **accept.headers,
            "Content-Type": "application/json",
            HEADER: self._mark.header(run.id),
            "traceparent": traceparent,
        }
        if accept.idempotency_header is not None:
            headers[accept.idempotency_header] = f"{routing_id}-{vendor}"
        if self._settings.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self._settings.bearer_token}"
        body = json.dumps({key: fill(text, values) for key, text in accept.body.items()})
        return build_request("POST", self._client.endpoint, fill(accept.path, values), headers, body.encode())

    def _read(self, vendor: str, trace: str, exchange: Exchange, released: float) -> VendorAnswer:
        sent = None if exchange.sent is None else exchange.sent - released
        if exchange.answer is None:
            claim, told, code, answered = Claim.NO_ANSWER, exchange.detail, None, None
        else:
            code = exchange.answer.status
            claim = self._contract.read(code, exchange.answer.body)
            told = f"{code} {exchange.answer.body[:480].decode('utf-8', 'replace')}"
            answered = exchange.finished - released
        return VendorAnswer(
            vendor_id=vendor,
            sent=sent,
            answered=answered,
            claim=claim,
            code=code,
            outcome=exchange.outcome,
            told=told,
            trace_id=trace,
        )

    async def _witnessed(self, values: Values, answers: tuple[VendorAnswer, ...]) -> RaceRows | None:
        deadline = time.monotonic() + SETTLE
        rows: RaceRows | None = None
        while True:
            try:
                found = await self._witness.fetch(self._contract.rows, values, timeout=WORK_TIMEOUT)
            except NotAskable:
                # Rows read before this moment may have been too early: better none than old ones.
                return None
            rows = _rows(found)
            if agrees(answers, rows) or not rows.routing_exists or time.monotonic() >= deadline:
                return rows
            await asyncio.sleep(SETTLE_STEP)

    async def _clean(self, values: Values) -> int:
        """Remove the order and count what is still there; -1 when that could not be done or asked."""
        try:
            await self._witness.run(self._contract.cleanup, values, timeout=WORK_TIMEOUT)
            return await self._witness.count(self._contract.leftovers, values, timeout=WORK_TIMEOUT)
        except NotAskable:
            return -1

    def _no_race(self, run: Run, values: Values, sentence: str, leftovers: int) -> RaceResult:
        raced = _Raced(released=run.started, answers=(), spread=None)
        verdict = RaceVerdict(RaceOutcome.SETUP_FAILED, sentence)
        return self._result(run, values, raced, None, verdict, leftovers)

    def _result(
        self,
        run: Run,
        values: Values,
        raced: _Raced,
        rows: RaceRows | None,
        verdict: RaceVerdict,
        leftovers: int,
    ) -> RaceResult:
        times = [a.answered for a in raced.answers if a.answered is not None]
        complete = bool(times) and len(times) == len(raced.answers)
        return RaceResult(
            probe=self.name,
            run_id=run.id,
            started=raced.released,
            duration=max(times, default=0.0) if complete else now().mono - raced.released.mono,
            outcome=OUTCOME_OF_RUN.get(verdict.outcome, Outcome.VIOLATION),
            detail=verdict.sentence,
            race_outcome=verdict.outcome,
            sentence=verdict.sentence,
            routing_id=str(values["routing_id"]),
            order_id=str(values["order_id"]),
            released=raced.released,
            answers=raced.answers,
            rows=rows,
            race_duration=max(times) if complete else None,
            spread=raced.spread,
            leftovers=leftovers,
        )


def _rows(found: Sequence[Values]) -> RaceRows:
    if not found:
        return RaceRows(locked_vendor=None, accepted_vendors=(), routing_exists=False)
    row = found[0]
    locked, accepted = row["locked_vendor"], row["accepted_vendors"]
    return RaceRows(
        locked_vendor=None if locked is None else str(locked),
        accepted_vendors=tuple(str(v) for v in accepted) if isinstance(accepted, list | tuple) else (),
    )
