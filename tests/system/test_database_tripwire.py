"""The tripwire of the database on real servers: it tells of every end, and of nothing else."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import pytest

from prober.clock import now
from prober.demo.postgres import Postgres, StopMode
from prober.probes.database_session import DatabaseAddress
from prober.probes.database_tripwire import DatabaseTripwire

from .probing import as_role, connected, until


@pytest.mark.parametrize("how", ["kill", "fast", "immediate"])
async def test_the_tripwire_tells_when_the_server_goes(postgres: Postgres, how: str) -> None:
    tripwire = DatabaseTripwire(DatabaseAddress(dsn=postgres.dsn()), instance="test")
    holding = asyncio.create_task(tripwire.hold())
    await until(lambda: _is_held(postgres))
    gone = now()
    if how == "kill":
        postgres.kill()
    else:
        os.kill(postgres.pid, StopMode[how.upper()].value)
    closed = await asyncio.wait_for(holding, 10)
    assert gone.mono <= closed.mono < gone.mono + 2
    await postgres.stop()
    with pytest.raises(ConnectionError, match="the database"):
        await tripwire.hold()


async def _is_held(postgres: Postgres) -> bool:
    async with connected(postgres.dsn()) as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'synthetic-prober/test/tripwire' AND state = 'idle'"
                " AND query LIKE 'SET idle_session_timeout%'"
            )
        )


async def test_the_tripwire_outlives_the_idle_timeout_of_the_server(
    postgres: Postgres, prepared: str, role: str
) -> None:
    async with connected(prepared) as connection:
        await connection.execute(f"ALTER ROLE {role} SET idle_session_timeout = '1s'")
    login = as_role(prepared, role)
    async with connected(login) as ordinary:
        tripwire = DatabaseTripwire(DatabaseAddress(dsn=login), instance="test")
        holding = asyncio.create_task(tripwire.hold())
        await until(lambda: _is_held(postgres))
        ordinary_again = await asyncpg.connect(login)

        async def is_sent_away() -> bool:
            return ordinary.is_closed() and ordinary_again.is_closed()

        await until(is_sent_away)
    assert not holding.done()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding


def test_a_tripwire_through_a_pooler_is_refused() -> None:
    with pytest.raises(ValueError, match="pooler"):
        DatabaseTripwire(DatabaseAddress(dsn="postgresql://h/d", pooled=True), instance="test")
