"""Which address answers what: metrics and readiness, the JSON API, the pages for people and their files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web

from prober.clock import boottime, now
from prober.outcome import Ordering
from prober.publish.status_text import ordering
from prober.publish.status_text import page as status_text
from prober.web.answer import json_error, text_answer
from prober.web.api import status_document
from prober.web.api_answers import NOT_STARTED, Api
from prober.web.archive import Archive
from prober.web.assets import ASSETS, ICON_PATH, badge, icon
from prober.web.board import Board
from prober.web.day import Day
from prober.web.exposition import Exposition, compressed, negotiated, takes_gzip
from prober.web.filling import fill
from prober.web.live import Live
from prober.web.site import Site

TEXT = "text/plain; charset=utf-8"
_SVG = "image/svg+xml"
# A file of ours has another name when it has changed.
_KEPT = {"Cache-Control": "private, max-age=86400"}

Page = Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[web.StreamResponse]]


class Routes:
    """Everything that may be asked with GET. It knows what `board`, `exposition`, `day` and the journal know."""

    def __init__(self, board: Board, exposition: Exposition, day: Day, archive: Archive) -> None:
        self._board = board
        self._exposition = exposition
        self._day = day
        self._archive = archive
        self._site = Site(board, day, archive)
        api = Api(board, archive)
        self._live = Live(self._site.sections, time.time)
        self._filling: asyncio.Task[None] | None = None
        self._pages: dict[str, Page] = {
            "/": self._site.overview,
            "/incidents": self._site.incidents,
            "/races": self._site.races,
            "/suites": self._site.suites,
            "/events": self._events,
            "/status.txt": self._status_text,
            "/badge.svg": self._badge,
            "/metrics": self._metrics,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            "/api/v1/status": api.status,
            "/api/v1/incidents": api.incidents,
            "/api/v1/races": api.races,
            "/api/v1/suites": api.suites,
        }
        # With an id after them.
        self._each: dict[str, Callable[[str], Page]] = {
            "/incidents/": lambda wanted: partial(self._site.incident, wanted),
            "/races/": lambda wanted: partial(self._site.race, wanted),
            "/api/v1/races/": lambda wanted: partial(api.race, wanted),
            "/static/": lambda name: partial(self._asset, name),
        }
        self.paths = (*self._pages, "/incidents/ID", "/races/ID", "/api/v1/races/ID")

    def begin(self) -> None:
        """Read the last day out of the journal, beside everything else."""
        self._filling = asyncio.create_task(fill(self._day, self._archive, time.time()))

    async def close(self) -> None:
        """End streams and questions."""
        await self._live.close()
        if self._filling is not None:
            self._filling.cancel()
        self._archive.close()

    def find(self, path: str) -> Page | None:
        """Who answers a path; None: nobody."""
        page = self._pages.get(path)
        if page is not None:
            return page
        for prefix, of in self._each.items():
            if path.startswith(prefix) and len(path) > len(prefix):
                return of(path.removeprefix(prefix))
        return None

    async def _events(self, request: web.BaseRequest, headers: Mapping[str, str]) -> web.StreamResponse:
        if request.method == "HEAD":
            return json_error(405, "expected GET: this is a stream", {"Allow": "GET"})
        return await self._live.answer(request, headers)

    async def _metrics(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        wanted = negotiated(",".join(request.headers.getall("Accept", [])))
        body = self._exposition.text(wanted)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if takes_gzip(",".join(request.headers.getall("Accept-Encoding", []))):
            body = compressed(body)
            headers["Content-Encoding"] = "gzip"
        return text_answer(body, wanted, headers)

    async def _healthy(self, _request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        trouble = self._board.trouble(time.monotonic())
        return text_answer("healthy\n", TEXT) if trouble is None else json_error(503, trouble)

    async def _ready(self, _request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        missing = self._board.not_yet_run()
        if missing is None:
            return json_error(503, NOT_STARTED)
        if missing:
            return json_error(503, f"these probes have not run yet: {', '.join(missing)}")
        return text_answer("ready\n", TEXT)

    async def _status_text(self, _request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        document = status_document(self._board, now(), boottime())
        return json_error(503, NOT_STARTED) if document is None else text_answer(status_text(document), TEXT)

    async def _badge(self, _request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        document = status_document(self._board, now(), boottime())
        state = Ordering.UNKNOWN if document is None else ordering(document)[0]
        return text_answer(badge(state), _SVG)

    async def _asset(self, name: str, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        path = f"/static/{name}"
        if path == ICON_PATH:
            state = request.query.get("state", "")
            known = Ordering(state) if state in tuple(Ordering) else Ordering.UNKNOWN
            return text_answer(icon(known), _SVG, _KEPT)
        asset = ASSETS.get(path)
        if asset is None:
            return json_error(404, f"no such file; there are {', '.join((*ASSETS, ICON_PATH))}")
        return text_answer(asset.content, asset.content_type, _KEPT)
