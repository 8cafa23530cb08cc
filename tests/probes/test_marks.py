"""Marks: what is read back of them, what is taken for none of ours, and the table on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from prober.clock import Instant, now
from prober.outcome import Leftover, Mode, Outcome
from prober.probes.database_session import DatabaseAddress
from prober.probes.marks import Marks, owner_of, read_mark
from prober.probes.schema import ensure_schema, grants
from prober.probes.synthetic import Mark, new_message_sid
from prober.probes.witness import NotAskable, Witness
from prober.result import AwaitedWebhook
from prober.sql import Sql
from tests.system.probing import as_role

AT = Instant(1_000.0, 2_000_000_000.0)
RUN = "1a20ac8e0222b586a0f"
SID = "SM" + "0a" * 16
NUMBER = "+999000000001"
ORDER: dict[str, object] = {
    "kind": "order",
    "id": f"synthetic-prober-one-order-{RUN}",
    "instance": "one",
    "run_id": RUN,
    "age": 12.5,
    "accepted": False,
    "payload": json.dumps(
        {"routing_id": f"synthetic-prober-one-routing-{RUN}", "retailer_id": "synthetic-prober-one-retailer"}
    ),
}
MESSAGE: dict[str, object] = {
    "kind": "message",
    "id": SID,
    "instance": "one/check",
    "run_id": RUN,
    "age": 100,
    "accepted": True,
    "payload": json.dumps(
        {"mode": "full", "from_number": NUMBER, "body": f"synthetic-prober one {RUN} 2", "repeated": True}
    ),
}


def test_an_order_is_read_with_all_that_removes_it() -> None:
    mark = read_mark(ORDER, AT)
    assert mark is not None
    assert (mark.kind, mark.owner, mark.age) == (Leftover.ORDERS, "one", 12.5)
    assert mark.order == Mark("one").orders_of(RUN)[0]


def test_a_message_is_read_with_all_that_removes_it() -> None:
    mark = read_mark(MESSAGE, AT)
    assert mark is not None
    assert (mark.kind, mark.owner, mark.accepted) == (Leftover.MESSAGES, "one/check", True)
    assert mark.message == AwaitedWebhook(
        message_sid=SID,
        run_id=RUN,
        mode=Mode.FULL,
        from_number=NUMBER,
        body=f"synthetic-prober one {RUN} 2",
        intended=Instant(900.0, AT.wall - 100.0),
        repeated=True,
    )


def changed(row: dict[str, object], **payload: object) -> dict[str, object]:
    return {**row, "payload": json.dumps({**json.loads(str(row["payload"])), **payload})}


@pytest.mark.parametrize(
    "row",
    [
        {**ORDER, "id": "order-4711"},
        {**ORDER, "id": f"synthetic-prober-two-order-{RUN}"},
        {**ORDER, "instance": "two"},
        {**ORDER, "instance": "one'; DROP TABLE orders"},
        {**ORDER, "run_id": "other"},
        {**ORDER, "kind": "message"},
        {**ORDER, "kind": "retailer"},
        {**ORDER, "payload": "{"},
        {**ORDER, "payload": "[]"},
        {**ORDER, "payload": None},
        {**ORDER, "age": None},
        changed(ORDER, retailer_id="retailer-7"),
        changed(ORDER, routing_id="routing-7"),
        {**MESSAGE, "id": "SM4711"},
        {**MESSAGE, "kind": "order"},
        changed(MESSAGE, body="Two bags of rice, please"),
        changed(MESSAGE, body=f"synthetic-prober one {RUN} please"),
        changed(MESSAGE, body=f"synthetic-prober one {RUN}1"),
        changed(MESSAGE, body=f"synthetic-prober two {RUN}"),
        changed(MESSAGE, mode="all"),
        changed(MESSAGE, mode=["full"]),
        changed(MESSAGE, from_number=None),
    ],
)
def test_what_no_prober_writes_names_nothing(row: dict[str, object]) -> None:
    assert read_mark(row, AT) is None


@given(st.fixed_dictionaries({key: st.one_of(st.text(), st.none(), st.floats(), st.booleans()) for key in ORDER}))
def test_whatever_stands_there_is_read_without_a_fault(row: dict[str, object]) -> None:
    assert read_mark(row, AT) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (owner_of("one", None), "one", True),
        (owner_of("one", None), "two", False),
        (owner_of("one", None), "one/check", False),
        (owner_of("one", None), "two/check", False),
        (owner_of("one", None), "strange owner", False),
        # Where replicas are elected the one that writes finishes what the one before it has left.
        (owner_of("one", "default"), owner_of("two", "default"), True),
        (owner_of("one", "default"), owner_of("two", "other"), False),
        (owner_of("one", "default"), "two", False),
        (owner_of("one", "default"), "one", True),
        (owner_of("one", None), owner_of("one", "my lease"), True),
        (owner_of("one", "default"), "two@default/check", False),
    ],
)
async def test_whose_marks_are_ours_to_finish(ours: str, theirs: str, expected: bool) -> None:
    marks = Marks(Witness(DatabaseAddress(dsn="postgresql://u@127.0.0.1:1/none"), instance="one"), ours)
    assert marks.are_of(theirs) is expected


def test_a_replica_is_read_as_its_instance() -> None:
    mark = read_mark({**ORDER, "instance": owner_of("one", "my lease")}, AT)
    assert mark is not None
    assert mark.order == Mark("one").orders_of(RUN)[0]


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE things (id text PRIMARY KEY)")
    yield connection
    connection.terminate()


@pytest_asyncio.fixture
async def witness(database: str) -> AsyncIterator[Witness]:
    witness = Witness(DatabaseAddress(dsn=database), instance="one")
    yield witness
    await witness.close()


CREATE = Sql.parse("INSERT INTO things VALUES (:order_id)")
CLAIM = Sql.parse("INSERT INTO things VALUES (:message_sid)")
CLEANUP = Sql.parse("DELETE FROM things WHERE id = :order_id")
CLEANUPS = Sql.parse("DELETE FROM things WHERE id = ANY(:message_sids::text[])")


def message(**changes: Any) -> AwaitedWebhook:
    values: dict[str, Any] = {
        "message_sid": new_message_sid(),
        "run_id": RUN,
        "mode": Mode.NO_SIDE_EFFECTS,
        "from_number": NUMBER,
        "body": Mark("one").body(RUN),
        "intended": now(),
    }
    return AwaitedWebhook(**{**values, **changes})


async def things(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM things"))


async def test_a_mark_comes_and_goes_with_its_thing(
    connection: asyncpg.Connection[asyncpg.Record], witness: Witness
) -> None:
    await ensure_schema(connection)
    marks, order, claimed = Marks(witness, "one"), Mark("one").orders_of(RUN)[0], message()
    await marks.make_order(order, [CREATE], order.values, timeout=20)
    assert await marks.claim(claimed, CLAIM, timeout=20)
    alone = message()
    assert await marks.mark(alone)
    found = await marks.found(timeout=20)
    assert {mark.id for mark in found.marks} == {order.id, claimed.message_sid, alone.message_sid}
    assert not any(mark.accepted for mark in found.marks)
    assert all(0 <= mark.age < 60 for mark in found.marks)
    assert found.strange == 0
    assert await things(connection) == 2
    await marks.accepted([claimed.message_sid], timeout=20)
    accepted = {mark.id for mark in (await marks.found(timeout=20)).marks if mark.accepted}
    assert accepted == {claimed.message_sid}
    sids = [claimed.message_sid, alone.message_sid, new_message_sid()]
    assert await marks.gone(sids, timeout=20) == {sids[2]}
    await marks.remove_messages(sids, [CLEANUPS], {}, timeout=20)
    await marks.remove_order(order, [CLEANUP], timeout=20)
    assert await things(connection) == 0
    assert (await marks.found(timeout=20)).marks == ()


async def test_neither_is_made_without_the_other(
    connection: asyncpg.Connection[asyncpg.Record], witness: Witness
) -> None:
    await ensure_schema(connection)
    marks, order = Marks(witness, "one"), Mark("one").orders_of(RUN)[0]
    await connection.execute("INSERT INTO things VALUES ($1)", order.id)
    with pytest.raises(NotAskable):
        await marks.make_order(order, [CREATE], order.values, timeout=20)
    assert (await marks.found(timeout=20)).marks == ()
    with pytest.raises(NotAskable):
        await marks.remove_order(order, [CLEANUP, Sql.parse("SELECT 1 / 0")], timeout=20)
    assert await things(connection) == 1


async def test_strange_marks_are_counted_and_left_alone(
    connection: asyncpg.Connection[asyncpg.Record], witness: Witness
) -> None:
    await ensure_schema(connection)
    await connection.execute(
        "INSERT INTO prober.marks (kind, id, instance, run_id, payload)"
        " VALUES ('order', 'order-1', 'one', 'r', '{}')"
    )
    found = await Marks(witness, "one").found(timeout=20)
    assert (found.marks, found.strange, found.kept) == ((), 1, True)


async def test_without_the_table_everything_works_and_it_is_looked_for_again(
    connection: asyncpg.Connection[asyncpg.Record], witness: Witness, database: str
) -> None:
    clock = iter(float(n) for n in range(0, 100_000, 10)).__next__
    marks, order, name = (
        Marks(witness, "one", clock=clock),
        Mark("one").orders_of(RUN)[0],
        database.rsplit("/")[-1],
    )
    before = await connection.fetchval("SELECT xact_rollback FROM pg_stat_database WHERE datname = $1", name)
    await marks.make_order(order, [CREATE], order.values, timeout=20)
    assert not await marks.mark(message())
    assert await things(connection) == 1
    assert not (await marks.found(timeout=20)).kept
    assert await marks.gone([new_message_sid()], timeout=20) == frozenset()
    after = await connection.fetchval("SELECT xact_rollback FROM pg_stat_database WHERE datname = $1", name)
    assert after == before
    await ensure_schema(connection)
    for _ in range(10):  # a minute of this clock
        marked = await marks.mark(message())
    assert marked
    await marks.remove_order(order, [CLEANUP], timeout=20)
    await connection.execute("DROP TABLE prober.marks")
    with pytest.raises(NotAskable) as caught:
        await marks.make_order(order, [CREATE], order.values, timeout=20)
    assert caught.value.outcome is Outcome.MISSING_SCHEMA
    await marks.make_order(order, [CREATE], order.values, timeout=20)
    assert await things(connection) == 1


async def test_the_documented_grants_are_enough_and_without_them_there_are_no_marks(
    connection: asyncpg.Connection[asyncpg.Record], database: str
) -> None:
    await ensure_schema(connection)
    role = f"marker_{RUN}"
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    await connection.execute(f"GRANT ALL ON things TO {role}")
    witness = Witness(DatabaseAddress(dsn=as_role(database, role)), instance="one")
    order = Mark("one").orders_of(RUN)[0]
    try:
        assert not (await Marks(witness, "one").found(timeout=20)).kept
        for grant in grants(role):
            await connection.execute(grant)
        marks = Marks(witness, "one")
        await marks.make_order(order, [CREATE], order.values, timeout=20)
        assert [mark.id for mark in (await marks.found(timeout=20)).marks] == [order.id]
        await marks.remove_order(order, [CLEANUP], timeout=20)
        assert (await marks.found(timeout=20)).marks == ()
    finally:
        await witness.close()
        await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_database_that_is_away_costs_a_full_message_little_and_seldom() -> None:
    asked, times = [0], [0.0]

    class Counting(Witness):
        async def fetch(self, *args: Any, **named: Any) -> Any:
            asked[0] += 1
            return await super().fetch(*args, **named)

    witness = Counting(DatabaseAddress(dsn="postgresql://u@127.0.0.1:1/none"), instance="one")
    marks = Marks(witness, "one", clock=lambda: times[0])
    for at, expected in ((0.0, 1), (0.0, 1), (4.9, 1), (5.0, 2), (9.0, 2)):
        times[0] = at
        assert not await marks.mark(message())
        assert asked == [expected]
