"""`prober doctor` from outside, on PostgreSQL and Redis: what is missing or refused there, and what mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.pgbouncer import PgBouncer, installed
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.probes.synthetic import Mark
from tests.system.deployed import PASSWORD, acl_rules, block
from tests.system.doctoring import (
    ALARM,
    FAILED,
    FINE,
    changed,
    doctor,
    doctor_stack,
    overriding,
    probe,
    run,
    target,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with doctor_stack() as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def control(stack: Stack) -> AsyncIterator[ControlClient]:
    async with ControlClient(stack.target.control_url) as control:
        yield control


async def test_a_table_that_this_version_does_not_have(stack: Stack) -> None:
    walk = await doctor(stack, target(contract="guide"))  # its tables, on the deployed system
    assert walk.code == FAILED
    told = walk.mends("sql.race.rows")
    assert '"vendor_routing" does not exist' in told
    assert "target.contract_overrides: race.rows" in told
    assert "race.vendors" in walk.skipped()
    assert "webhook.signed" in walk.skipped()


async def test_a_column_that_this_version_does_not_have(stack: Stack) -> None:
    sql = (
        "SELECT r.locked AS locked_vendor, '{}' AS accepted_vendors FROM vendor_routings r WHERE id = :routing_id"
    )
    walk = await doctor(stack, overriding(**{"race.rows": sql}))
    assert walk.bad() == ["sql.race.rows"]
    assert "r.locked does not exist" in walk.mends("sql.race.rows")


async def test_a_statement_without_the_columns_that_are_read(stack: Stack) -> None:
    sql = 'SELECT "lockedWholesalerId" FROM vendor_routings WHERE id = :routing_id'
    walk = await doctor(stack, overriding(**{"race.rows": sql}))
    assert walk.bad() == ["sql.race.rows"]
    assert "expected locked_vendor, accepted_vendors" in walk.mends("sql.race.rows")


async def test_a_missing_grant_is_named_with_the_statement_that_gives_it(stack: Stack) -> None:
    await stack.postgres.execute(block("grants"), "orders")
    dsn = stack.postgres.dsn("prober", "orders", PASSWORD)

    def change(document: dict[str, Any]) -> None:
        document["probes"]["database"]["dsn"] = dsn
        document["probes"]["webhook"]["mode"] = "no_side_effects"

    async with changed(
        stack,
        "REVOKE DELETE ON orders FROM prober; REVOKE UPDATE ON prober.heartbeat FROM prober;"
        " REVOKE pg_read_all_stats FROM prober",
        "GRANT DELETE ON orders TO prober; GRANT UPDATE ON prober.heartbeat TO prober",
    ):
        walk = await doctor(stack, change)
    assert walk.code == FAILED
    assert walk.bad() == ["grant.prober.heartbeat", "sql.race.cleanup[0]"]
    assert walk.steps["sql.race.cleanup[0]"]["mend"] == "GRANT DELETE ON orders TO prober"
    assert "GRANT SELECT, INSERT, UPDATE ON prober.heartbeat TO prober" in walk.mends("grant.prober.heartbeat")
    # Not observable, and so no failure: a hint.
    assert "db_longest_transaction_seconds" in walk.mends("database.statistics")
    assert "GRANT pg_read_all_stats TO prober" in walk.mends("database.statistics")
    assert "db_connection_pool_usage" in walk.mends("database.app_pool")
    await stack.postgres.execute("DROP OWNED BY prober; DROP ROLE prober", "orders")


async def test_a_message_is_not_sent_where_its_id_cannot_be_claimed(stack: Stack, control: ControlClient) -> None:
    await stack.postgres.execute(f"CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}'", "orders")
    await control.reset_record()
    dsn = stack.postgres.dsn("nobody", "orders", PASSWORD)
    walk = await doctor(stack, probe("database", dsn=dsn))
    assert walk.code == FAILED
    assert {"webhook.signed", "webhook.effect"} <= walk.skipped()
    assert "INSERT" in walk.steps["sql.webhook.claimed.claim"]["mend"]
    assert await control.record(Kind.SKIPPED) == []
    assert await control.record(Kind.ACCEPTED) == []
    await stack.postgres.execute("DROP ROLE nobody", "orders")


async def test_a_scan_of_the_whole_table_is_a_hint(stack: Stack) -> None:
    async with changed(
        stack,
        'DROP INDEX "whatsapp_messages_from_idx"',
        'CREATE INDEX "whatsapp_messages_from_idx" ON whatsapp_messages ("from")',
    ):
        walk = await doctor(stack)
    assert walk.code == FINE
    assert {"sql.webhook.full.effect", "sql.webhook.full.cleanup[0]"} <= set(walk.hints())
    assert "CREATE INDEX CONCURRENTLY on whatsapp_messages" in walk.mends("sql.webhook.full.effect")


@pytest.mark.parametrize("column", ['"isActive"', '"isVerified"'])
async def test_vendors_that_real_orders_reach_are_an_alarm(stack: Stack, column: str) -> None:
    vendor = Mark("demo").vendors(2)[1]
    set_to = f"UPDATE wholesalers SET {column} = {{}} WHERE id = '{vendor}'"
    async with changed(stack, set_to.format("true"), set_to.format("false")):
        walk = await doctor(stack)
        code, out, _ = await run(stack, "doctor")
    assert (walk.code, code) == (ALARM, ALARM)
    assert walk.bad() == ["race.vendors"]
    assert vendor in walk.mends("race.vendors")
    assert "inactive and unverified" in walk.steps["race.vendors"]["mend"]
    assert "! race.vendors" in out


async def test_a_database_that_does_not_let_us_in(stack: Stack) -> None:
    dsn = stack.postgres.dsn("postgres", "orders", "wrong-one-of-many")
    walk = await doctor(stack, probe("database", dsn=dsn))
    assert walk.code == FAILED
    assert walk.bad() == ["database.login"]
    assert "probes.database.dsn" in walk.mends("database.login")
    assert "wrong-one" not in walk.text
    assert {"database.schema", "sql.race.rows", "race.vendors", "webhook.signed"} <= walk.skipped()
    closed = stack.owner.port()
    walk = await doctor(stack, probe("database", dsn=f"postgresql://postgres@127.0.0.1:{closed}/orders"))
    assert walk.bad() == ["database.connection"]
    walk = await doctor(stack, probe("database", dsn=stack.postgres.dsn(dbname="nowhere")))
    assert walk.bad() == ["database.login"]
    assert "no such database" in walk.mends("database.login")


async def test_a_role_of_the_application_that_does_not_exist(stack: Stack) -> None:
    walk = await doctor(stack, target(app_role="ordres", app_name=None))
    assert walk.bad() == ["database.app_pool"]
    assert "target.app_role" in walk.mends("database.app_pool")


async def test_redis_that_does_not_let_us_in(stack: Stack) -> None:
    client = stack.redis.client()
    await client.execute_command("ACL", "SETUSER", "prober", "on", f">{PASSWORD}", *acl_rules("redis-acl-6"))  # type: ignore[no-untyped-call]
    walk = await doctor(stack, probe("redis", url=stack.redis.url("prober", "wrong-one-of-many")))
    assert walk.code == FAILED
    assert walk.bad() == ["redis.login"]
    assert "probes.redis.url" in walk.mends("redis.login")
    assert "wrong-one" not in walk.text
    assert "redis.set" in walk.skipped()
    walk = await doctor(stack, probe("redis", url=stack.redis.url("prober", PASSWORD)))
    assert walk.bad() == []
    assert set(walk.hints()) <= {"redis.queues"}
    await client.execute_command("ACL", "SETUSER", "prober", "-set", "-zcount")  # type: ignore[no-untyped-call]
    walk = await doctor(stack, probe("redis", url=stack.redis.url("prober", PASSWORD)))
    assert walk.code == FAILED
    assert walk.bad() == ["redis.set"]
    assert "+set" in walk.mends("redis.set")
    assert "redis.zcount" in walk.hints()
    assert "the backlog of queues" in walk.mends("redis.zcount")
    await client.execute_command("ACL", "DELUSER", "prober")  # type: ignore[no-untyped-call]
    await client.aclose()
    walk = await doctor(stack, probe("redis", url=f"redis://127.0.0.1:{stack.owner.port()}/0"))
    assert walk.bad() == ["redis.connection"]


async def test_a_queue_without_a_key_is_a_hint(stack: Stack) -> None:
    walk = await doctor(stack, overriding(**{"queues.names": ["whatsapp-webhoks"]}))
    assert walk.code == FINE
    assert "whatsapp-webhoks" in walk.mends("redis.queues")
    assert "queues.names" in walk.mends("redis.queues")


@pytest.mark.skipif(not installed(), reason="needs PgBouncer: apt-get install pgbouncer")
async def test_a_pooler_is_told_from_the_server(stack: Stack) -> None:
    pooler = PgBouncer(stack.owner, stack.directory / "pgbouncer", stack.postgres)
    await pooler.start()
    through = pooler.dsn(dbname="orders")
    walk = await doctor(stack, probe("database", pooled_dsn=through))
    assert (walk.code, walk.bad()) == (FINE, [])
    assert walk.steps["pooled.server"]["verdict"] == "ok"
    walk = await doctor(stack, probe("database", dsn=through))
    assert walk.bad() == ["database.server"]
    assert "probes.database.pooled_dsn" in walk.mends("database.server")
    other = pooler.dsn(dbname="postgres")
    walk = await doctor(stack, probe("database", pooled_dsn=other))
    assert walk.bad() == ["pooled.server"]
    await pooler.stop()
    walk = await doctor(stack, probe("database", pooled_dsn=through))
    assert walk.bad() == ["pooled.connection"]
    assert "probes.database.pooled_dsn" in walk.mends("pooled.connection")
