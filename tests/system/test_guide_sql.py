"""The SQL of the advice on a real PostgreSQL: it runs on its tables, and holds where that of the guide fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import pytest
import pytest_asyncio

from prober.demo.target.forms import FORMS, FormName
from prober.guide.advice import all_of
from prober.outcome import Suite

from .probing import connected

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

BLOCKS = [
    (each.title, FormName(form), block)
    for suite in Suite
    for each in all_of(suite)
    for form, block in re.findall(r"```sql\n-- (\w+)\n(.+?)```", each.text, re.DOTALL)
]
IN_GUIDE = """ALTER TABLE vendor_routing_responses ADD CONSTRAINT unique_routing_acceptance
              UNIQUE (routing_id) WHERE response = 'ACCEPTED'"""
ORDER = """
    INSERT INTO retailers (id, "phoneNumber", "whatsappNumber", "updatedAt") VALUES ('r', '1', '1', now());
    INSERT INTO wholesalers (id, "businessName", "ownerName", "phoneNumber", "whatsappNumber", "businessAddress",
                             city, state, pincode, latitude, longitude, categories, "updatedAt")
    SELECT v, v, v, v, v, '', '', '', '', 0, 0, '[]', now() FROM unnest(ARRAY['a', 'b']) AS v;
    INSERT INTO orders (id, "orderNumber", "retailerId", "totalAmount", "updatedAt")
    VALUES ('o', 'o', 'r', 0, now());
    INSERT INTO vendor_routings (id, "orderId", "retailerId", "eligibleVendors", "updatedAt")
    SELECT r, 'o', 'r', '[]', now() FROM unnest(ARRAY['routing', 'second']) AS r;
    INSERT INTO vendor_responses (id, "vendorRoutingId", "wholesalerId", "responseType", "updatedAt")
    SELECT v, 'routing', v, 'PENDING', now() FROM unnest(ARRAY['a', 'b']) AS v;
"""
LOCK = """SELECT id FROM vendor_routings WHERE id = 'routing' FOR UPDATE"""
ACCEPT = """UPDATE vendor_responses SET "responseType" = 'ACCEPT', "acceptedAt" = now() WHERE id = $1"""


@pytest_asyncio.fixture
async def deployed(database: str) -> AsyncIterator[Connection]:
    """A session on the deployed tables, with one order, two routings of it and two vendors."""
    async with connected(database) as connection:
        await connection.execute(FORMS[FormName.DEPLOYED].schema())
        await connection.execute(ORDER)
        yield connection


def block(title: str, form: FormName, containing: str) -> list[str]:
    return statements(
        next(sql for of, where, sql in BLOCKS if title in of and where is form and containing in sql)
    )


def statements(sql: str) -> list[str]:
    """One by one, since CREATE INDEX CONCURRENTLY must not be in a transaction."""
    return [each.strip() for each in sql.split(";\n") if each.strip()]


@pytest.mark.parametrize("form", FormName)
async def test_every_statement_of_the_advice_runs_on_the_tables_it_is_for(database: str, form: FormName) -> None:
    wanted = [each for _, where, sql in BLOCKS if where is form for each in statements(sql)]
    assert len(wanted) >= 4
    async with connected(database) as connection:
        await connection.execute(FORMS[form].schema())
        for _ in range(2):  # and again, as a migration may
            for each in wanted:
                await connection.execute(each)
        await connection.execute("ALTER SYSTEM RESET ALL")


async def test_no_sql_is_without_the_name_of_its_tables() -> None:
    texts = [each.text for suite in Suite for each in all_of(suite)]
    assert sum(text.count("```sql") for text in texts) == sum(
        len(re.findall(r"```sql\n-- (?:deployed|guide)\n", text)) for text in texts
    )


async def test_the_guide_s_constraint_is_a_syntax_error_and_the_partial_index_lets_one_vendor_win(
    database: str,
) -> None:
    async with connected(database) as connection:
        await connection.execute(FORMS[FormName.GUIDE].schema())
        with pytest.raises(asyncpg.PostgresSyntaxError, match="WHERE"):
            await connection.execute(IN_GUIDE)
        for each in block("partial unique index", FormName.GUIDE, "CREATE"):
            await connection.execute(each)
        await connection.execute("ALTER TABLE vendor_routing_responses DISABLE TRIGGER ALL")  # foreign keys
        insert = "INSERT INTO vendor_routing_responses VALUES ($1, 'routing', $1, $2, now(), now(), now())"
        await connection.execute(insert, "a", "ACCEPTED")
        await connection.execute(insert, "b", "LOST")
        await connection.execute(insert, "c", "LOST")
        with pytest.raises(asyncpg.UniqueViolationError, match="unique_routing_acceptance"):
            await connection.execute(insert, "d", "ACCEPTED")


async def test_as_deployed_one_vendor_wins_a_routing_and_one_routing_its_order(deployed: Connection) -> None:
    for each in block("partial unique index", FormName.DEPLOYED, "CREATE"):
        await deployed.execute(each)
    await deployed.execute(ACCEPT, "a")
    with pytest.raises(asyncpg.UniqueViolationError, match="unique_routing_acceptance"):
        await deployed.execute(ACCEPT, "b")
    lock = 'UPDATE vendor_routings SET "lockedWholesalerId" = $1 WHERE id = $2'
    await deployed.execute(lock, "a", "routing")
    with pytest.raises(asyncpg.UniqueViolationError, match="unique_order_lock"):
        await deployed.execute(lock, "b", "second")


async def test_for_update_holds_within_a_transaction_alone(deployed: Connection, database: str) -> None:
    async with connected(database) as other:
        await other.execute("SET lock_timeout = '200ms'")
        await deployed.execute(LOCK)  # as the guide does: the lock is gone with the statement
        await other.execute(LOCK)
        async with deployed.transaction():
            await deployed.execute(LOCK)
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.execute(LOCK)


async def test_the_one_statement_is_won_once(deployed: Connection) -> None:
    (update,) = [each.replace("'vendor'", "'a'") for each in block("Lock the row", FormName.DEPLOYED, "UPDATE")]
    assert await deployed.execute(update) == "UPDATE 1"
    assert await deployed.execute(update) == "UPDATE 0"


async def test_serializable_refuses_the_loser_with_40001(deployed: Connection, database: str) -> None:
    async with connected(database) as other:
        for each in (deployed, other):
            await each.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            await each.fetch("""SELECT "lockedWholesalerId" FROM vendor_routings""")
        update = """UPDATE vendor_routings SET "lockedWholesalerId" = 'a' WHERE id = 'routing'"""
        await deployed.execute(update)
        await deployed.execute("COMMIT")
        with pytest.raises(asyncpg.SerializationError) as caught:
            await other.execute(update)
        assert caught.value.sqlstate == "40001"


async def test_a_job_of_the_outbox_is_taken_by_one_worker(deployed: Connection, database: str) -> None:
    create = block("fallback queue", FormName.DEPLOYED, "CREATE TABLE")
    (take,) = block("fallback queue", FormName.DEPLOYED, "DELETE")
    for each in create:
        await deployed.execute(each)
    await deployed.execute("INSERT INTO webhook_outbox (message_sid, payload) VALUES ('SM1', '{}')")
    async with connected(database) as other, deployed.transaction():
        assert [row["message_sid"] for row in await deployed.fetch(take)] == ["SM1"]
        assert await other.fetch(take) == []  # skips what is locked, and does not wait for it
    assert await deployed.fetchval("SELECT count(*) FROM webhook_outbox") == 0
