"""The lease on a real PostgreSQL: its statements, the fence in a write, and one writer of two over faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from prober.daemon.leadership import Leadership
from prober.demo import pgbouncer
from prober.demo.pgbouncer import PgBouncer
from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.event import Event, Leading
from prober.outcome import Outcome, SkipReason
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress, open_database
from prober.probes.lease_table import LeaseTable
from prober.probes.schema import FENCED_STATE, fenced, grants
from prober.probes.witness import NotAskable, Witness
from prober.sql import Sql

from .probing import as_role, connected, run, until
from .proxying import proxy_on

NAME = "it's; a \\name"
TERM = 60.0
INSERT = Sql.parse("INSERT INTO written VALUES (:what)")
COUNT = Sql.parse("SELECT count(*) FROM written")


class Standing:
    """A permission whose fence a test sets."""

    def __init__(self, fence: int | None) -> None:
        self.fence = fence

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        return None


@contextlib.asynccontextmanager
async def table(dsn: str, name: str = NAME) -> AsyncIterator[LeaseTable]:
    session = await open_database(DatabaseAddress(dsn=dsn), "test")
    try:
        yield LeaseTable(session, name)
    finally:
        session.drop()


async def test_the_statements_of_the_lease_for_a_role_with_the_documented_grants(prepared: str, role: str) -> None:
    async with connected(prepared) as connection:
        for grant in grants(role):
            await connection.execute(grant)
    async with table(as_role(prepared, role)) as ours, table(prepared, "another") as others:
        assert await ours.look() is None
        taken = await ours.take("a", TERM, None)
        assert taken is not None
        assert (taken.holder, taken.fence, taken.term, taken.free) == ("a", 1, TERM, False)
        assert await ours.look() == taken
        assert await others.look() is None
        assert await ours.take("b", TERM, None) is None
        renewed = await ours.renew("a", 2 * TERM, 1)
        assert renewed is not None
        assert (renewed.fence, renewed.term) == (1, 2 * TERM)
        assert renewed.stamp > taken.stamp
        # As it was before the renewal: somebody holds it, and is alive.
        assert await ours.take("b", TERM, taken) is None
        by_b = await ours.take("b", TERM, renewed)
        assert by_b is not None
        assert (by_b.holder, by_b.fence) == ("b", 2)
        assert await ours.renew("a", TERM, 1) is None
        assert await ours.renew("a", TERM, 2) is None
        again = await ours.take("b", TERM, None)
        assert again is not None
        assert again.fence == 3
        assert await ours.renew("b", TERM, 2) is None
        await ours.give_back("b", 2)
        assert await ours.look() == again
        await ours.give_back("b", 3)
        free = await ours.look()
        assert free is not None
        assert (free.free, free.fence) == (True, 3)
        assert await ours.renew("b", TERM, 3) is None
        for holder, fence in (("a", 4), ("c", None)):
            row = await ours.take(holder, TERM, None)
            assert (row and row.fence) == fence


async def test_a_renewal_leaves_another_stamp_also_when_the_term_is_shorter(prepared: str) -> None:
    async with table(prepared) as ours:
        row = await ours.take("a", TERM, None)
        for term in (TERM / 30, TERM / 30, TERM):
            renewed = await ours.renew("a", term, 1)
            assert row is not None
            assert renewed is not None
            assert renewed.stamp > row.stamp
            row = renewed


@pytest.mark.parametrize("spoil", ["fence", "expired", "given back", "no such lease"])
async def test_a_write_under_a_number_that_holds_no_more_changes_nothing(prepared: str, spoil: str) -> None:
    permission = Standing(1)
    witness = Witness(DatabaseAddress(dsn=prepared), instance="test", permission=permission, lease=NAME)
    probe = DatabaseProbe(
        DatabaseAddress(dsn=prepared), instance="test", permission=permission, lease=NAME, details_every=0.0
    )
    try:
        async with connected(prepared) as connection, table(prepared) as ours:
            await connection.execute("CREATE TABLE written (what text)")
            await ours.take("a", TERM, None)
            await witness.run([INSERT, INSERT], {"what": "first"}, timeout=5.0)
            assert "write" in (await probe.run(run())).operations
            beat = await connection.fetchval("SELECT sum(beat) FROM prober.heartbeat")
            match spoil:
                case "fence":
                    await ours.take("a", TERM, None)
                case "expired":
                    await connection.execute("UPDATE prober.lease SET expires = clock_timestamp()")
                case "given back":
                    await ours.give_back("a", 1)
                case "no such lease":
                    await connection.execute("DELETE FROM prober.lease")
            for _ in range(2):
                with pytest.raises(NotAskable, match=FENCED_STATE) as refused:
                    await witness.run([INSERT, INSERT], {"what": "second"}, timeout=5.0)
                assert refused.value.outcome is Outcome.DENIED
                result = await probe.run(run())
                # That another writes says nothing of the database.
                assert (result.outcome, set(result.operations)) == (Outcome.OK, {"select"})
            assert await witness.count(COUNT, {}, timeout=5.0) == 2
            assert await connection.fetchval("SELECT sum(beat) FROM prober.heartbeat") == beat
            idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
            assert await connection.fetchval(idle) == 0
    finally:
        await witness.close()
        await probe.close()


async def test_without_a_fence_nothing_of_the_election_is_needed(prepared: str) -> None:
    witness = Witness(DatabaseAddress(dsn=prepared), instance="test")
    try:
        async with connected(prepared) as connection:
            await connection.execute("DROP TABLE prober.lease; CREATE TABLE written (what text UNIQUE)")
            await witness.run([INSERT], {"what": "$1 'it' \\ :name %"}, timeout=5.0)
            assert await connection.fetchval("SELECT what FROM written") == "$1 'it' \\ :name %"
            with pytest.raises(NotAskable, match="23505"):
                await witness.run(
                    [Sql.parse("INSERT INTO written VALUES ('x')"), INSERT],
                    {"what": "$1 'it' \\ :name %"},
                    timeout=5.0,
                )
            assert await connection.fetchval("SELECT count(*) FROM written") == 1
    finally:
        await witness.close()


async def test_a_write_is_given_up_by_the_server_too(prepared: str) -> None:
    witness = Witness(DatabaseAddress(dsn=prepared), instance="test")
    try:
        async with connected(prepared) as connection:
            with pytest.raises(NotAskable) as refused:
                await witness.run([Sql.parse("SELECT pg_sleep(600)")], {}, timeout=0.2)
            assert refused.value.outcome is Outcome.TIMEOUT

            async def gone() -> bool:
                query = (
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%'"
                )
                return bool(await connection.fetchval(f"{query} AND pid <> pg_backend_pid()") == 0)

            await until(gone)
    finally:
        await witness.close()


async def test_who_takes_the_lease_waits_for_the_writes_under_way(prepared: str) -> None:
    async with connected(prepared) as writer, table(prepared) as ours:
        taken = await ours.take("a", TERM, None)
        await writer.execute("BEGIN;" + fenced("SELECT 1", NAME, 1))
        taking = asyncio.create_task(ours.take("b", TERM, taken))
        async with connected(prepared) as other, table(prepared) as renewing:

            async def waits() -> bool:
                return bool(await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

            await until(waits)
            assert not taking.done()
            # A renewal does not wait for them; and it shows that the holder lives.
            assert await renewing.renew("a", TERM, 1) is not None
        await writer.execute("COMMIT")
        assert await taking is None


@pytest.mark.skipif(not pgbouncer.installed(), reason="needs PgBouncer: apt-get install pgbouncer")
async def test_the_fence_holds_through_a_pooler_in_transaction_mode(
    owner: Owner, postgres: Postgres, prepared: str
) -> None:
    bouncer = PgBouncer(owner, owner.directory / "bouncer", postgres, settings={"default_pool_size": 1})
    await bouncer.start()
    address = DatabaseAddress(dsn=bouncer.dsn(dbname=urlsplit(prepared).path[1:]), pooled=True)
    stale, valid = (Witness(address, instance="test", permission=Standing(fence), lease=NAME) for fence in (1, 2))
    try:
        async with connected(prepared) as connection, table(prepared) as ours:
            await connection.execute("CREATE TABLE written (what text)")
            for _ in range(2):
                await ours.take("a", TERM, None)
            # On one server connection in turns: what one is refused must not stay behind for the other.
            for _ in range(3):
                with pytest.raises(NotAskable, match=FENCED_STATE):
                    await stale.run([INSERT, INSERT], {"what": "stale"}, timeout=5.0)
                await valid.run([INSERT, INSERT], {"what": "valid"}, timeout=5.0)
            found = await connection.fetch("SELECT what, count(*) FROM written GROUP BY what")
            assert [tuple(row) for row in found] == [("valid", 6)]
    finally:
        await stale.close()
        await valid.close()


class Replica:
    """One Leadership at work, and what it told."""

    def __init__(self, dsn: str, instance: str, term: float) -> None:
        self.events: list[Leading] = []
        self.gained: list[int] = []
        self.leadership = Leadership(
            DatabaseAddress(dsn=dsn),
            name=NAME,
            term=term,
            instance=instance,
            publish=self.publish,
            gained=self.gained.append,
        )
        self.task = asyncio.create_task(self.leadership.forever())

    def publish(self, event: Event) -> None:
        assert isinstance(event, Leading)
        self.events.append(event)

    async def leads(self) -> bool:
        return self.leadership.refusal() is None

    async def follows(self) -> bool:
        return self.leadership.refusal() is SkipReason.NOT_LEADER

    @property
    def turns(self) -> list[bool]:
        """What it said of itself, without what was said again."""
        told = [event.leading for event in self.events]
        return [leading for n, leading in enumerate(told) if n == 0 or told[n - 1] is not leading]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.leadership.give_back()


@contextlib.asynccontextmanager
async def replicas(*dsns: str, term: float = 2.0, called: str = "r") -> AsyncIterator[list[Replica]]:
    found = [Replica(dsn, f"{called}{n}", term) for n, dsn in enumerate(dsns)]
    try:
        yield found
    finally:
        for replica in found:
            await replica.stop()


async def test_one_of_two_writes_and_the_other_when_it_is_cut_off(owner: Owner, prepared: str) -> None:
    parts = urlsplit(prepared)
    proxy = await proxy_on(owner, parts.port or 0)
    dsn = prepared.replace(f":{parts.port}", f":{proxy.port}")
    async with replicas(dsn) as (first,):
        await until(first.leads)
        async with replicas(prepared, called="s") as (second,):
            await until(lambda: has(second.events))
            assert await second.follows()
            await until(lambda: has(second.events[-1].holder == "r0"))
            assert (first.leadership.fence, second.leadership.fence) == (1, 0)
            await proxy.set(freeze=True)
            await until(first.follows)
            # At once and by the clock alone: nobody has told it.
            assert await second.follows()
            await until(second.leads)
            assert second.gained == [2]
            with capture_logs() as logs:
                await proxy.clear()
                await until(lambda: has(logged(logs, "the lease can be asked for again")))
            assert await first.follows()
            assert first.turns == [False, True, False]
            await until(lambda: has(first.events[-1].holder == "s0"))
            assert first.gained == [1]
        # The other gave it back: there is nothing to wait for.
        await until(first.leads)
        assert first.leadership.fence == 3
    assert first.turns == [False, True, False, True, False]
    assert [event.fence for event in first.events if event.sentence] == [1, None, 3, None]


async def test_a_lease_lives_on_while_the_server_is_renewed_in_time(prepared: str) -> None:
    async with replicas(prepared) as (only,):
        await until(only.leads)
        untils = len(only.events)
        await until(lambda: has(len(only.events) >= untils + 5))
        assert only.turns == [False, True]
        assert only.leadership.fence == 1
        renewals = [event.until for event in only.events if event.leading]
        assert renewals == sorted(set(renewals))


async def test_without_our_schema_nobody_writes_and_it_is_said(database: str) -> None:
    with capture_logs() as logs:
        async with replicas(database) as (only,):
            await until(lambda: has(logged(logs, "the lease cannot be asked for")))
            assert await only.follows()
    (entry,) = logged(logs, "the lease cannot be asked for")  # said once, not at each try
    assert "run `prober doctor --setup`" in entry["detail"]


async def test_a_stopped_server_costs_the_lease_and_its_return_brings_it_back(
    postgres: Postgres, prepared: str
) -> None:
    async with replicas(prepared) as (only,):
        await until(only.leads)
        postgres.kill()
        await postgres.wait_gone()
        await until(only.follows)
        await postgres.start()
        await until(only.leads)
        assert only.gained == [1, 2]


async def has(what: object) -> bool:
    return bool(what)


def logged(logs: Sequence[MutableMapping[str, Any]], event: str) -> list[MutableMapping[str, Any]]:
    return [entry for entry in logs if entry["event"] == event]
