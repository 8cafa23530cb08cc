"""Redis and PostgreSQL over TLS: a good certificate is accepted, any other is the outcome `tls`."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    key: Path


@pytest.fixture
def certificate(owner: Owner) -> Certificate:
    return make_certificate(owner.directory, "server")


def make_certificate(directory: Path, stem: str) -> Certificate:
    """Make a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    at = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - datetime.timedelta(days=1))
        .not_valid_after(at + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    files = Certificate(directory / f"{stem}.crt", directory / f"{stem}.key")
    files.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


@contextlib.asynccontextmanager
async def tls_in_front_of(port: int, certificate: Certificate, *, postgres: bool = False) -> AsyncIterator[int]:
    """Terminate TLS before a server that was built without it; gives the port.

    A client of PostgreSQL asks for TLS in the clear first.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if postgres:
                assert await reader.readexactly(8) == struct.pack("!ii", 8, 80877103)
                writer.write(b"S")
                await writer.start_tls(context)
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, to_server), pump(from_server, writer))
        writer.close()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        finally:
            sink.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=None if postgres else context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


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
    another = make_certificate(owner.directory, "another")
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
