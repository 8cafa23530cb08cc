"""Every statement of the shipped contracts, on a real PostgreSQL with the tables it is written for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from pydantic import BaseModel

from prober.config import load_strict
from prober.contract import SHIPPED, Contract
from prober.demo.target.forms import FORMS, FormName
from prober.probes.synthetic import Mark, new_message_sid
from prober.sql import Sql

# The guide's own remedy, in the form that PostgreSQL has: a system that has taken it is to be watched as well.
REMEDY = "CREATE UNIQUE INDEX one_acceptance ON vendor_routing_responses (routing_id) WHERE response = 'ACCEPTED'"

OURS, OTHERS = Mark("one"), Mark("two")
NUMBER = "+999000000000"


@dataclass(frozen=True)
class Form:
    """A contract and the words in which its tables say what a race came to."""

    contract: str
    schema: str
    order_tables: tuple[str, ...]
    lock: str
    accept: str


CONTRACTS = [
    Form(
        "whatsapp-ordering-system",
        FORMS[FormName.DEPLOYED].schema(),
        ("orders", "vendor_routings", "vendor_responses"),
        'UPDATE vendor_routings SET "lockedWholesalerId" = $2 WHERE id = $1',
        """UPDATE vendor_responses SET "responseType" = 'ACCEPT', "acceptedAt" = now()
            WHERE "vendorRoutingId" = $1 AND "wholesalerId" = $2""",
    ),
    Form(
        "guide",
        FORMS[FormName.GUIDE].schema() + REMEDY,
        ("orders", "vendor_routing", "vendor_routing_responses"),
        "UPDATE vendor_routing SET locked_vendor_id = $2 WHERE id = $1",
        "UPDATE vendor_routing_responses SET response = 'ACCEPTED' WHERE routing_id = $1 AND vendor_id = $2",
    ),
]


@dataclass(frozen=True)
class Target:
    """A contract with a database of the form it is written for."""

    form: Form
    contract: Contract
    connection: asyncpg.Connection[asyncpg.Record]

    async def run(self, *statements: Sql, **values: object) -> None:
        for sql in statements:
            await self.connection.execute(sql.query, *sql.arguments(values))

    async def rows(self, sql: Sql, **values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.connection.fetch(sql.query, *sql.arguments(values))]

    async def counts(self) -> list[int]:
        """How many rows each table of an order has."""
        return [await self.connection.fetchval(f"SELECT count(*) FROM {t}") for t in self.form.order_tables]


@pytest_asyncio.fixture(params=CONTRACTS, ids=lambda form: form.contract)
async def target(database: str, request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(request.param.schema)
        contract = load_strict(SHIPPED / f"{request.param.contract}.yaml", Contract)
        yield Target(request.param, contract, connection)
    finally:
        await connection.close()


def statements(part: object) -> Iterator[Sql]:
    """Every statement in a contract."""
    if isinstance(part, Sql):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from statements(item)
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from statements(getattr(part, name))


def race(mark: Mark, run: str, vendors: int = 3) -> dict[str, object]:
    return {
        "order_id": mark.order(run),
        "routing_id": mark.routing(run),
        "retailer_id": mark.retailer,
        "vendor_ids": list(mark.vendors(vendors)),
    }


async def test_every_statement_prepares(target: Target) -> None:
    found = list(statements(target.contract))
    assert len(found) >= 11
    for sql in found:
        prepared = await target.connection.prepare(sql.query)
        assert len(prepared.get_parameters()) == len(sql.parameters)
        columns = [column.name for column in prepared.get_attributes()]
        assert set(sql.columns) <= set(columns), sql.text


async def test_fixtures_are_made_once_and_are_nobody(target: Target) -> None:
    fixtures = target.contract.race.fixtures
    for vendors in (2, 3, 3):
        await target.run(*fixtures, **race(OURS, "r", vendors))
    table, active, verified = ("wholesalers", '"isActive"', '"isVerified"')
    if target.form.contract == "guide":
        table, active, verified = "vendors", "is_active", "is_verified"
    made = await target.connection.fetch(f"SELECT id, {active} OR {verified} AS real FROM {table} ORDER BY id")
    assert [row["id"] for row in made] == list(OURS.vendors(3))
    assert not any(row["real"] for row in made)


async def test_fixtures_are_removed_and_those_of_others_stay(target: Target) -> None:
    contract = target.contract.race
    table = "vendors" if target.form.contract == "guide" else "wholesalers"
    for mark in (OURS, OTHERS):
        await target.run(*contract.fixtures, **race(mark, "r", 3))
    await target.run(*contract.create, **race(OURS, "r"))
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await target.run(*contract.remove_fixtures[1:], **race(OURS, "r", 50))
    await target.run(*contract.cleanup, **race(OURS, "r"))
    await target.run(*contract.remove_fixtures, **race(OURS, "r", 50))
    left = await target.connection.fetch(f"SELECT id FROM {table} ORDER BY id")
    assert [row["id"] for row in left] == list(OTHERS.vendors(3))
    assert [row["id"] for row in await target.connection.fetch("SELECT id FROM retailers")] == [OTHERS.retailer]


async def test_an_order_is_made_witnessed_and_removed(target: Target) -> None:
    contract, connection = target.contract.race, target.connection
    ours = race(OURS, "r1")
    await target.run(*contract.fixtures, **ours)
    await target.run(*contract.create, **ours)
    assert await target.counts() == [1, 1, 3]
    assert await target.rows(contract.rows, **ours) == [{"locked_vendor": None, "accepted_vendors": []}]
    winner = OURS.vendors(3)[1]
    await connection.execute(target.form.lock, ours["routing_id"], winner)
    assert await target.rows(contract.rows, **ours) == [{"locked_vendor": winner, "accepted_vendors": []}]
    await connection.execute(target.form.accept, ours["routing_id"], winner)
    assert await target.rows(contract.rows, **ours) == [{"locked_vendor": winner, "accepted_vendors": [winner]}]
    left = await connection.fetchval(contract.leftovers.query, *contract.leftovers.arguments(ours))
    assert left >= 2
    await target.run(*contract.cleanup, **ours)
    assert await target.counts() == [0, 0, 0]
    assert await connection.fetchval(contract.leftovers.query, *contract.leftovers.arguments(ours)) == 0
    assert await target.rows(contract.rows, **ours) == []
    await target.run(*contract.cleanup, **ours)  # again: nothing there, nothing wrong


async def test_cleaning_up_leaves_every_other_order(target: Target) -> None:
    contract = target.contract.race
    ours, later, theirs = race(OURS, "r1"), race(OURS, "r2"), race(OTHERS, "r1")
    # An id that begins with ours, and an order of ours by its id that another retailer has.
    longer = {**race(OURS, "r1"), "order_id": f"{ours['order_id']}0", "routing_id": f"{ours['routing_id']}0"}
    for values in (ours, theirs):
        await target.run(*contract.fixtures, **values)
    for values in (ours, later, theirs, longer):
        await target.run(*contract.create, **values)
    await target.run(*contract.cleanup, **{**theirs, "retailer_id": OURS.retailer})
    assert await target.counts() == [4, 4, 12]
    await target.run(*contract.cleanup, **ours)
    assert await target.counts() == [3, 3, 9]
    assert len(await target.rows(contract.rows, **longer)) == 1


async def test_a_claim_is_seen_and_removed_alone(target: Target) -> None:
    claimed = target.contract.webhook.claimed
    assert claimed is not None
    first, second = new_message_sid(), new_message_sid()
    for sid in (first, second):
        await target.run(claimed.claim, message_sid=sid, from_number=NUMBER)
    with pytest.raises(asyncpg.UniqueViolationError):
        await target.run(claimed.claim, message_sid=first, from_number=NUMBER)
    table = "webhook_idempotency" if target.form.contract == "guide" else "processed_messages"
    assert await target.connection.fetchval(f"SELECT count(*) FROM {table}") == 2
    await target.run(*claimed.cleanup, message_sids=[first, new_message_sid()], bodies=[], from_number=NUMBER)
    left = await target.connection.fetch(f"SELECT id FROM {table}")
    assert [row["id"] for row in left] == [second]


async def effects(target: Target, sql: Sql, sids: Sequence[str], bodies: Sequence[str]) -> list[tuple[int, bool]]:
    """Effects and `done` of each message, in the order asked for."""
    rows = await target.rows(sql, message_sids=list(sids), bodies=list(bodies), from_number=NUMBER)
    by_sid = {row["message_sid"]: (row["effects"], row["done"]) for row in rows}
    assert len(by_sid) == len(rows) == len(sids)
    return [by_sid[sid] for sid in sids]


@pytest.mark.parametrize("target", CONTRACTS[:1], ids=["deployed"], indirect=True)
async def test_the_effect_of_a_claimed_message_is_its_row_turning_skipped(target: Target) -> None:
    claimed = target.contract.webhook.claimed
    assert claimed is not None
    assert claimed.effect is not None
    sids = [new_message_sid() for _ in range(3)]
    for sid in sids[:2]:
        await target.run(claimed.claim, message_sid=sid, from_number=NUMBER)
    await target.connection.execute(
        """UPDATE processed_messages SET status = 'skipped' WHERE "messageSid" = $1""", sids[0]
    )
    assert await effects(target, claimed.effect, sids, ["", "", ""]) == [(1, True), (0, False), (0, False)]


async def take(target: Target, sid: str, *, processed: bool) -> None:
    """Make the row by which the system knows a message; the guide's has no status: it is there or it is not."""
    if target.form.contract == "guide":
        if processed:
            assert target.contract.webhook.claimed is not None
            await target.run(target.contract.webhook.claimed.claim, message_sid=sid, from_number=NUMBER)
        return
    await target.connection.execute(
        """INSERT INTO processed_messages (id, "messageSid", "phoneNumber", status, "updatedAt")
           VALUES ($1, $1, $2, $3, now())""",
        sid,
        NUMBER,
        "processed" if processed else "pending",
    )


async def test_the_effect_of_a_full_message_is_its_rows(target: Target) -> None:
    full, connection = target.contract.webhook.full, target.connection
    sids, bodies = [new_message_sid() for _ in range(4)], ["b0", "b1", "b2", "b3"]
    stored = 'INSERT INTO whatsapp_messages (id, "from", "to", body, direction) VALUES ($1, $2, $3, $4, $5)'
    for n, (sender, body, direction) in enumerate(
        [
            (NUMBER, "b0", "INCOMING"),
            (NUMBER, "b1", "INCOMING"),
            (NUMBER, "b1", "INCOMING"),
            (NUMBER, "b2", "INCOMING"),
            (NUMBER, "b3", "OUTGOING"),
            ("+9779800000000", "b0", "INCOMING"),
            (NUMBER, "b00", "INCOMING"),
        ]
    ):
        await connection.execute(stored, f"m{n}", sender, "SYSTEM", body, direction)
    for number, sid in enumerate(sids):
        await take(target, sid, processed=number != 2)
    # once and done; twice; stored, but not processed yet; processed, but not stored
    assert await effects(target, full.effect, sids, bodies) == [(1, True), (2, True), (1, False), (0, False)]
    await target.run(*full.cleanup, message_sids=sids[:3], bodies=bodies[:3], from_number=NUMBER)
    left = await connection.fetch('SELECT "from", body FROM whatsapp_messages ORDER BY id')
    assert [tuple(row) for row in left] == [(NUMBER, "b3"), ("+9779800000000", "b0"), (NUMBER, "b00")]
    column = "message_sid" if target.form.contract == "guide" else '"messageSid"'
    table = "webhook_idempotency" if target.form.contract == "guide" else "processed_messages"
    kept = await connection.fetch(f"SELECT {column} FROM {table}")
    assert [row[0] for row in kept] == [sids[3]]
