"""One connection of the load engine: a request out, an answer in, a call back; no futures, no tasks, no timers.

Leaner than `prober.http1.protocol`, which keeps what a probe wants to know of an answer: here only its status
counts, so only what marks its beginning and its end is called for. Whatever is no plain whole answer is read once
more, from the same bytes, by the strict parser, so both say the same of the same answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import monotonic
from typing import Protocol, cast

import httptools

from prober.http1.errors import Failure, explain
from prober.http1.exchange import Limits
from prober.http1.parsing import AnswerParser
from prober.outcome import Outcome

# The answer to a webhook is a word or two; a thousand connections must not hold a gigabyte of something else.
LIMITS = Limits(head_bytes=16 * 1024, body_bytes=64 * 1024)
_MOST = LIMITS.head_bytes + LIMITS.body_bytes


class Owner(Protocol):
    """Who drives lanes. Either call is the end of an exchange and may start the next one."""

    def answered(self, lane: Lane, now: float) -> None:
        """A whole answer came, with `lane.status`; `lane.open` says whether the connection goes on."""
        ...

    def arrived(self) -> float:
        """When what the event loop hands out now was there (CLOCK_MONOTONIC)."""
        ...

    def failed(self, lane: Lane, failure: Failure) -> None:
        """No whole answer will come; the connection is gone."""
        ...

    def lost(self, lane: Lane) -> None:
        """An idle connection is gone."""
        ...


class Lane(asyncio.Protocol):
    """One connection, carrying one exchange at a time; a new one is a new lane with the same `index`.

    `started` and `sent_at` are what its owner says (CLOCK_MONOTONIC).
    """

    __slots__ = (
        "_arrived",
        "_chunks",
        "_complete",
        "_extra",
        "_feed",
        "_file",
        "_in_body",
        "_keep_alive",
        "_known",
        "_looked_at",
        "_owner",
        "_parser",
        "_size",
        "_transport",
        "_write",
        "active",
        "index",
        "open",
        "ordinal",
        "ordinal_next",
        "request",
        "sent_at",
        "started",
        "status",
    )

    def __init__(self, owner: Owner, index: int) -> None:
        self._owner = owner
        self._arrived = owner.arrived
        self.index = index
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._chunks: list[bytes] = []
        self._size = 0
        self._complete = False
        self._extra = False
        self._in_body = False
        self._looked_at = False
        self._keep_alive = False
        self._known = b""  # the last answer, if it was whole in one piece and the connection goes on
        self.active = False
        self.open = False
        self.ordinal = 0
        self.ordinal_next = 0
        self.request = b""  # the next one, made ready by the owner
        self.started = 0.0
        self.sent_at = 0.0
        self.status = 0

    def send(self, request: bytes, started: float, now: float) -> None:
        """Send a request. Its latency counts from `started`, its timeout from `now`."""
        self.active = True
        self._complete = self._in_body = False
        self.started = started
        self.sent_at = now
        self._write(request)

    def fail(self, failure: Failure) -> None:
        """End what is under way for a reason of the owner's, and the connection."""
        self._gone(failure)

    def close(self) -> None:
        """Close an idle connection without a word."""
        self.active = self.open = False
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._write: Callable[[bytes], None] = self._transport.write
        if transport.get_extra_info("ssl_object") is None:
            self._file = transport.get_extra_info("socket").fileno()
            self._write = self._write_at_once
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Parse what came; when it came is asked before any work of ours."""
        now = self._arrived()
        if not self.active:
            self._unasked()
            return
        if now < self.sent_at:  # asked and answered within one round
            now = monotonic()
        if data == self._known:  # the same bytes mean the same
            self.active = False
            self._owner.answered(self, now)
            return
        self._known = b""
        if not self._size and not data.startswith(b"HTTP/1."):
            self._read_strictly(data, now, at_end=False)
            return
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._read_strictly(data, now, at_end=False)
            return
        if not self._complete:
            self._not_whole(data, now)
            return
        if self._extra:
            self._read_strictly(data, now, at_end=False)
            return
        if self._size:
            self._chunks.clear()
            self._size = 0
            self._looked_at = False
        elif self._keep_alive:
            self._known = data
        self.active = False
        if not self._keep_alive:
            self.open = False
            self._transport.close()
        self._owner.answered(self, now)

    def eof_received(self) -> None:
        """The server will send no more; returning nothing closes the transport."""
        if self.active:
            self._read_strictly(b"", monotonic(), at_end=True)
        elif self.open:
            self.open = False
            self._owner.lost(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's hand."""
        if self.active:
            if exc is not None:
                self._gone(explain(exc, "waiting for the answer"))
            else:
                self._read_strictly(b"", monotonic(), at_end=True)
        elif self.open:
            self.open = False
            self._owner.lost(self)

    def _not_whole(self, data: bytes, now: float) -> None:
        """Keep what came; once its head is whole, and when it is too much, the strict parser looks at it all."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > _MOST or (self._in_body and not self._looked_at):
            self._looked_at = self._in_body
            self._read_strictly(b"", now, at_end=False)

    def _write_at_once(self, request: bytes) -> None:
        """Write now. The loop would write only once it has read the answers of all other lanes, which with
        hundreds of them is milliseconds of ours in what is measured."""
        if self._transport.is_closing():  # the file could be another connection's already
            return
        try:
            written = os.write(self._file, request)
        except OSError:  # full or gone: the transport knows what to do
            written = 0
        if written != len(request):
            self._write = self._transport.write  # from now on, or the next request could overtake the rest
            self._write(request[written:])

    def _unasked(self) -> None:
        """Bytes on an idle connection: what comes next could not be told from an answer."""
        if self.open:
            self.open = False
            self._transport.abort()
            self._owner.lost(self)

    def _read_strictly(self, data: bytes, now: float, *, at_end: bool) -> None:
        """Read all that came of this answer once more, for a verdict in words."""
        strict = AnswerParser(LIMITS)
        for chunk in (*self._chunks, data):
            if chunk and strict.failure is None:
                strict.feed(chunk, now)
        if at_end:
            strict.eof()
        if strict.failure is None and not strict.complete:
            if self._size <= _MOST:  # the strict parser sees nothing wrong yet
                if data:
                    self._chunks.append(data)
                    self._size += len(data)
                return
            self._gone(Failure(Outcome.TOO_LARGE, "the answer does not end"))
        elif strict.failure is not None:
            self._gone(strict.failure)
        else:
            # Whole, and its end was the end of the connection.
            self.active = self.open = False
            self._transport.abort()
            self.status = strict.status
            self._owner.answered(self, now)

    def _gone(self, failure: Failure) -> None:
        active, self.active, self.open = self.active, False, False
        self._transport.abort()
        if active:
            self._owner.failed(self, failure)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """An answer begins, or something after a whole one."""
        if self._complete:
            self._extra = True

    def on_headers_complete(self) -> None:
        """The blank line."""
        self.status = self._parser.get_status_code()
        self._keep_alive = self._parser.should_keep_alive()
        self._in_body = True

    def on_message_complete(self) -> None:
        """The end, of an interim answer or of the one that counts."""
        if self.status >= 200:
            self._complete = True
