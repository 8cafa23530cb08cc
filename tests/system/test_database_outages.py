"""The database probe on real servers that freeze, go and come back, follow another, or may not be written to."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from prober.demo.postgres import Postgres, StopMode
from prober.demo.process import Owner
from prober.outcome import Outcome, SkipReason
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.schema import grants

from .probing import GONE, HeldBack, as_role, connected, probing, run, stats_of, until


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
