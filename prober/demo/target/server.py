"""The HTTP side of one worker process: hands each request to its handler, through the faults of the HTTP side."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from prober.clock import Instant, now
from prober.demo.target import health
from prober.demo.target.exchange import Incoming, refused
from prober.demo.target.faults import Errors, Hang, RateLimited, Route, RoutesMissing, Slow
from prober.demo.target.forms import Form
from prober.demo.target.live import Live
from prober.demo.target.record import Kind, RecordWriter

WEBHOOK_PATH = "/api/v1/whatsapp/webhook"
MARK_HEADER = "X-Synthetic-Probe"
HANG_CHECK = 0.2  # seconds
SHUTDOWN_SECONDS = 2.0

Handler = Callable[[Incoming], Awaitable[web.Response | None]]


class StampingProtocol(RequestHandler):
    """aiohttp's server protocol, which also notes when bytes came in, before any handler had its turn."""

    __slots__ = ("arrived",)

    def __init__(self, manager: web.Server, **settings: Any) -> None:
        super().__init__(manager, **settings)
        self.arrived = now()

    def data_received(self, data: bytes) -> None:
        """Note the moment."""
        self.arrived = now()
        super().data_received(data)


class StampingServer(web.Server):
    """aiohttp's low-level server with that protocol."""

    def __call__(self) -> StampingProtocol:
        """The protocol of one connection."""
        return StampingProtocol(self, loop=self._loop, **self._kwargs)


class HttpServer:
    """Serves connections that were accepted elsewhere."""

    def __init__(
        self, form: Form, live: Live, record: RecordWriter, webhook: Handler, vendors: Handler, pages: Handler
    ) -> None:
        self._form = form
        self._live = live
        self._record = record
        self._webhook = webhook
        self._vendors = vendors
        self._pages = pages
        self._server = StampingServer(self._handle, access_log=None, keepalive_timeout=600.0)

    async def adopt(self, connection: Any) -> None:
        """Serve an accepted socket."""
        await asyncio.get_running_loop().connect_accepted_socket(self._server, connection)

    async def close(self) -> None:
        """Close every connection, after the requests on them were answered or a moment has passed."""
        await self._server.shutdown(SHUTDOWN_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        arrived = getattr(request.protocol, "arrived", None) or now()
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        incoming = Incoming(
            request.method,
            request.path,
            request.headers,
            body,
            peer[0] if peer else "",
            arrived,
            {"mark": request.headers[MARK_HEADER]} if MARK_HEADER in request.headers else {},
        )
        try:
            answer = await self._answer(request, incoming)
        except Exception as error:
            self._note(incoming, int(HTTPStatus.INTERNAL_SERVER_ERROR), arrived, error=repr(error))
            return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", "INTERNAL_ERROR")
        self._note(incoming, answer.status, arrived)
        return answer

    def _note(self, incoming: Incoming, status: int | None, arrived: Instant, **more: Any) -> None:
        self._record.write(
            Kind.REQUEST,
            mono=arrived.mono,
            wall=arrived.wall,
            method=incoming.method,
            path=incoming.path,
            client=incoming.client,
            status=status,
            seconds=round(time.monotonic() - arrived.mono, 6),
            **incoming.about,
            **more,
        )

    async def _answer(self, request: web.BaseRequest, incoming: Incoming) -> web.Response:
        route, handler = self._find(incoming)
        answer = None
        if route is not None:
            answer = await self._meet_faults(request, incoming, route)
        if answer is None:
            answer = await handler(incoming)
        return answer if answer is not None else self._form.no_route(incoming)

    def _find(self, incoming: Incoming) -> tuple[Route | None, Handler]:
        if incoming.path == WEBHOOK_PATH and incoming.method in ("GET", "POST"):
            return Route.WEBHOOK, self._webhook
        if incoming.path.startswith(self._form.base + "/"):
            return Route.ROUTING, self._vendors
        if incoming.path.startswith(health.BASE):
            return None, self._pages
        return None, _nothing

    async def _meet_faults(
        self, request: web.BaseRequest, incoming: Incoming, route: Route
    ) -> web.Response | None:
        state = self._live.state
        missing = state.planted(RoutesMissing)
        if missing is not None and missing.covers(route):
            return self._form.no_route(incoming)
        limited = state.planted(RateLimited)
        if limited is not None and limited.covers(route):
            headers = {"Retry-After": str(limited.retry_after_seconds), "RateLimit-Remaining": "0"}
            return refused(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many requests", "RATE_LIMIT_EXCEEDED", headers=headers
            )
        hang = state.planted(Hang)
        if hang is not None and hang.covers(route):
            await self._hang(request, incoming)
        errors = state.planted(Errors)
        if errors is not None and errors.covers(route) and random.random() < errors.probability:  # noqa: S311
            return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", "INTERNAL_ERROR")
        slow = state.planted(Slow)
        if slow is not None and slow.covers(route):
            await asyncio.sleep(slow.delay_ms / 1000)
        return None

    async def _hang(self, request: web.BaseRequest, incoming: Incoming) -> None:
        self._note(incoming, None, incoming.arrived)
        # aiohttp tells nobody that the client has gone.
        while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(HANG_CHECK)
        raise asyncio.CancelledError


async def _nothing(_: Incoming) -> None:
    return None
