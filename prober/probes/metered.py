"""Stands between PostgreSQL and asyncpg: bounds what a server can make us read, and times its last bytes.

asyncpg buffers a message of whatever length is announced, so one that lies costs a gigabyte, and of some garbage
(a negative length) it never returns, which would stop the whole process. It takes its connections from the event
loop that it is given; here it is given one that checks the framing of every message first. Only the public
interface of asyncio and the `loop` parameter of `asyncpg.connect` are used.
"""

from __future__ import annotations

import asyncio
import errno
import struct
import time
from collections.abc import Callable
from typing import Any, cast

import asyncpg
import asyncpg.protocol

Factory = Callable[[], asyncio.Protocol]
Connected = tuple["_MeteredTransport", asyncio.Protocol]

MAX_ANSWER = 256 << 10  # bytes; the largest we ask for, the statistics, is one short row
HEADER = struct.Struct("!ci")
MESSAGES = frozenset(bytes([kind]) for kind in b"123ACDEIKNRSTZnstv")  # all but those of COPY and of functions


class OverrunError(Exception):
    """The server sent more than anything that we ask for."""


class GarbageError(Exception):
    """The server does not speak the PostgreSQL protocol."""


class Meter:
    """Counts the bytes of one connection, request by request."""

    def __init__(self) -> None:
        self.last_arrival = 0.0  # monotonic
        self.trouble: Exception | None = None  # why the connection closed, where that is known
        self.transport: asyncio.BaseTransport | None = None
        self._may_read = MAX_ANSWER

    def named(self, error: Exception) -> Exception:
        """What really happened when asyncpg raises `error`."""
        said_by_server = isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "").startswith("08")
        return error if self.trouble is None or said_by_server else self.trouble

    def begin(self) -> None:
        """A request is about to be sent."""
        self._may_read = MAX_ANSWER

    def count(self, size: int) -> None:
        """Note that bytes arrived. Raises OverrunError when they are too many."""
        self.last_arrival = time.monotonic()
        self._may_read -= size
        if self._may_read < 0:
            raise OverrunError(f"more than {MAX_ANSWER} bytes came for one request")


class Framing:
    """Follows the messages in a stream without keeping them: a type of one byte, a length of four, a body.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    def __init__(self) -> None:
        self._header = b""
        self._body_left = 0

    def check(self, data: bytes) -> None:
        """Raises GarbageError for a message that no PostgreSQL sends, OverrunError for one that is too long."""
        position = 0
        while position < len(data):
            if self._body_left:
                skipped = min(self._body_left, len(data) - position)
                self._body_left -= skipped
                position += skipped
                continue
            missing = HEADER.size - len(self._header)
            self._header += data[position : position + missing]
            position += missing
            if len(self._header) == HEADER.size:
                self._body_left = _body_length(self._header)
                self._header = b""


def _body_length(header: bytes) -> int:
    kind, length = HEADER.unpack(header)
    if kind not in MESSAGES or length < 4:
        raise GarbageError(f"expected a message of the PostgreSQL protocol, got {header!r}")
    if length > MAX_ANSWER:
        raise OverrunError(f"a message of {length} bytes was announced; at most {MAX_ANSWER} are read")
    return int(length) - 4


class _MeteredProtocol(asyncio.Protocol):
    """Stands between the transport and the protocol of asyncpg."""

    def __init__(self, inner: asyncio.Protocol, meter: Meter) -> None:
        self.inner = inner
        self._meter = meter
        # The answer to the question for TLS is one byte and no message.
        self._framing = Framing() if isinstance(inner, asyncpg.protocol.Protocol) else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._meter.transport = transport
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._meter.trouble is not None:
            return
        try:
            self._meter.count(len(data))
            if self._framing is not None:
                self._framing.check(data)
        except (GarbageError, OverrunError) as error:
            self._meter.trouble = error
            if isinstance(self._meter.transport, asyncio.Transport):
                self._meter.transport.abort()
            return
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._meter.trouble = self._meter.trouble or exc  # asyncpg says only that it closed, not why
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


class _MeteredTransport:
    """A transport on which asyncpg sets its protocol itself, once it is settled whether there is TLS."""

    def __init__(self, inner: asyncio.Transport, meter: Meter) -> None:
        self.inner = inner
        self._meter = meter
        meter.transport = inner

    def set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.inner.set_protocol(_MeteredProtocol(protocol, self._meter))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _MeteredLoop:
    """The running event loop, but for the connections that it makes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, meter: Meter) -> None:
        self._inner = loop
        self._meter = meter

    async def create_connection(self, factory: Factory, *args: Any, **kwargs: Any) -> Connected:
        return self._metered(await self._inner.create_connection(self._wrap(factory), *args, **kwargs))

    async def create_unix_connection(self, factory: Factory, *args: Any, **kwargs: Any) -> Connected:
        return self._metered(await self._inner.create_unix_connection(self._wrap(factory), *args, **kwargs))

    async def start_tls(self, transport: _MeteredTransport, *args: Any, **kwargs: Any) -> _MeteredTransport:
        encrypted = await self._inner.start_tls(transport.inner, *args, **kwargs)
        if encrypted is None:
            raise ConnectionResetError(errno.ECONNRESET, "connection closed during the TLS handshake")
        return _MeteredTransport(encrypted, self._meter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _wrap(self, factory: Factory) -> Callable[[], _MeteredProtocol]:
        return lambda: _MeteredProtocol(factory(), self._meter)

    def _metered(self, made: tuple[asyncio.Transport, _MeteredProtocol]) -> Connected:
        transport, protocol = made
        return _MeteredTransport(transport, self._meter), protocol.inner


def metered_loop(meter: Meter) -> asyncio.AbstractEventLoop:
    """The running event loop, whose connections are counted by `meter`."""
    return cast(asyncio.AbstractEventLoop, _MeteredLoop(asyncio.get_running_loop(), meter))
