"""Who gets the order: the one place where a routing is locked, correctly, or as one of the planted faults has it.

Correct: under the row lock of the order (so that two routings of one order cannot both be won) one UPDATE on
the condition that nobody has the lock, in one transaction with the winner's response row and event. The
statements are those of the target's form.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg

from prober.clock import Instant
from prober.demo.target.database import Connection, rows, value
from prober.demo.target.decision import Decision, Verdict
from prober.demo.target.faults import (
    DoubleAccept,
    DoubleAcceptRare,
    LateWinner,
    NotIdempotent,
    NoWinner,
    PhantomWinner,
    SplitOrder,
    State,
)
from prober.demo.target.forms import RoutingStatements
from prober.sql import Sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """One accept: a vendor asks for a routing. `arrived` is when its request was read."""

    statements: RoutingStatements
    state: State
    routing: str
    vendor: str
    arrived: Instant

    async def decide(self, connection: Connection) -> Decision:
        """Decide it and write that down."""
        return await _Deciding(connection, self).decide()


@dataclass(frozen=True, slots=True)
class _Deciding:
    connection: Connection
    accept: Accept

    async def decide(self) -> Decision:
        found = await rows(
            self.connection, self.accept.statements.look, routing=self.accept.routing, vendor=self.accept.vendor
        )
        if not found:
            return Decision(Verdict.UNKNOWN_ROUTING)
        seen = found[0]
        if not seen["vendor_known"]:
            return Decision(Verdict.UNKNOWN_VENDOR)
        decision = await self._decide(seen)
        if seen["response_id"] is None:
            return Decision(Verdict.NO_RESPONSE_ROW, decision.winner, f"{decision.verdict}, {decision.why}")
        if decision.verdict in (Verdict.LOST_RACE, Verdict.ALREADY_LOCKED) and decision.winner is not None:
            await self._write_loss(seen["response_id"])
        return decision

    async def _decide(self, seen: asyncpg.Record) -> Decision:
        state, vendor, order = self.accept.state, self.accept.vendor, seen["order_id"]
        if state.planted(NoWinner) is not None:
            return Decision(Verdict.LOST_RACE, None, NoWinner.name)
        if seen["locked"] is not None:
            return await self._decide_locked(seen)
        if seen["has_other"]:
            return Decision(Verdict.CONFLICT, vendor)
        split = state.planted(SplitOrder) is not None
        if seen["order_taken"] and not split:
            return Decision(Verdict.ALREADY_LOCKED, None, "another routing of the order is won")
        double = state.planted(DoubleAccept)
        if double is not None:
            await asyncio.sleep(double.window_ms / 1000)
            return await self._take_blindly(order, DoubleAccept.name)
        if state.planted(DoubleAcceptRare) is not None:
            return await self._take_unlocked(order)
        if state.planted(PhantomWinner) is not None:
            written = await self._value(self.accept.statements.other_vendor)
            return await self._take_lock(order, split, written)
        return await self._take_lock(order, split, None)

    async def _decide_locked(self, seen: asyncpg.Record) -> Decision:
        state, vendor, order = self.accept.state, self.accept.vendor, seen["order_id"]
        winner: str = seen["locked"]
        if state.planted(PhantomWinner) is not None:
            winner = await self._value(self.accept.statements.told_winner, order=order) or winner
        if winner == vendor:
            if state.planted(NotIdempotent) is not None:
                return Decision(Verdict.ALREADY_LOCKED, None, NotIdempotent.name)
            return Decision(Verdict.ALREADY_ACCEPTED, vendor)
        late = state.planted(LateWinner)
        if late is not None and (seen["lost_before"] or self._is_late(seen["locked_at"], late.after_ms)):
            if not late.take_lock:
                return Decision(Verdict.LOCKED, vendor, LateWinner.name)
            return await self._take_blindly(order, LateWinner.name)
        return Decision(Verdict.ALREADY_LOCKED, winner)

    def _is_late(self, locked_at: float | None, after_ms: float) -> bool:
        return locked_at is not None and (self.accept.arrived.wall - locked_at) * 1000 > after_ms

    async def _take_lock(self, order: str, split: bool, written: str | None) -> Decision:
        """Take the lock, for `written` where that is given: the vendor told it won is another then."""
        statements, vendor = self.accept.statements, self.accept.vendor
        holder = written or vendor
        try:
            async with self.connection.transaction():
                if not split:
                    await self._value(statements.lock_order, order=order)
                if await self._value(statements.take_lock, vendor=holder, order=order, split=split) is None:
                    return Decision(Verdict.LOST_RACE, await self._value(statements.holder))
                await self._write_win(order, holder)
        except asyncpg.UniqueViolationError:  # of order and holder
            return Decision(Verdict.CONFLICT, vendor)
        return Decision(Verdict.LOCKED, vendor, "correct" if written is None else PhantomWinner.name)

    async def _take_unlocked(self, order: str) -> Decision:
        """SELECT, then UPDATE, each its own transaction: open for as long as two statements take, no longer.

        With synchronous_commit the window would be as long as a disk needs, several times of what the fault
        promises.
        """
        statements, vendor = self.accept.statements, self.accept.vendor
        await self.connection.execute("SET synchronous_commit = off")
        try:
            looked = time.monotonic()
            holder = await self._value(statements.holder)
            if holder is not None:
                return Decision(Verdict.LOST_RACE, holder, DoubleAcceptRare.name)
            await self._value(statements.overwrite_lock)
            window = time.monotonic() - looked
            await self._write_win(order, vendor)
        except asyncpg.UniqueViolationError:
            return Decision(Verdict.CONFLICT, vendor, DoubleAcceptRare.name)
        finally:
            await self.connection.execute("RESET synchronous_commit")
        return Decision(Verdict.LOCKED, vendor, DoubleAcceptRare.name, window)

    async def _take_blindly(self, order: str, why: str) -> Decision:
        """What was looked at some time ago is not looked at again, and nothing is in one transaction."""
        try:
            await self._value(self.accept.statements.overwrite_lock)
        except asyncpg.UniqueViolationError:
            return Decision(Verdict.CONFLICT, self.accept.vendor, why)
        await self._write_win(order, self.accept.vendor)
        return Decision(Verdict.LOCKED, self.accept.vendor, why)

    async def _write_win(self, order: str, written: str) -> None:
        payload = json.dumps({"routingId": self.accept.routing, "vendorId": self.accept.vendor})
        event = "oe_" + secrets.token_hex(12)
        await self._value(
            self.accept.statements.write_win, vendor=written, order=order, event_id=event, payload=payload
        )

    async def _write_loss(self, response: str) -> None:
        identity = "vc_" + secrets.token_hex(12)
        with suppress(asyncpg.ForeignKeyViolationError):  # the order was deleted meanwhile: nobody is left to tell
            await self._value(self.accept.statements.write_loss, cancellation_id=identity, response=response)

    async def _value(self, sql: Sql, **more: object) -> Any:
        named = {"routing": self.accept.routing, "vendor": self.accept.vendor, **more}
        return await value(self.connection, sql, **named)
