"""PgBouncer of our own: everybody logs in with their own password, and it outlives its PostgreSQL."""

from __future__ import annotations

import asyncpg
import pytest

from prober.demo import pgbouncer
from prober.demo.pgbouncer import PgBouncer
from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.user import ServerError

needs_pgbouncer = pytest.mark.skipif(
    not pgbouncer.installed(), reason="needs PgBouncer: apt-get install pgbouncer"
)


@needs_pgbouncer
async def test_roles_log_in_with_their_own_password_and_share_server_connections(
    owner: Owner, postgres: Postgres
) -> None:
    await postgres.execute("CREATE ROLE pooled LOGIN PASSWORD 'p@ss'")
    bouncer = PgBouncer(owner, owner.directory / "bouncer", postgres, settings={"default_pool_size": 1})
    await bouncer.start()
    clients = [
        await asyncpg.connect(bouncer.dsn("pooled", password="p@ss"), statement_cache_size=0) for _ in range(2)
    ]
    backends = {await client.fetchval("SELECT pg_backend_pid()") for client in clients}
    assert len(backends) == 1
    assert await clients[0].fetchval("SELECT current_user") == "pooled"
    for client in clients:
        await client.close()
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(bouncer.dsn("pooled", password="wrong"), statement_cache_size=0)
    await bouncer.stop()
    await postgres.execute("DROP ROLE pooled")


@needs_pgbouncer
async def test_session_pooling_keeps_a_backend_for_each_client(owner: Owner, postgres: Postgres) -> None:
    bouncer = PgBouncer(owner, owner.directory / "bouncer", postgres, pool_mode="session")
    await bouncer.start()
    clients = [await asyncpg.connect(bouncer.dsn()) for _ in range(2)]
    assert len({await client.fetchval("SELECT pg_backend_pid()") for client in clients}) == 2
    for client in clients:
        await client.close()


@needs_pgbouncer
async def test_it_answers_without_postgres_and_again_with_it(owner: Owner, postgres: Postgres) -> None:
    settings = {"server_login_retry": 0.1, "query_wait_timeout": 1}
    bouncer = PgBouncer(owner, owner.directory / "bouncer", postgres, settings=settings)
    await bouncer.start()
    postgres.kill()
    await bouncer.wait_ready()
    with pytest.raises((asyncpg.PostgresError, ConnectionError)):
        await asyncpg.connect(bouncer.dsn(), statement_cache_size=0)
    await postgres.start()
    bouncer.kill()
    await bouncer.start()
    client = await asyncpg.connect(bouncer.dsn(), statement_cache_size=0)
    assert await client.fetchval("SELECT 1") == 1
    await client.close()


def test_without_it_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not pgbouncer.installed()
    with pytest.raises(ServerError, match="apt-get install pgbouncer"):
        pgbouncer.pgbouncer_program()
