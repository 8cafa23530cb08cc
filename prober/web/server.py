"""The HTTP server: who may ask, which page answers, and the listening socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from prober.clock import now
from prober.outcome import Suite
from prober.publish.journal.reader import Reader, UnreadableError
from prober.web.answer import json_answer, json_error, text_answer
from prober.web.api import status_document
from prober.web.basic_auth import BasicAuth
from prober.web.board import Board
from prober.web.connection import Connection, ConnectionServer
from prober.web.exposition import Exposition, compressed, negotiated, takes_gzip
from prober.web.log import log
from prober.web.page import CONTENT_SECURITY_POLICY, render
from prober.web.paging import BadQueryError, asked_page
from prober.web.reload import ReloadDesk
from prober.web.settings import WebSettings
from prober.web.suites import suites_document
from prober.web.tls import ServerTls, TlsUnusableError

_SWEEP_EVERY = 1.0
_RENEW_EVERY = 10.0
_HANDSHAKE_WITHIN = 10.0
_ANSWER_AT_END = 1.0  # what is being answered when the prober ends has this long

_TEXT = "text/plain; charset=utf-8"
_RELOAD = "/-/reload"
_Page = Callable[[web.BaseRequest], web.Response]


class WebServer:
    """Serves what `board` and `exposition` know. It only reads, but for the reload that it may ask for."""

    def __init__(
        self,
        board: Board,
        exposition: Exposition,
        settings: WebSettings,
        ask_reload: Callable[[int], None],
        data_dir: Path | None = None,
    ) -> None:
        """Raises TlsUnusableError when the certificate cannot be used."""
        self._board = board
        self._exposition = exposition
        self._reader = None if data_dir is None else Reader(data_dir)
        self._headers = dict(settings.headers)
        self._tls = None if settings.tls is None else ServerTls(settings.tls)
        self._users = settings.users
        self._auth = BasicAuth(settings.users) if settings.users else None
        self.reloads = ReloadDesk(ask_reload, allowed=settings.reload)
        self._pages: dict[str, _Page] = {
            "/": self._overview,
            "/metrics": self._metrics,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            "/api/v1/status": self._status,
            "/api/v1/suites": self._suites,
        }
        self._connections: ConnectionServer | None = None
        self._listener: asyncio.Server | None = None
        self._upkeep: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Begin to answer; give the address that is really bound. Raises OSError when it cannot be."""
        loop = asyncio.get_running_loop()
        self._connections = ConnectionServer(self._answer, loop=loop)
        self._listener = await loop.create_server(
            self._connections,
            host,
            port,
            ssl=None if self._tls is None else self._tls.context,
            ssl_handshake_timeout=None if self._tls is None else _HANDSHAKE_WITHIN,
        )
        self._upkeep = asyncio.create_task(self._keep_up(self._connections))
        bound = self._listener.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    def reconfigure(self, settings: WebSettings) -> None:
        """Serve in another way from now on; the TLS stays."""
        self._headers = dict(settings.headers)
        self.reloads.allowed = settings.reload
        if settings.users != self._users:
            # Of who is being asked for a password at this moment the old list decides.
            before, self._users = self._auth, settings.users
            self._auth = BasicAuth(settings.users) if settings.users else None
            if before is not None:
                before.close()

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self._tls is not None

    async def close(self) -> None:
        """Take no new connection, answer what was asked already, and go."""
        if self._upkeep is not None:
            self._upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._upkeep
        if self._listener is not None:
            self._listener.close()
        if self._connections is not None:
            self._connections.pre_shutdown()
            await self._connections.shutdown(_ANSWER_AT_END)
        if self._auth is not None:
            self._auth.close()
        if self._reader is not None:
            self._reader.close()

    async def _keep_up(self, connections: ConnectionServer) -> None:
        renew_at = time.monotonic() + _RENEW_EVERY
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            connections.sweep()
            if self._tls is not None and time.monotonic() >= renew_at:
                renew_at += _RENEW_EVERY
                _renew(self._tls)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if isinstance(connection, Connection):
            connection.request_came()
        try:
            answer = await self._refused(request) or await self._reload(request) or self._page(request)
        finally:
            if isinstance(connection, Connection):
                connection.answer_made()
        answer.headers.update(self._headers)
        return answer

    async def _refused(self, request: web.BaseRequest) -> web.Response | None:
        if self._auth is None or await self._auth.allows(request.headers.get("Authorization")):
            return None
        return json_error(
            401,
            "expected the user name and password of a user in web_config (basic authentication)",
            {"WWW-Authenticate": 'Basic realm="prober", charset="UTF-8"'},
        )

    async def _reload(self, request: web.BaseRequest) -> web.Response | None:
        """The one request that does something; None for every other."""
        if request.path != _RELOAD:
            return None
        if request.method != "POST":
            return json_error(405, f"expected POST, got {request.method}", {"Allow": "POST"})
        return await self.reloads.post()

    def _page(self, request: web.BaseRequest) -> web.Response:
        page = self._pages.get(request.path)
        if page is None:
            return json_error(404, f"no such page; there are {', '.join((*self._pages, _RELOAD))}")
        if request.method not in ("GET", "HEAD"):
            return json_error(405, "expected GET or HEAD: this page is read-only", {"Allow": "GET, HEAD"})
        return page(request)

    def _overview(self, _request: web.BaseRequest) -> web.Response:
        body = render(self._board, time.monotonic())
        return text_answer(body, "text/html; charset=utf-8", {"Content-Security-Policy": CONTENT_SECURITY_POLICY})

    def _metrics(self, request: web.BaseRequest) -> web.Response:
        wanted = negotiated(",".join(request.headers.getall("Accept", [])))
        body = self._exposition.text(wanted)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if takes_gzip(",".join(request.headers.getall("Accept-Encoding", []))):
            body = compressed(body)
            headers["Content-Encoding"] = "gzip"
        return text_answer(body, wanted, headers)

    def _healthy(self, _request: web.BaseRequest) -> web.Response:
        trouble = self._board.trouble(time.monotonic())
        return text_answer("healthy\n", _TEXT) if trouble is None else json_error(503, trouble)

    def _status(self, _request: web.BaseRequest) -> web.Response:
        document = status_document(self._board, now())
        if document is None:
            return json_error(503, "the prober process has not started yet")
        return json_answer(document)

    def _suites(self, request: web.BaseRequest) -> web.Response:
        try:
            page = asked_page(request.query, "suite", tuple(Suite))
        except BadQueryError as error:
            return json_error(400, str(error))
        if self._reader is None:
            return json_error(503, "this prober keeps no journal")
        try:
            found = self._reader.suites(page.only, limit=page.limit, before=page.before)
        except UnreadableError as error:
            return json_error(503, str(error))
        return json_answer(suites_document(found, page.limit))

    def _ready(self, _request: web.BaseRequest) -> web.Response:
        missing = self._board.not_yet_run()
        if missing is None:
            return json_error(503, "the prober process has not started yet")
        if missing:
            return json_error(503, f"these probes have not run yet: {', '.join(missing)}")
        return text_answer("ready\n", _TEXT)


def _renew(tls: ServerTls) -> None:
    try:
        if tls.renew():
            log.info("took up the renewed certificate")
    except TlsUnusableError as error:
        log.error("kept the old certificate", reason=str(error))
