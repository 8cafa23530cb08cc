"""Server-sent events: whoever has the page open is told which of its sections changed, once a second.

However many look, a section is made once. A stream remembers what it has sent; one whose client reads slowly gets
the newest instead of all there was in between, and one whose client does not read at all is cut off.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from prober.suites.report.markup import Markup
from prober.web.answer import json_error, stream_answer
from prober.web.connection import Connection
from prober.web.log import log

MOST_STREAMS = 40
EVERY = 1.0  # seconds
_TAKE_WITHIN = 10.0  # seconds for a client to take what was written
# What the script of the page lets grow by itself: lengths of what goes on, and as of when all of it is.
_GROWING = re.compile(r'(<time class="running[^>]*>)[^<]*|<span id="as-of">.*?</span>')

Sections = Callable[[], Awaitable[Mapping[str, Markup]]]


@dataclass(frozen=True, slots=True)
class _Made:
    """A section, and a number that grows with each change of it."""

    version: int
    html: Markup
    still: str  # what of it does not just grow


class Live:
    """All open streams. `sections` makes the parts of the page, by name."""

    def __init__(self, sections: Sections, wall: Callable[[], float]) -> None:
        self._sections = sections
        self._wall = wall
        self._made: dict[str, _Made] = {}
        self._turn = asyncio.Condition()
        self._maker: asyncio.Task[None] | None = None
        self._closing = False
        self.streams = 0

    async def answer(self, request: web.BaseRequest, headers: Mapping[str, str]) -> web.StreamResponse:
        """Stay with one client until it goes, reads too slowly, or we end."""
        if self.streams >= MOST_STREAMS:
            return json_error(
                503, f"{MOST_STREAMS} pages are live already; this one is not", {"Retry-After": "10"}
            )
        self.streams += 1
        try:
            response = stream_answer(headers)
            await response.prepare(request)
            if self._maker is None:
                self._maker = asyncio.create_task(self._make())
            await self._follow(request, response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.streams -= 1
        return response

    async def close(self) -> None:
        """End every stream."""
        self._closing = True
        async with self._turn:
            self._turn.notify_all()
        if self._maker is not None:
            self._maker.cancel()

    async def _follow(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        sent: dict[str, int] = {}
        while not self._closing:
            new = {name: made for name, made in self._made.items() if made.version > sent.get(name, 0)}
            sent |= {name: made.version for name, made in new.items()}
            event = {"at": self._wall(), "sections": {name: made.html for name, made in new.items()}}
            async with asyncio.timeout(_TAKE_WITHIN):
                await response.write(f"event: now\ndata: {json.dumps(event)}\n\n".encode())
            if isinstance(request.protocol, Connection):
                request.protocol.spoke()
            async with self._turn:
                await self._turn.wait()

    async def _make(self) -> None:
        """Make the sections once a second while somebody looks."""
        while self.streams:
            try:
                self._take(await self._sections())
            except Exception:
                log.exception("could not make the sections of the page")
            async with self._turn:
                self._turn.notify_all()
            await asyncio.sleep(EVERY)
        # Who comes next must not be shown what was true when the last one went.
        self._made.clear()
        self._maker = None

    def _take(self, sections: Mapping[str, Markup]) -> None:
        for name, html in sections.items():
            still, before = _GROWING.sub(r"\g<1>", html), self._made.get(name)
            if before is None or before.still != still:
                self._made[name] = _Made(1 if before is None else before.version + 1, html, still)
