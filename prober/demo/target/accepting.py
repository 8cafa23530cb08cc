"""Who gets the order: the one place where a routing is locked, correctly, or as one of the planted faults has it.

Correct: under the row lock of the order (so that two routings of one order cannot both be won) one
`UPDATE … WHERE "lockedWholesalerId" IS NULL`, in one transaction with the winner's response row and event.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg

from prober.clock import Instant
from prober.demo.target.database import Connection
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


class Verdict(StrEnum):
    """What an accept comes to."""

    LOCKED = "locked"
    ALREADY_ACCEPTED = "already_accepted"
    LOST_RACE = "lost_race"  # the lock was taken while this accept was under way
    ALREADY_LOCKED = "already_locked"
    CONFLICT = "conflict"  # this vendor has another routing of the same order
    UNKNOWN_ROUTING = "unknown_routing"
    UNKNOWN_VENDOR = "unknown_vendor"
    NO_RESPONSE_ROW = "no_response_row"  # whatever became of the lock


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one accept. `winner` is the vendor told to have the lock; `why` is for the record."""

    verdict: Verdict
    winner: str | None = None
    why: str = "correct"
    window: float | None = None  # seconds between looking and having written, for the fault double_accept_rare


_LOOK = """
SELECT r."orderId" AS order_id, r."lockedWholesalerId" AS locked,
       extract(epoch FROM r."lockedAt" AT TIME ZONE 'UTC')::float8 AS locked_at,
       EXISTS (SELECT FROM wholesalers w WHERE w.id = $2) AS vendor_known,
       s.id AS response_id,
       EXISTS (SELECT FROM vendor_cancellations c WHERE c."vendorResponseId" = s.id) AS lost_before,
       EXISTS (SELECT FROM vendor_routings o WHERE o."orderId" = r."orderId" AND o.id <> r.id
                  AND o."lockedWholesalerId" = $2) AS has_other,
       EXISTS (SELECT FROM vendor_routings o WHERE o."orderId" = r."orderId" AND o.id <> r.id
                  AND o."lockedWholesalerId" IS NOT NULL) AS order_taken
  FROM vendor_routings r
  LEFT JOIN vendor_responses s ON s."vendorRoutingId" = r.id AND s."wholesalerId" = $2
 WHERE r.id = $1
"""

_LOCK_ORDER = "SELECT 1 FROM orders WHERE id = $1 FOR NO KEY UPDATE"

_TAKE_LOCK = """
UPDATE vendor_routings
   SET "lockedWholesalerId" = $2, "lockedAt" = clock_timestamp(), version = version + 1, "updatedAt" = now()
 WHERE id = $1 AND "lockedWholesalerId" IS NULL
   AND ($4 OR NOT EXISTS (SELECT FROM vendor_routings o WHERE o."orderId" = $3 AND o.id <> $1
                             AND o."lockedWholesalerId" IS NOT NULL))
RETURNING 1
"""

_HOLDER = 'SELECT "lockedWholesalerId" FROM vendor_routings WHERE id = $1'

# Without the condition: what the faults write.
_OVERWRITE_LOCK = """
UPDATE vendor_routings
   SET "lockedWholesalerId" = $2, "lockedAt" = clock_timestamp(), version = version + 1, "updatedAt" = now()
 WHERE id = $1
"""

_WRITE_WIN = """
WITH response AS (
    UPDATE vendor_responses
       SET "responseType" = 'ACCEPT', "acceptedAt" = now(), "updatedAt" = now(),
           "responseTime" = (extract(epoch FROM now() - "createdAt") * 1000)::int
     WHERE "vendorRoutingId" = $1 AND "wholesalerId" = $2
)
INSERT INTO order_events (id, "orderId", "eventType", payload) VALUES ($3, $4, 'VENDOR_ACCEPTED', $5)
"""

_WRITE_LOSS = """
INSERT INTO vendor_cancellations (id, "vendorResponseId", reason, "sentAt", "updatedAt")
VALUES ($1, $2, 'LOST_RACE', now(), now()) ON CONFLICT ("vendorResponseId") DO NOTHING
"""

_OTHER_VENDOR = """
SELECT "wholesalerId" FROM vendor_responses
 WHERE "vendorRoutingId" = $1 AND "wholesalerId" <> $2 ORDER BY "wholesalerId" LIMIT 1
"""

_TOLD_WINNER = """
SELECT payload::json ->> 'vendorId' FROM order_events
 WHERE "orderId" = $1 AND "eventType" = 'VENDOR_ACCEPTED' AND payload::json ->> 'routingId' = $2
 ORDER BY timestamp LIMIT 1
"""


async def accept(connection: Connection, state: State, routing: str, vendor: str, arrived: Instant) -> Decision:
    """Decide one accept and write it down."""
    seen = await connection.fetchrow(_LOOK, routing, vendor)
    if seen is None:
        return Decision(Verdict.UNKNOWN_ROUTING)
    if not seen["vendor_known"]:
        return Decision(Verdict.UNKNOWN_VENDOR)
    decision = await _decide(connection, state, routing, vendor, arrived, seen)
    if seen["response_id"] is None:
        return Decision(Verdict.NO_RESPONSE_ROW, decision.winner, f"{decision.verdict}, {decision.why}")
    if decision.verdict in (Verdict.LOST_RACE, Verdict.ALREADY_LOCKED) and decision.winner is not None:
        await _write_loss(connection, seen["response_id"])
    return decision


async def _decide(
    connection: Connection, state: State, routing: str, vendor: str, arrived: Instant, seen: asyncpg.Record
) -> Decision:
    if state.planted(NoWinner) is not None:
        return Decision(Verdict.LOST_RACE, None, NoWinner.name)
    order: str = seen["order_id"]
    if seen["locked"] is not None:
        return await _decide_locked(connection, state, routing, vendor, arrived, seen)
    if seen["has_other"]:
        return Decision(Verdict.CONFLICT, vendor)
    split = state.planted(SplitOrder) is not None
    if seen["order_taken"] and not split:
        return Decision(Verdict.ALREADY_LOCKED, None, "another routing of the order is won")
    double = state.planted(DoubleAccept)
    if double is not None:
        await asyncio.sleep(double.window_ms / 1000)
        return await _take_blindly(connection, routing, vendor, order, DoubleAccept.name)
    if state.planted(DoubleAcceptRare) is not None:
        return await _take_unlocked(connection, routing, vendor, order)
    if state.planted(PhantomWinner) is not None:
        written = await connection.fetchval(_OTHER_VENDOR, routing, vendor)
        return await _take_lock(connection, routing, vendor, order, split, written)
    return await _take_lock(connection, routing, vendor, order, split, None)


async def _decide_locked(
    connection: Connection, state: State, routing: str, vendor: str, arrived: Instant, seen: asyncpg.Record
) -> Decision:
    winner: str = seen["locked"]
    if state.planted(PhantomWinner) is not None:
        winner = await connection.fetchval(_TOLD_WINNER, seen["order_id"], routing) or winner
    if winner == vendor:
        if state.planted(NotIdempotent) is not None:
            return Decision(Verdict.ALREADY_LOCKED, None, NotIdempotent.name)
        return Decision(Verdict.ALREADY_ACCEPTED, vendor)
    late = state.planted(LateWinner)
    if late is not None and (seen["lost_before"] or _is_late(arrived, seen["locked_at"], late.after_ms)):
        if not late.take_lock:
            return Decision(Verdict.LOCKED, vendor, LateWinner.name)
        return await _take_blindly(connection, routing, vendor, seen["order_id"], LateWinner.name)
    return Decision(Verdict.ALREADY_LOCKED, winner)


def _is_late(arrived: Instant, locked_at: float | None, after_ms: float) -> bool:
    return locked_at is not None and (arrived.wall - locked_at) * 1000 > after_ms


async def _take_lock(
    connection: Connection, routing: str, vendor: str, order: str, split: bool, written: str | None
) -> Decision:
    """Take the lock, for `written` where that is given: the vendor told it won is another then."""
    try:
        async with connection.transaction():
            if not split:
                await connection.execute(_LOCK_ORDER, order)
            won = await connection.fetchval(_TAKE_LOCK, routing, written or vendor, order, split)
            if won is None:
                return Decision(Verdict.LOST_RACE, await connection.fetchval(_HOLDER, routing))
            await _write_win(connection, routing, vendor, order, written or vendor)
    except asyncpg.UniqueViolationError:  # ("orderId", "lockedWholesalerId")
        return Decision(Verdict.CONFLICT, vendor)
    return Decision(Verdict.LOCKED, vendor, "correct" if written is None else PhantomWinner.name)


async def _take_unlocked(connection: Connection, routing: str, vendor: str, order: str) -> Decision:
    """SELECT, then UPDATE, each its own transaction: open for as long as two statements take, no longer.

    With synchronous_commit the window would be as long as a disk needs, several times of what the fault promises.
    """
    await connection.execute("SET synchronous_commit = off")
    try:
        looked = time.monotonic()
        holder = await connection.fetchval(_HOLDER, routing)
        if holder is not None:
            return Decision(Verdict.LOST_RACE, holder, DoubleAcceptRare.name)
        await connection.execute(_OVERWRITE_LOCK, routing, vendor)
        window = time.monotonic() - looked
        await _write_win(connection, routing, vendor, order, vendor)
    except asyncpg.UniqueViolationError:
        return Decision(Verdict.CONFLICT, vendor, DoubleAcceptRare.name)
    finally:
        await connection.execute("RESET synchronous_commit")
    return Decision(Verdict.LOCKED, vendor, DoubleAcceptRare.name, window)


async def _take_blindly(connection: Connection, routing: str, vendor: str, order: str, why: str) -> Decision:
    """What was looked at some time ago is not looked at again, and nothing is in one transaction."""
    try:
        await connection.execute(_OVERWRITE_LOCK, routing, vendor)
    except asyncpg.UniqueViolationError:
        return Decision(Verdict.CONFLICT, vendor, why)
    await _write_win(connection, routing, vendor, order, vendor)
    return Decision(Verdict.LOCKED, vendor, why)


async def _write_win(connection: Connection, routing: str, told: str, order: str, written: str) -> None:
    payload: dict[str, Any] = {"routingId": routing, "vendorId": told}
    await connection.execute(
        _WRITE_WIN, routing, written, "oe_" + secrets.token_hex(12), order, json.dumps(payload)
    )


async def _write_loss(connection: Connection, response: str) -> None:
    with suppress(asyncpg.ForeignKeyViolationError):  # the order was deleted meanwhile: nobody is left to tell
        await connection.execute(_WRITE_LOSS, "vc_" + secrets.token_hex(12), response)
