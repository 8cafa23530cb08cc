"""One client's connection: aiohttp's, with deadlines for slow clients and with errors that are JSON."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from prober.web.answer import json_error
from prober.web.log import log

HEAD_WITHIN = 10.0  # from a connection, or the first byte of another request, to a whole request head
TAKE_WITHIN = 30.0  # from a request to the last byte of its answer taken by the client
IDLE_FOR = 90.0  # above the longest usual scrape interval, so that Prometheus keeps its connection
MOST_CONNECTIONS = 100

_HEAD_END = b"\r\n\r\n"
_LIMITS: dict[str, Any] = {
    "max_line_size": 2048,
    "max_field_size": 8190,
    "keepalive_timeout": IDLE_FOR,
    "lingering_time": 1.0,  # no page of ours takes a body; what comes all the same is not waited for
    "read_bufsize": 2**14,
    "auto_decompress": False,
    "access_log": None,
}


class Connection(web.RequestHandler):
    """A client with a limited time for everything it has to do."""

    __slots__ = ("_answering", "_head_due", "_tail", "_take_due", "quiet_since")

    def __init__(self, manager: ConnectionServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(manager, loop=loop, **_LIMITS)
        self._answering = False
        self._head_due: float | None = None
        self._take_due: float | None = None
        self._tail = b""
        self.quiet_since = loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the first request head its time."""
        super().connection_made(transport)
        self._head_due = self._loop.time() + HEAD_WITHIN

    def data_received(self, data: bytes) -> None:
        """Give a further request head its time, from its first byte on."""
        if self._head_due is None and not self._answering:
            self._head_due = self._loop.time() + HEAD_WITHIN
        self._tail = (self._tail + data[-len(_HEAD_END) :])[-len(_HEAD_END) :]
        super().data_received(data)

    def request_came(self) -> None:
        """Note that a request head is whole; called before the request is answered."""
        self._answering = True
        self._head_due = None
        self.quiet_since = self._loop.time()

    def spoke(self) -> None:
        """Note that a stream goes on: it is not quiet."""
        self.quiet_since = self._loop.time()

    def answer_made(self) -> None:
        """Give the client its time to take the answer, and to end what it sent after its request."""
        self._answering = False
        now = self._loop.time()
        self._take_due = now + TAKE_WITHIN
        if self._tail != _HEAD_END:
            self._head_due = now + HEAD_WITHIN

    def drop_if_overdue(self, now: float) -> None:
        """Cut the connection off if its client has taken too long (`now` is loop time)."""
        if self._take_due is not None and self.transport is not None:
            if self.transport.get_write_buffer_size() == 0:
                self._take_due = None
            elif now > self._take_due:
                self.drop()
        if self._head_due is not None and now > self._head_due:
            self.drop()

    def drop(self) -> None:
        """Cut the connection off, whatever has not been sent yet."""
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not read, or what failed in us, without telling how."""
        if status >= 500:
            log.error("a request failed", path=request.path, exc_info=exc)
            answer = json_error(status, "something failed here; the log of the prober has the reason")
        else:
            reason = (message or "").strip().splitlines()
            answer = json_error(status, f"expected an HTTP/1.1 request, {reason[0] if reason else 'got another'}")
        answer.force_close()
        return answer


class ConnectionServer(web.Server):
    """Makes connections, at most so many; `sweep` drops those whose client is too slow."""

    def __call__(self) -> web.RequestHandler:
        """Make room, then a connection: newcomers come in, since the longest quiet ones are worth the least."""
        guests = self._guests()
        if len(guests) >= MOST_CONNECTIONS:
            min(guests, key=lambda guest: guest.quiet_since).drop()
        return Connection(self, self._loop)

    def sweep(self) -> None:
        """Drop every client that has taken too long."""
        now = self._loop.time()
        for guest in self._guests():
            guest.drop_if_overdue(now)

    def _guests(self) -> list[Connection]:
        return [guest for guest in self.connections if isinstance(guest, Connection)]
