"""The database probe through a real PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest_asyncio

from prober.demo.pgbouncer import PgBouncer
from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.outcome import Outcome, ProbeName
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress

from .probing import GONE, connected, probing, run, until


@pytest_asyncio.fixture
async def pooler(owner: Owner, postgres: Postgres) -> PgBouncer:
    """A PgBouncer in transaction mode, with fewer server connections than the tests have clients."""
    pooler = PgBouncer(
        owner,
        owner.directory / "pgbouncer",
        postgres,
        settings={"default_pool_size": 2, "max_client_conn": 20, "server_login_retry": 1},
    )
    await pooler.start()
    return pooler


async def test_through_a_pooler_in_transaction_mode(postgres: Postgres, prepared: str, pooler: PgBouncer) -> None:
    dsn = pooler.dsn(dbname=urlsplit(prepared).path[1:])
    probes = [
        DatabaseProbe(DatabaseAddress(dsn=dsn, pooled=True), instance=f"test{number}", details_every=0.0)
        for number in range(6)
    ]
    for number in range(5):
        results = await asyncio.gather(*(probe.run(run(urgent=number > 3)) for probe in probes))
        assert [result.outcome for result in results] == [Outcome.OK] * 6, [result.detail for result in results]
        assert {result.probe for result in results} == {ProbeName.DATABASE_POOLED}
        assert {result.stats for result in results} == {None}
    for probe in probes:
        await probe.close()
    async with connected(prepared) as connection:
        assert await connection.fetchval("SELECT sum(beat) FROM prober.heartbeat") == 30


async def test_a_pooler_whose_server_is_gone_is_not_ok_and_recovers(
    postgres: Postgres, prepared: str, pooler: PgBouncer
) -> None:
    async with probing(pooler.dsn(dbname=urlsplit(prepared).path[1:]), pooled=True) as probe:
        assert (await probe.run(run())).ok
        postgres.kill()
        await postgres.wait_gone()
        for urgent in (False, True, True):
            result = await probe.run(run(urgent=urgent, timeout=1.0))
            assert not result.ok
            assert result.outcome is not Outcome.ERROR, result.detail
        await postgres.start()

        async def is_back() -> bool:
            return (await probe.run(run(urgent=True, timeout=1.0))).ok

        await until(is_back)
        await pooler.stop()
        assert (await probe.run(run(urgent=True))).outcome in GONE


async def test_a_full_pooler_is_too_many_connections(prepared: str, pooler: PgBouncer) -> None:
    dsn = pooler.dsn(dbname=urlsplit(prepared).path[1:])
    await pooler.stop()
    pooler.settings["max_client_conn"] = 1
    await pooler.start()
    async with probing(dsn, pooled=True) as first, probing(dsn, pooled=True) as second:
        assert (await first.run(run())).ok
        assert (await second.run(run())).outcome is Outcome.TOO_MANY_CONNECTIONS
