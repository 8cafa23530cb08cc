"""The database probe on real servers: healthy, refusing, frozen, killed, read-only, back again."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from prober.demo.postgres import Postgres, StopMode
from prober.demo.process import Owner
from prober.outcome import Outcome, ProbeName, SkipReason
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.database_stats import AppPool
from prober.probes.schema import ensure_heartbeat, ensure_schema, grants
from prober.result import DatabaseStats

from .probing import GONE, HeldBack, as_role, connected, probing, run, until


async def stats_of(dsn: str, pool: AppPool | None = None) -> tuple[DatabaseStats, str]:
    async with probing(dsn, pool=pool) as probe:
        result = await probe.run(run())
    assert result.stats is not None, result.detail
    return result.stats, result.detail


async def rollbacks(postgres: Postgres, dsn: str) -> int:
    """Rolled-back transactions of the database, once every session of ours has handed in its count."""
    name = urlsplit(dsn).path[1:]
    async with connected(postgres.dsn()) as connection:

        async def left() -> bool:
            seen = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name)
            return bool(seen == 0)

        await until(left)
        counted = await connection.fetchval("SELECT xact_rollback FROM pg_stat_database WHERE datname = $1", name)
        assert isinstance(counted, int)
        return counted


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


async def test_a_session_that_is_ended_in_the_middle_is_a_shutdown(prepared: str) -> None:
    async with connected(prepared) as holder, probing(prepared) as probe:
        assert (await probe.run(run())).ok
        async with holder.transaction():
            await holder.execute("SELECT FROM prober.heartbeat FOR UPDATE")
            running = asyncio.create_task(probe.run(run()))

            async def ended() -> bool:
                return bool(
                    await holder.fetchval(
                        "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity"
                        " WHERE wait_event_type = 'Lock' AND application_name = 'synthetic-prober/test'"
                    )
                )

            await until(ended)
            assert (await running).outcome is Outcome.SHUTDOWN
        assert (await probe.run(run())).ok


async def test_a_frozen_server_times_out_within_the_bound_and_is_asked_anew(
    postgres: Postgres, prepared: str
) -> None:
    async with probing(prepared) as probe:
        before = await probe.run(run())
        postgres.freeze()
        for urgent in (False, True, True):
            result = await probe.run(run(urgent=urgent, timeout=0.3))
            assert result.outcome is Outcome.TIMEOUT
            assert 0.2 < result.duration < 3
        assert asyncio.all_tasks() == {asyncio.current_task()}  # no cancel request of asyncpg is left waiting
        postgres.thaw()
        after = await probe.run(run())
    assert after.ok
    assert before.stats is not None
    assert after.stats is not None  # read at every connect
    assert after.stats.started_at == before.stats.started_at


async def test_a_cancelled_run_leaves_nothing_behind(postgres: Postgres, prepared: str) -> None:
    async with probing(prepared) as probe:
        await probe.run(run())
        postgres.freeze()
        running = asyncio.create_task(probe.run(run(timeout=60)))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert asyncio.all_tasks() == {asyncio.current_task()}
        postgres.thaw()
        assert (await probe.run(run())).ok


@pytest.mark.parametrize("how", ["kill", "fast", "immediate"])
async def test_a_server_that_goes_comes_back_as_another(postgres: Postgres, prepared: str, how: str) -> None:
    async with probing(prepared) as probe:
        before = await probe.run(run())
        if how == "kill":
            postgres.kill()
            await postgres.wait_gone()
        else:
            await postgres.stop(mode=StopMode[how.upper()])
        for urgent in (False, True, True):
            assert (await probe.run(run(urgent=urgent))).outcome in GONE | {Outcome.SHUTDOWN, Outcome.STARTING}
        await postgres.start()
        after = await probe.run(run(urgent=True))
    assert after.ok
    assert before.stats is not None
    assert after.stats is not None
    assert before.stats.started_at is not None
    assert after.stats.started_at is not None
    assert after.stats.started_at > before.stats.started_at


def copy_with_owners(source: Path, target: Path) -> None:
    """Copy the directory of a stopped server, for another that runs as the same user."""
    shutil.copytree(source, target)
    for path in (source, *source.rglob("*")):
        owned = path.stat()
        os.chown(target / path.relative_to(source), owned.st_uid, owned.st_gid)


async def test_a_standby_is_readonly_and_tells_its_lag(owner: Owner, postgres: Postgres, prepared: str) -> None:
    standby = Postgres(
        owner,
        owner.directory / "standby",
        settings={
            "primary_conninfo": f"host=127.0.0.1 port={postgres.port} user=postgres password={postgres.password}"
        },
    )
    await postgres.stop()
    copy_with_owners(postgres.directory, standby.directory)
    signal_file = standby.data / "standby.signal"
    signal_file.touch()
    await postgres.start()
    await standby.start()
    dsn = prepared.replace(f":{postgres.port}/", f":{standby.port}/")

    async def follows() -> bool:
        stats, _ = await stats_of(prepared)
        return stats.replication_lag is not None

    await until(follows)
    async with probing(dsn) as probe:
        for _ in range(2):
            result = await probe.run(run())
            assert result.outcome is Outcome.READONLY
    assert result.stats is not None
    assert result.stats.in_recovery is True
    assert result.stats.replication_lag is not None
    assert result.stats.replication_lag >= 0
    await standby.stop()


async def test_while_writes_are_held_back_it_is_read_and_its_heartbeat_stands_still(prepared: str) -> None:
    held = HeldBack()
    probe = DatabaseProbe(DatabaseAddress(dsn=prepared), instance="test", permission=held)
    held.reason = SkipReason.PAUSED
    result = await probe.run(run())
    assert (result.outcome, set(result.operations)) == (Outcome.OK, {"select"})
    assert result.stats is not None
    async with connected(prepared) as connection:
        assert await connection.fetchval("SELECT count(*) FROM prober.heartbeat") == 0
        held.reason = None
        assert set((await probe.run(run())).operations) == {"select", "write"}
        held.reason = SkipReason.MAINTENANCE
        assert set((await probe.run(run(urgent=True))).operations) == {"select"}
        assert await connection.fetchval("SELECT beat FROM prober.heartbeat WHERE instance = 'test'") == 1
    await probe.close()


async def test_one_that_refused_the_last_write_is_not_known_to_be_well_until_one_is_tried(
    prepared: str, role: str
) -> None:
    async with connected(prepared) as connection:
        for statement in grants(role):
            await connection.execute(statement)
        await connection.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
        held = HeldBack()
        probe = DatabaseProbe(DatabaseAddress(dsn=as_role(prepared, role)), instance="test", permission=held)
        assert (await probe.run(run())).outcome is Outcome.READONLY
        held.reason = SkipReason.PAUSED
        result = await probe.run(run(urgent=True))
        assert result.outcome is Outcome.NOT_KNOWN
        assert "no write is tried (paused)" in result.detail
        await connection.execute(f"ALTER ROLE {role} RESET default_transaction_read_only")
        assert (await probe.run(run(urgent=True))).outcome is Outcome.NOT_KNOWN
        held.reason = None
        assert (await probe.run(run(urgent=True))).outcome is Outcome.OK
        held.reason = SkipReason.PAUSED
        assert (await probe.run(run())).outcome is Outcome.OK
        await probe.close()


async def test_a_connection_lost_under_a_write_says_nothing_of_the_next_read(
    postgres: Postgres, prepared: str
) -> None:
    held = HeldBack()
    probe = DatabaseProbe(DatabaseAddress(dsn=prepared), instance="test", permission=held)
    assert (await probe.run(run())).ok
    postgres.kill()
    await postgres.wait_gone()
    assert not (await probe.run(run())).ok
    await postgres.start()
    held.reason = SkipReason.PAUSED
    assert (await probe.run(run(urgent=True))).outcome is Outcome.OK
    await probe.close()
