"""The HTTP server: who may ask, which page answers, and the listening socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from aiohttp import web

from prober.web.answer import json_error
from prober.web.basic_auth import BasicAuth
from prober.web.connection import Connection, ConnectionServer
from prober.web.log import log
from prober.web.reload import ReloadDesk
from prober.web.routes import Routes
from prober.web.settings import WebSettings
from prober.web.tls import ServerTls, TlsUnusableError

_SWEEP_EVERY = 1.0
_RENEW_EVERY = 10.0
_HANDSHAKE_WITHIN = 10.0
_ANSWER_AT_END = 1.0  # what is being answered when the prober ends has this long

_RELOAD = "/-/reload"


class WebServer:
    """Serves `routes`. It only reads, but for the reload that it may ask for."""

    def __init__(
        self,
        routes: Routes,
        settings: WebSettings,
        ask_reload: Callable[[int], None],
    ) -> None:
        """Raises TlsUnusableError when the certificate cannot be used."""
        self._routes = routes
        self._headers = dict(settings.headers)
        self._tls = None if settings.tls is None else ServerTls(settings.tls)
        self._users = settings.users
        self._auth = BasicAuth(settings.users) if settings.users else None
        self.reloads = ReloadDesk(ask_reload, allowed=settings.reload)
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
        await self._routes.close()
        if self._connections is not None:
            self._connections.pre_shutdown()
            await self._connections.shutdown(_ANSWER_AT_END)
        if self._auth is not None:
            self._auth.close()

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
            answer = await self._refused(request) or await self._reload(request) or await self._page(request)
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

    async def _page(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._routes.find(request.path)
        if page is None:
            return json_error(404, f"no such page; there are {', '.join((*self._routes.paths, _RELOAD))}")
        if request.method not in ("GET", "HEAD"):
            return json_error(405, "expected GET or HEAD: this page is read-only", {"Allow": "GET, HEAD"})
        return await page(request, self._headers)


def _renew(tls: ServerTls) -> None:
    try:
        if tls.renew():
            log.info("took up the renewed certificate")
    except TlsUnusableError as error:
        log.error("kept the old certificate", reason=str(error))
