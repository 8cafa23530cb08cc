"""Rows and keys that are real, or only look like ours: put into a target beforehand, and compared afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prober.demo.stack import Stack

REAL_NUMBER, REAL_RETAILER, REAL_VENDOR = "+9779800000001", "c1f0-retailer", "c1f0-vendor"
# Ids of exactly our form, of a run that never was.
NO_RUN = "0000000000000000000"
OUR_ORDER, OUR_ROUTING = f"synthetic-prober-demo-order-{NO_RUN}", f"synthetic-prober-demo-routing-{NO_RUN}"
TIME = "2026-01-02 03:04:05"

Row = Mapping[str, Any]


def _retailer(id_: str, number: str) -> Row:
    return {"id": id_, "phoneNumber": number, "whatsappNumber": number, "updatedAt": TIME}


def _vendor(id_: str, number: str, name: str) -> Row:
    place = dict.fromkeys(("ownerName", "businessAddress", "city", "state", "pincode"), "none")
    numbers = {"phoneNumber": number, "whatsappNumber": number, "latitude": 0.0, "longitude": 0.0}
    return {"id": id_, "businessName": name, **place, **numbers, "categories": "[]", "updatedAt": TIME}


def _order(id_: str, number: str, retailer: str = REAL_RETAILER) -> Row:
    return {"id": id_, "orderNumber": number, "retailerId": retailer, "totalAmount": 12, "updatedAt": TIME}


def _routing(id_: str, order: str) -> Row:
    return {
        "id": id_, "orderId": order, "retailerId": REAL_RETAILER, "eligibleVendors": "[]", "updatedAt": TIME
    }  # fmt: skip


def _response(id_: str, routing: str, vendor: str) -> Row:
    return {
        "id": id_, "vendorRoutingId": routing, "wholesalerId": vendor, "responseType": "PENDING", "updatedAt": TIME
    }  # fmt: skip


def _message(id_: str, number: str, body: str) -> Row:
    return {"id": id_, "from": number, "to": "SYSTEM", "body": body, "direction": "INCOMING"}


def _processed(sid: str, number: str, kind: str) -> Row:
    return {
        "id": sid, "messageSid": sid, "phoneNumber": number, "status": "processed", "messageType": kind,
        "updatedAt": TIME,
    }  # fmt: skip


# By table, in an order in which foreign keys hold.
ROWS: Mapping[str, tuple[Row, ...]] = {
    "retailers": (
        _retailer(REAL_RETAILER, REAL_NUMBER),
        _retailer("synthetic-prober", "synthetic-prober"),
        _retailer("synthetic-prober-demo-retailer-2", "synthetic-prober-demo-retailer-2"),
    ),
    "wholesalers": (
        _vendor(REAL_VENDOR, "+9779800000002", "Real Rice"),
        _vendor("synthetic-prober-demo-vendor", "synthetic-prober-demo-vendor", "synthetic-prober"),
        _vendor("synthetic-prober-demo-vendor-1000", "synthetic-prober-demo-vendor-1000", "synthetic-prober"),
    ),
    "orders": (
        _order("c1f0-order-1", "ORD-1"),
        _order("c1f0-order-2", "synthetic-prober-demo-order-1"),
        _order("synthetic-prober-demo-order-1", "ORD-2"),
        _order(OUR_ORDER, "ORD-3"),
        _order("synthetic-prober-order", "ORD-4", "synthetic-prober-demo-retailer-2"),
    ),
    "vendor_routings": (
        _routing("c1f0-routing-1", "c1f0-order-1"),
        _routing("synthetic-prober-demo-routing-1", "synthetic-prober-demo-order-1"),
        _routing(OUR_ROUTING, OUR_ORDER),
    ),
    "vendor_responses": (
        _response("c1f0-response-1", "c1f0-routing-1", REAL_VENDOR),
        _response("synthetic-prober-demo-routing-1-1", "synthetic-prober-demo-routing-1", REAL_VENDOR),
        _response(f"{OUR_ROUTING}-1", OUR_ROUTING, REAL_VENDOR),
        _response(f"{OUR_ROUTING}-2", OUR_ROUTING, "synthetic-prober-demo-vendor"),
    ),
    "whatsapp_messages": (
        _message("c1f0-message-1", REAL_NUMBER, "Two bags of rice"),
        _message("c1f0-message-2", REAL_NUMBER, f"synthetic-prober demo {NO_RUN}"),
        _message("synthetic-prober-demo-message", REAL_NUMBER, "synthetic-prober"),
        _message("c1f0-message-3", "+999000000001", f"synthetic-prober demo {NO_RUN} and more"),
    ),
    "processed_messages": (
        _processed("SM" + "c1f0" * 8, REAL_NUMBER, "text"),
        _processed("SM" + "c1f1" * 8, "+999000000000", "synthetic-prober"),
        _processed("synthetic-prober-demo-message", REAL_NUMBER, "synthetic-prober"),
    ),
}
KEYS = (
    "synthetic-prober",
    "synthetic-prober:demo",
    "synthetic-prober:demo:",
    "synthetic-prober:demo:settings",
    f"synthetic-prober:demo:{NO_RUN}0",
    f"synthetic-prober:demo-2:{NO_RUN}",
    f"synthetic-prober:other:{NO_RUN}",
    "orders:c1f0",
)


@dataclass(frozen=True)
class Seen:
    """What stands of them: whole rows by table and id, keys with their values."""

    rows: Mapping[tuple[str, str], Any]
    keys: Mapping[str, str | None]

    def gone_or_changed(self, later: Seen) -> list[str]:
        """What is not as it was."""
        rows = [f"{table} {id_}" for (table, id_), row in self.rows.items() if later.rows.get((table, id_)) != row]
        return rows + [f"key {key}" for key, value in self.keys.items() if later.keys.get(key) != value]


async def plant(stack: Stack) -> Seen:
    """Put all of them into the target of a stack; what stands there then."""
    connection = await stack.postgres.connect("orders")
    try:
        for table, rows in ROWS.items():
            for row in rows:
                await _insert(connection, table, row)
    finally:
        await connection.close()
    client = stack.redis.client()
    try:
        for key in KEYS:
            await client.set(key, f"not ours: {key}")
    finally:
        await client.aclose()
    return await look(stack)


async def _insert(connection: Any, table: str, row: Row) -> None:
    columns = ", ".join(f'"{name}"' for name in row)
    await connection.execute(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1::jsonb)",
        json.dumps(row),
    )


async def look(stack: Stack) -> Seen:
    """What stands of them now."""
    rows: dict[tuple[str, str], Any] = {}
    connection = await stack.postgres.connect("orders")
    try:
        for table, planted in ROWS.items():
            ids = [row["id"] for row in planted]
            found = await connection.fetch(
                f"SELECT id, to_jsonb(t)::text AS row FROM {table} t WHERE id = ANY($1::text[])", ids
            )
            rows |= {(table, row["id"]): row["row"] for row in found}
    finally:
        await connection.close()
    client = stack.redis.client()
    try:
        keys = {key: await client.get(key) for key in KEYS}
    finally:
        await client.aclose()
    return Seen(rows, {key: None if value is None else str(value) for key, value in keys.items()})
