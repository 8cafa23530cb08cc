"""The prober's end of the link to the web process: starts it, hands it events, notices its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import cast

from prober.event import Event, EventsDropped
from prober.publish.bare import bare_environment, module_command
from prober.publish.frames import (
    BrokenFrameError,
    Configure,
    Failed,
    FrameReader,
    LogFormat,
    Ready,
    Reconfigure,
    ReloadAsked,
    pickled,
    read_upward,
)
from prober.publish.outbox import Outbox, is_ordinary
from prober.web.settings import WebSettings

_READY_WITHIN = 30.0
_CLOSE_WITHIN = 3.0
# With the socket's own buffer, minutes of events at any healthy rate.
_OUTBOX_BYTES = 4 * 1024 * 1024
_TRANSPORT_BYTES = 256 * 1024


class WebProcessError(Exception):
    """The web process could not begin to serve; the text says why."""


class Link:
    """A running web process. Make it with `start`."""

    def __init__(self, process: asyncio.subprocess.Process, wire: _Wire, ready: Ready) -> None:
        self._process = process
        self._wire = wire
        self._closing = False
        self._watch: asyncio.Task[None] | None = None
        self.ready = ready

    @classmethod
    async def start(
        cls,
        host: str,
        port: int,
        *,
        on_exit: Callable[[int], None],
        web: WebSettings | None = None,
        log_format: LogFormat = LogFormat.JSON,
        on_reload: Callable[[int], None] = lambda _: None,
        data_dir: Path | None = None,
    ) -> Link:
        """Start the web process and wait until it answers on `host`:`port` (0: a free one, see `ready`).

        `on_exit` is called once with the exit code (negative: the signal) if it ends without `close`. Raises
        WebProcessError when it cannot serve; then no process is left. `on_reload` is called with the number of
        each reload that is asked for over HTTP. Pages read the journal in `data_dir`.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await _spawn(theirs)
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        wire = _Wire(on_reload)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: wire, sock=ours)
            wire.write(
                pickled(
                    Configure(
                        host=host,
                        port=port,
                        web=web or WebSettings(),
                        prober_pid=os.getpid(),
                        log_format=log_format,
                        data_dir=data_dir,
                    )
                )
            )
            ready = await _first_word(wire, process)
        except BaseException:
            wire.abort()
            await _end(process)
            raise
        link = cls(process, wire, ready)
        link._watch = asyncio.create_task(link._watch_exit(on_exit))
        return link

    @property
    def pid(self) -> int:
        """The web process."""
        return self._process.pid

    @property
    def dropped(self) -> int:
        """Events dropped so far because the web process did not read."""
        return self._wire.dropped

    def send(self, event: Event) -> None:
        """Hand over an event. Never blocks, never waits, never raises for what the web process does."""
        self._wire.send(event)

    def reconfigure(self, web: WebSettings) -> None:
        """Serve in another way from now on; neither address nor TLS can change."""
        self._wire.send(Reconfigure(web=web))

    async def close(self) -> None:
        """Send what waits and let the web process end; one that does not is killed."""
        self._closing = True
        self._wire.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _CLOSE_WITHIN)
        self._wire.abort()
        await _end(self._process)
        if self._watch is not None:
            await self._watch

    async def _watch_exit(self, on_exit: Callable[[int], None]) -> None:
        code = await self._process.wait()
        if not self._closing:
            on_exit(code)


class _Wire(asyncio.Protocol):
    """The socket: frames down, the web process's few words up."""

    def __init__(self, on_reload: Callable[[int], None]) -> None:
        self._transport: asyncio.Transport | None = None
        self._on_reload = on_reload
        self._outbox = Outbox(_OUTBOX_BYTES)
        self._told_dropped = 0
        self._paused = False
        self._reader = FrameReader()
        self.words: asyncio.Queue[Ready | Failed | None] = asyncio.Queue()

    @property
    def dropped(self) -> int:
        return self._outbox.dropped

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_TRANSPORT_BYTES)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self.words.put_nowait(None)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._reader.feed(data):
                word = read_upward(payload)
                if isinstance(word, ReloadAsked):
                    self._on_reload(word.id)
                else:
                    self.words.put_nowait(word)
        except BrokenFrameError:
            # Whatever speaks there is not the program that we started.
            self.abort()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def send(self, event: Event | Reconfigure) -> None:
        if self._transport is None:
            return
        if self._paused or len(self._outbox):
            ordinary = not isinstance(event, Reconfigure) and is_ordinary(event)
            self._outbox.put(pickled(event), ordinary=ordinary)
        else:
            self._transport.write(pickled(event))

    def write(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        """Send all that waits, then end the stream."""
        self._paused = False
        while len(self._outbox):
            self.write(self._outbox.take())
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        dropped = self.dropped - self._told_dropped
        if dropped:
            self._told_dropped = self.dropped
            self.write(pickled(EventsDropped(count=dropped)))
        while len(self._outbox) and not self._paused:
            self.write(self._outbox.take())


async def _spawn(theirs: socket.socket) -> asyncio.subprocess.Process:
    environment = bare_environment()
    environment["UV_THREADPOOL_SIZE"] = "1"  # it resolves one name, once
    return await asyncio.create_subprocess_exec(
        *module_command("prober.web", str(theirs.fileno())),
        pass_fds=(theirs.fileno(),),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=environment,
    )


async def _first_word(wire: _Wire, process: asyncio.subprocess.Process) -> Ready:
    try:
        word = await asyncio.wait_for(wire.words.get(), _READY_WITHIN)
    except TimeoutError:
        raise WebProcessError(f"the web process was not ready within {_READY_WITHIN:g} s") from None
    match word:
        case Ready():
            return word
        case Failed():
            raise WebProcessError(word.sentence)
        case None:
            code = await process.wait()
            raise WebProcessError(f"the web process ended with {code} before it was ready; its log says why")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Make sure that it is gone."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
