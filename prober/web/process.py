"""The web process: takes events from the prober process, serves pages, and ends when the prober does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import cast

import uvloop

from prober.event import Event, Reloaded
from prober.publish.frames import (
    BrokenFrameError,
    Configure,
    Failed,
    FrameReader,
    LogFormat,
    Ready,
    Reconfigure,
    ReloadAsked,
    Word,
    unpickled,
    upward,
)
from prober.web.archive import Archive
from prober.web.board import Board
from prober.web.catalogue.probing import READY
from prober.web.day import Day
from prober.web.exposition import Exposition
from prober.web.log import configure_log, log
from prober.web.metrics import Metrics
from prober.web.routes import Routes
from prober.web.server import WebServer
from prober.web.tls import TlsUnusableError

# A scrape must not take the CPU from a probe in flight where both share one core.
_NICENESS = 5
_LAST_WORD_WITHIN = 1.0


def run(descriptor: int) -> int:
    """Serve until the prober process ends or SIGTERM comes; `descriptor` is our end of its socketpair.

    Returns the exit code: 0 for an end that was asked for, 1 for one that was not.
    """
    configure_log(LogFormat.JSON)  # until the prober says which form it wants
    os.nice(_NICENESS)
    with socket.socket(fileno=descriptor) as link, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(link))


async def _serve(link: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    end = ParentLink()
    link.setblocking(False)
    await loop.create_unix_connection(lambda: end, sock=link)
    loop.add_signal_handler(signal.SIGTERM, end.leave, 0)
    return await end.finished()


class ParentLink(asyncio.Protocol):
    """Our end of the link: the first frame configures us, every other one is an event."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self._board = Board()
        self._metrics.series.compute(READY, by=self._board.ready)
        self._day = Day()
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._server: WebServer | None = None
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._complained: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back to the prober."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The prober has ended, in whatever way: so do we."""
        self._lost.set()
        self.leave(0)

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        try:
            payloads = self._reader.feed(data)
        except BrokenFrameError as error:
            log.error("lost step with the prober process", reason=str(error))
            self.leave(1)
            return
        for payload in payloads:
            message = unpickled(payload)
            match message:
                case Configure():
                    self._serving = asyncio.create_task(self._start(message))
                case Reconfigure(web=settings):
                    if self._server is not None:
                        self._server.reconfigure(settings)
                case _:
                    self._record(message)
                    if isinstance(message, Reloaded) and self._server is not None:
                        self._server.reloads.ended(message)

    def leave(self, code: int) -> None:
        """Let `finished` return."""
        if not self._exit.done():
            self._exit.set_result(code)

    async def finished(self) -> int:
        """Wait for the end, answer what was asked until then, give the exit code."""
        code = await self._exit
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving
        if self._server is not None:
            await self._server.close()
        if self._transport is not None:
            # Our last word, why we cannot serve, has to get out before the process is gone.
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), _LAST_WORD_WITHIN)
        return code

    def _record(self, event: Event) -> None:
        try:
            self._board.record(event)
            self._day.record(event)
            self._metrics.record(event)
        except Exception:
            # One event that we do not understand must not blind us to all others.
            kind = type(event).__name__
            if kind not in self._complained:
                self._complained.add(kind)
                log.exception("could not record an event; further ones of this kind are not reported", kind=kind)

    async def _start(self, wanted: Configure) -> None:
        configure_log(wanted.log_format)
        address = f"{wanted.host}:{wanted.port}"
        try:
            exposition = Exposition(self._metrics.series, wanted.prober_pid)
            routes = Routes(self._board, exposition, self._day, Archive(wanted.data_dir))
            self._server = WebServer(routes, wanted.web, self._ask_reload)
            host, port = await self._server.listen(wanted.host, wanted.port)
            routes.begin()
        except TlsUnusableError as error:
            self._fail(f"cannot serve TLS on {address}: {error}")
        except OSError as error:
            reason = error.strerror or str(error)
            self._fail(f"cannot listen on {address}: {reason}; free the address or change `listen`")
        else:
            self._say(Ready(host=host, port=port, tls=self._server.secure))

    def _ask_reload(self, number: int) -> None:
        self._say(ReloadAsked(id=number))

    def _fail(self, sentence: str) -> None:
        self._say(Failed(sentence=sentence))
        self.leave(1)

    def _say(self, message: Word) -> None:
        if self._transport is not None:
            self._transport.write(upward(message))
