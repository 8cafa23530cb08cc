"""A Redis client, a database with our schema in it, and a role that may do nothing there."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from prober.demo.redis_server import RedisServer
from prober.probes.schema import ensure_schema

from .grouping import SharedServers
from .probing import connected


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> SharedServers:
    """Deal the tests out by who shares servers; asked only where there are several workers."""
    return SharedServers(config, log)


@pytest_asyncio.fixture
async def prepared(database: str) -> str:
    """A database with our schema in it; its URL for the superuser."""
    async with connected(database) as connection:
        await ensure_schema(connection)
    return database


@pytest_asyncio.fixture
async def role(prepared: str) -> AsyncIterator[str]:
    """The name of a login role without any grant, whose password is its name."""
    name = f"role_{uuid.uuid4().hex[:8]}"
    async with connected(prepared) as connection:
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    yield name
    async with connected(prepared) as connection:
        await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest_asyncio.fixture
async def redis_client(redis_server: RedisServer) -> AsyncIterator[Redis]:
    redis_client = redis_server.client()
    yield redis_client
    with contextlib.suppress(ConnectionError):
        await redis_client.aclose()
