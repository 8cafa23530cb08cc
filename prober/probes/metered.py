"""Stands between PostgreSQL and asyncpg: bounds what a server can make us read, and times its last bytes.

asyncpg takes its connections from the event loop that it is given; here it is given one whose connections are
counted and checked. Only the public interface of asyncio and the `loop` parameter of `asyncpg.connect` are used.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Any, cast

import asyncpg
import asyncpg.protocol

from prober.probes.postgres_framing import MAX_ANSWER, Framing, GarbageError, OverrunError

Factory = Callable[[], asyncio.Protocol]
Connected = tuple["_MeteredTransport", asyncio.Protocol]


class Meter:
    """Counts the bytes of one connection, request by request."""

    def __init__(self) -> None:
        self.last_arrival = 0.0  # monotonic
        self.trouble: Exception | None = None  # why the connection closed, where that is known
        self.transport: asyncio.Transport | None = None
        self._may_read = MAX_ANSWER

    def named(self, error: Exception) -> Exception:
        """What really happened when asyncpg raises `error`."""
        lost = isinstance(error, asyncpg.ConnectionDoesNotExistError)
        if lost and isinstance(error.__cause__, asyncpg.PostgresError):
            return error.__cause__  # a farewell of the server, such as 57P01
        if self.trouble is not None and not _is_told_by_server(error):
            return self.trouble
        if self.last_arrival and not isinstance(error, _SENSIBLE):
            # BufferError, IndexError, AttributeError …: the parser of asyncpg met what it did not expect.
            return GarbageError(f"{type(error).__name__} while reading what it sent")
        return error

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def begin(self) -> None:
        """A request is about to be sent."""
        self._may_read = MAX_ANSWER

    def count(self, size: int) -> None:
        """Note that bytes arrived. Raises OverrunError when they are too many."""
        self.last_arrival = time.monotonic()
        self._may_read -= size
        if self._may_read < 0:
            raise OverrunError(f"more than {MAX_ANSWER} bytes came for one request")


_SENSIBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def _is_told_by_server(error: Exception) -> bool:
    # One SQLSTATE asyncpg makes up itself, when the connection is lost.
    return isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.ConnectionDoesNotExistError)


class _MeteredProtocol(asyncio.Protocol):
    """Stands between the transport and the protocol of asyncpg."""

    def __init__(self, inner: asyncio.Protocol, meter: Meter) -> None:
        self.inner = inner
        self._meter = meter
        # The answer to the question for TLS is one byte and no message.
        self._framing = Framing() if isinstance(inner, asyncpg.protocol.Protocol) else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._meter.transport = cast(asyncio.Transport, transport)  # that of uvloop says so of itself in no way
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
            self._meter.abort()
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
