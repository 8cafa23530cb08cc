"""Redis and PostgreSQL over TLS: a good certificate is accepted, any other is the outcome `tls`."""

from __future__ import annotations

import ssl

import asyncpg
import pytest

from prober.clock import now
from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer
from prober.outcome import Outcome
from prober.probes.base import Run
from prober.probes.database import DatabaseProbe
from prober.probes.database_session import DatabaseAddress
from prober.probes.redis import RedisProbe
from prober.probes.redis_session import RedisAddress
from prober.probes.schema import ensure_schema
from tests.certificates import Certificate, write_certificate
from tests.system.tls import tls_in_front_of


@pytest.fixture
def certificate(owner: Owner) -> Certificate:
    return write_certificate(owner.directory, "server")


def run() -> Run:
    return Run(id="run1", started=now(), timeout=10.0)


async def test_redis(redis_server: RedisServer, certificate: Certificate) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate.certificate))
    async with tls_in_front_of(redis_server.port, certificate) as port:
        for context, outcomes in (
            (trusting, {Outcome.OK}),
            (ssl.create_default_context(), {Outcome.TLS}),
            (None, {Outcome.GARBAGE, Outcome.CLOSED, Outcome.RESET}),  # the client forgot about TLS
        ):
            probe = RedisProbe(RedisAddress(port=port, tls=context), instance="test", queues=("mail",))
            result = await probe.run(run())
            await probe.close()
            assert result.outcome in outcomes, result.detail


async def test_postgres(owner: Owner, postgres: Postgres, database: str, certificate: Certificate) -> None:
    another = write_certificate(owner.directory, "another")
    connection = await asyncpg.connect(database)
    await ensure_schema(connection)
    await connection.close()
    async with tls_in_front_of(postgres.port, certificate, postgres=True) as port:
        behind_tls = database.replace(f":{postgres.port}/", f":{port}/")
        for dsn, outcome in (
            (f"{behind_tls}?sslmode=verify-full&sslrootcert={certificate.certificate}", Outcome.OK),
            (f"{behind_tls}?sslmode=require", Outcome.OK),
            (f"{behind_tls}?sslmode=verify-full&sslrootcert={another.certificate}", Outcome.TLS),
            (f"{database}?sslmode=require", Outcome.TLS),  # a server without TLS
        ):
            probe = DatabaseProbe(DatabaseAddress(dsn=dsn), instance="test")
            result = await probe.run(run())
            await probe.close()
            assert result.outcome is outcome, result.detail
            assert all(0 < latency < result.duration for latency in result.operations.values())
