"""The database probe on real servers: healthy, refusing, frozen, killed, read-only, back again."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from prober.demo.postgres import Postgres
from prober.outcome import Outcome, ProbeName
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.database_stats import AppPool
from prober.probes.schema import ensure_heartbeat, ensure_schema, grants

from .probing import as_role, connected, probing, rollbacks, run, stats_of, until


async def test_a_healthy_server_is_measured(prepared: str) -> None:
    async with probing(prepared) as probe:
        first, second = await probe.run(run()), await probe.run(run())
    assert first.probe is ProbeName.DATABASE
    for result in (first, second):
        assert result.outcome is Outcome.OK
        assert set(result.operations) == {"select", "write"}
        assert all(0 < latency < result.duration for latency in result.operations.values())
    assert first.stats is not None
    assert first.stats.started_at is not None
    assert first.stats.started_at < first.started.wall
    assert first.stats.in_recovery is False
    assert first.stats.replication_lag is None
    assert first.stats.pool_usage is None  # nobody said how to know the application
    async with connected(prepared) as connection:
        assert await connection.fetchval("SELECT beat FROM prober.heartbeat WHERE instance = 'test'") == 2


async def test_one_session_serves_all_healthy_runs_and_urgent_ones_connect_afresh(prepared: str) -> None:
    async def session() -> int | None:
        async with connected(prepared) as connection:
            found = await connection.fetch(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'synthetic-prober/test'"
            )
        assert len(found) == 1
        return int(found[0]["pid"])

    async with probing(prepared, details_every=3600.0) as probe:
        await probe.run(run())
        pid = await session()
        assert (await probe.run(run())).stats is None
        assert await session() == pid
        urgent = await probe.run(run(urgent=True))
        assert urgent.ok
        assert urgent.stats is not None
        await until(lambda: _is_gone(prepared, pid))


async def _is_gone(dsn: str, pid: int | None) -> bool:
    async with connected(dsn) as connection:
        return bool(await connection.fetchval("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $1", pid))


async def test_the_documented_grants_are_enough(prepared: str, role: str) -> None:
    async with connected(prepared) as connection:
        for grant in grants(role):
            await connection.execute(grant)
    pool = AppPool(role="postgres", size=10)
    async with probing(as_role(prepared, role), pool=pool) as probe:
        result = await probe.run(run())
    assert result.outcome is Outcome.OK, result.detail
    assert result.detail == ""
    assert result.stats is not None
    assert result.stats.pool_usage == 0.0
    assert result.stats.longest_transaction == 0.0


@pytest.mark.parametrize(
    ("given", "outcome"),
    [(0, Outcome.DENIED), (1, Outcome.DENIED), (2, Outcome.OK)],
    ids=["nothing", "schema only", "no statistics"],
)
async def test_what_a_missing_grant_hides_is_named_and_never_zero(
    postgres: Postgres, prepared: str, role: str, given: int, outcome: Outcome
) -> None:
    before = await rollbacks(postgres, prepared)
    async with connected(prepared) as connection:
        for grant in grants(role)[:given]:
            await connection.execute(grant)
    async with connected(prepared) as application, application.transaction():
        await application.execute("SELECT 1")
        async with probing(as_role(prepared, role), pool=AppPool(role="postgres", size=10)) as probe:
            results = [await probe.run(run()) for _ in range(3)]
    for result in results:
        assert result.outcome is outcome
        assert result.stats is not None
        assert result.stats.pool_usage is None
        assert result.stats.longest_transaction is None
        assert result.stats.lock_waiters is None
        assert result.stats.rollbacks is not None
        assert "pg_read_all_stats" in result.detail
        assert "not observable" in result.detail
    assert await rollbacks(postgres, prepared) == before


async def test_a_missing_schema_is_named_and_rolls_nothing_back(postgres: Postgres, database: str) -> None:
    before = await rollbacks(postgres, database)
    async with probing(database) as probe:
        for urgent in (False, False, True):
            result = await probe.run(run(urgent=urgent))
            assert result.outcome is Outcome.MISSING_SCHEMA
            assert "prober doctor --setup" in result.detail
            assert set(result.operations) == {"select"}
        async with connected(database) as connection:
            assert await ensure_schema(connection)
            assert not await ensure_schema(connection)
            await ensure_heartbeat(connection, "test")
        assert (await probe.run(run())).ok
        async with connected(database) as connection:
            await connection.execute("DELETE FROM prober.heartbeat")
        assert (await probe.run(run())).ok  # its row is made again
    assert await rollbacks(postgres, database) == before


async def test_a_schema_that_goes_while_we_watch_costs_one_rollback(postgres: Postgres, prepared: str) -> None:
    before = await rollbacks(postgres, prepared)
    async with probing(prepared) as probe:
        assert (await probe.run(run())).ok
        async with connected(prepared) as connection:
            await connection.execute("DROP SCHEMA prober CASCADE")
        for _ in range(3):
            assert (await probe.run(run())).outcome is Outcome.MISSING_SCHEMA
    assert await rollbacks(postgres, prepared) == before + 1


async def test_many_may_set_up_at_once(database: str) -> None:
    async def set_up() -> bool:
        async with connected(database) as connection:
            return await ensure_schema(connection)

    assert sorted(await asyncio.gather(*(set_up() for _ in range(5)))) == [False] * 4 + [True]


@pytest.mark.parametrize("password", ["wrong-one", ""], ids=["wrong", "none"])
async def test_a_wrong_password_is_named_and_not_repeated(postgres: Postgres, password: str) -> None:
    async with probing(postgres.dsn(password=password)) as probe:
        result = await probe.run(run())
    assert result.outcome is Outcome.AUTH
    assert "wrong-one" not in result.detail


async def test_the_password_may_come_apart_from_the_dsn(postgres: Postgres, prepared: str) -> None:
    address = DatabaseAddress(dsn=prepared.replace(postgres.password, "other"), password=postgres.password)
    probe = DatabaseProbe(address, instance="test")
    assert (await probe.run(run())).ok
    await probe.close()
    assert postgres.password not in repr(address)


@pytest.mark.parametrize("dsn", ["postgresql://u:se/cret@h:x/d", "mysql://u:secret@h/d"])
async def test_a_dsn_that_cannot_be_read_is_named_and_not_repeated(dsn: str) -> None:
    async with probing(dsn) as probe:
        result = await probe.run(run())
    assert result.outcome is Outcome.SETUP_FAILED
    assert "cret" not in result.detail


async def test_too_many_connections(prepared: str, role: str) -> None:
    async with connected(prepared) as connection:
        for grant in grants(role):
            await connection.execute(grant)
        await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    async with connected(as_role(prepared, role)), probing(as_role(prepared, role)) as probe:
        assert (await probe.run(run())).outcome is Outcome.TOO_MANY_CONNECTIONS


async def test_a_role_that_may_only_read_is_readonly_and_rolls_nothing_back(
    postgres: Postgres, prepared: str, role: str
) -> None:
    before = await rollbacks(postgres, prepared)
    async with connected(prepared) as connection:
        for grant in grants(role):
            await connection.execute(grant)
        await connection.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    async with probing(as_role(prepared, role)) as probe:
        for urgent in (False, True, False):
            result = await probe.run(run(urgent=urgent))
            assert result.outcome is Outcome.READONLY
            assert set(result.operations) == {"select"}
    assert await rollbacks(postgres, prepared) == before


async def test_pool_usage_counts_the_sessions_of_the_application_that_are_not_idle(
    prepared: str, role: str
) -> None:
    login = as_role(prepared, role)
    async with (
        connected(login, "shop") as idle,
        connected(login, "shop") as busy,
        connected(login, "reports") as other,
        connected(prepared, "shop"),
        busy.transaction(),
        other.transaction(),
    ):
        await idle.execute("SELECT 1")
        await busy.execute("SELECT 1")
        await other.execute("SELECT 1")
        by_role, _ = await stats_of(prepared, AppPool(role=role, size=4, instances=2))
        by_name, _ = await stats_of(prepared, AppPool(application_name="shop", size=4))
        by_both, _ = await stats_of(prepared, AppPool(role=role, application_name="shop", size=2))
        nobody, why = await stats_of(prepared, AppPool(role="no such role", size=4))
        own, _ = await stats_of(login, AppPool(role=role, size=4))
    assert by_role.pool_usage == 2 / 8
    assert by_name.pool_usage == 1 / 4
    assert by_both.pool_usage == 1 / 2
    assert nobody.pool_usage is None
    assert "no role" in why
    assert own.pool_usage == 2 / 4  # a role sees its own sessions without any grant


async def test_lock_waits_and_the_longest_transaction_are_seen(prepared: str) -> None:
    async with connected(prepared) as holder, connected(prepared) as waiter:
        await holder.execute("CREATE TABLE wanted ()")
        async with holder.transaction():
            await holder.execute("LOCK TABLE wanted")
            waiting = asyncio.create_task(waiter.execute("SELECT FROM wanted"))

            async def is_seen() -> bool:
                return (await stats_of(prepared))[0].lock_waiters == 1

            await until(is_seen)
            stats, _ = await stats_of(prepared)
            assert stats.longest_transaction is not None
            assert stats.longest_transaction > 0
        await waiting
    stats, _ = await stats_of(prepared)
    assert (stats.lock_waiters, stats.longest_transaction) == (0, 0.0)


async def test_rollbacks_are_those_of_the_database_and_not_ours(postgres: Postgres, prepared: str) -> None:
    async with connected(prepared) as connection:
        for _ in range(3):
            await connection.execute("BEGIN; SELECT 1; ROLLBACK")
    counted = await rollbacks(postgres, prepared)
    stats, _ = await stats_of(prepared)
    assert stats.rollbacks == counted >= 3
    assert stats.datname == urlsplit(prepared).path[1:]
    async with probing(prepared) as probe:
        for number in range(10):
            assert (await probe.run(run(urgent=number > 5))).ok
    assert await rollbacks(postgres, prepared) == counted
