"""Real servers for the tests: each on its own port and in its own directory, all gone when the test is."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import settings

from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer
from tests.unskipped import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# An example that takes long says something of the machine, not of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest_asyncio.fixture
async def owner() -> AsyncIterator[Owner]:
    """Own the processes, ports and directories of one test."""
    async with Owner() as owner:
        yield owner


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_postgres() -> AsyncIterator[Postgres]:
    """Run one PostgreSQL for all tests of a module, since making one takes half a second."""
    async with Owner() as owner:
        postgres = Postgres(owner, owner.directory / "postgres")
        await postgres.start()
        yield postgres


@pytest_asyncio.fixture
async def postgres(module_postgres: Postgres) -> Postgres:
    """Have the module's PostgreSQL running and ready, whatever the test before did to it."""
    if module_postgres.running:
        module_postgres.thaw()
        await module_postgres.wait_ready()
    else:
        await module_postgres.start()
    return module_postgres


@pytest_asyncio.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """Make a fresh database in the module's PostgreSQL and give its URL (superuser)."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield await postgres.create_database(name)
    if not postgres.running:
        await postgres.start()
    postgres.thaw()
    await postgres.drop_database(name)


@pytest_asyncio.fixture
async def redis_server(owner: Owner) -> RedisServer:
    """Run an empty Redis for one test."""
    server = RedisServer(owner, owner.directory / "redis")
    await server.start()
    return server


@pytest.fixture
def port(owner: Owner) -> int:
    """Reserve a port of 127.0.0.1 on which nothing listens, for one test."""
    return owner.port()
