"""TLS before servers that were built without it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator

from tests.certificates import Certificate


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
