"""A real HTTP server that keeps every request it got and answers as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request, whole. `connection` counts the connections of the server from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


Answer = Callable[[Asked], Awaitable[web.Response]]


@dataclass
class Answering:
    """The server while it runs."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Answering]:
    """Serve on a free port of 127.0.0.1 while the block runs."""
    connections: dict[int, int] = {}
    held = []  # so that no address is given to a second connection

    async def handle(request: web.BaseRequest) -> web.Response:
        if id(request.transport) not in connections:
            held.append(request.transport)
            connections[id(request.transport)] = len(held)
        body = await request.read()
        number = connections[id(request.transport)]
        asked = Asked(request.method, request.path_qs, request.headers.copy(), body, number)
        server.asked.append(asked)
        return await answer(asked)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server = Answering(f"http://{host}:{port}")
    try:
        yield server
    finally:
        await runner.cleanup()


def always(status: int, text: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """The same answer to everybody."""

    async def answer(_: Asked) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return answer
