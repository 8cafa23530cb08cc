"""One connection on the event loop: sends a request, parses its answer, calls back when there is a verdict.

It has no timers and makes no futures, so that a load engine can drive thousands of them; `connection.py` is
the same with `await`. The clock is read first thing in every callback, before any work of ours.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Callable
from time import monotonic
from typing import cast

from prober.http1.errors import Failure, explain
from prober.http1.exchange import Limits, RequestSent
from prober.http1.message import Answer
from prober.http1.parsing import AnswerParser
from prober.outcome import Outcome

_UNASKED = Failure(Outcome.GARBAGE, "bytes came that no request had asked for")


class Http1Protocol(asyncio.Protocol):
    """Carries one exchange at a time: `start`, then `on_done(self)` once, then read the results.

    `on_done` may be called from within `start` when the connection is already gone. It may start the next
    exchange at once if `reusable` is true. Results are valid until then: `outcome`, `detail`, `answer()`,
    `started`, `sent`, `first_byte`, `finished` (seconds of CLOCK_MONOTONIC), `request_sent`, `reused`.
    """

    def __init__(self, sock: socket.socket, limits: Limits, on_done: Callable[[Http1Protocol], None]) -> None:
        self.on_done = on_done
        self._sock = sock
        self.tls_not_after: float | None = None
        self._raw = True  # no TLS: the socket itself may be written to
        self._transport: asyncio.Transport | None = None
        self._parser = AnswerParser(limits)
        self._lost: Failure | None = None
        self._active = False
        self._spoke_first = False
        self.exchanges = 0
        self._reset(b"", 0)

    def _reset(self, request: bytes, hold: int) -> None:
        self._request = request
        self._held = request[len(request) - hold :]
        self._handed = 0
        self._broken: OSError | None = None
        self._failure: Failure | None = None
        self.reused = self.exchanges > 0
        self.started = 0.0
        self.sent: float | None = None
        self.finished = 0.0

    # What the owner calls.

    def start(self, request: bytes, hold: int = 0) -> None:
        """Send a request, but for its last `hold` bytes, which `release` sends."""
        if self._active:
            raise RuntimeError("one exchange at a time: the answer to the last request is still awaited")
        self._reset(request, hold)
        if not self._spoke_first:
            self._parser.expect(head_only=request.startswith(b"HEAD "))
        self._spoke_first = False
        self._active = True
        self.started = monotonic()
        if self._parser.finished:
            self._finish(self.started)
        elif self._lost is not None or self.closing:
            gone = self._lost or Failure(Outcome.CLOSED, "the connection was closed before the request was sent")
            self.fail(gone)
        elif hold < len(request):
            self._write(request[: len(request) - hold])

    def release(self) -> float:
        """Send what `start` held back, now, and return the instant just after; `started` is just before."""
        held, self._held = self._held, b""
        self.started = monotonic()
        if self._active and held and not self.closing:
            self._write(held)
        return self.sent or monotonic()

    def fail(self, failure: Failure) -> None:
        """End the exchange under way for a reason of the owner's, such as a timeout, and the connection."""
        if self._active:
            self._failure = failure
            self._finish(monotonic())

    def close(self) -> None:
        """Close the connection; an exchange under way is given up without a verdict."""
        self._active = False
        transport = self._transport
        if transport is None:
            return
        if self._raw or self._parser.failure is not None or self._failure is not None:
            transport.abort()
        else:
            transport.close()  # says goodbye in TLS, which some servers log when it is missing

    @property
    def closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self._transport is None or self._transport.is_closing()

    @property
    def active(self) -> bool:
        """Whether an answer is awaited."""
        return self._active

    @property
    def reusable(self) -> bool:
        """Whether another exchange may start, as far as the event loop has noticed."""
        return not self._active and self._lost is None and not self.closing

    def idle_failure(self) -> Failure | None:
        """Ask the kernel whether an idle connection can still be used; None if so.

        The event loop may not have got round to the server's goodbye yet. One that arrives after this
        look cannot be told from a crash: the request is then lost with `request_sent` WHOLE.
        """
        if self._lost is None:
            if self.closing:
                self._lost = Failure(Outcome.CLOSED, "the idle connection was closed")
            else:
                self._lost = self._look() if self._raw else self._look_behind_tls()
        return self._lost

    def _look(self) -> Failure | None:
        try:
            unread = self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError as error:
            return explain(error, "the idle connection")
        if not unread:
            return Failure(Outcome.CLOSED, "the server closed the idle connection")
        return _UNASKED if self.exchanges else None  # a first answer may come early, a further one may not

    def _look_behind_tls(self) -> Failure | None:
        # Bytes alone say nothing here, they may be session tickets.
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP)
        if not poll.poll(0):
            return None
        return Failure(Outcome.CLOSED, "the server closed the idle connection")

    # Results of the last exchange.

    @property
    def outcome(self) -> Outcome:
        """OK for a whole answer, whatever its status."""
        failure = self._failure or self._parser.failure
        return failure.outcome if failure else Outcome.OK

    @property
    def detail(self) -> str:
        """What was wrong, "" if nothing was."""
        failure = self._failure or self._parser.failure
        return failure.detail if failure else ""

    @property
    def status(self) -> int:
        """The status of the answer, without making a value of the whole; 0 if there was none."""
        return self._parser.status

    @property
    def first_byte(self) -> float | None:
        """When the first byte of the final answer came."""
        return self._parser.first_byte

    @property
    def request_sent(self) -> RequestSent:
        """How much of the request left."""
        if self.sent is not None:
            return RequestSent.WHOLE
        return RequestSent.PARTLY if self._handed else RequestSent.NOTHING

    def answer(self) -> Answer | None:
        """The answer, when it was whole."""
        return self._parser.answer()

    def progress(self) -> str:
        """How far the answer has come, for a sentence."""
        return self._parser.progress()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; after the handshake, in TLS."""
        self._transport = cast(asyncio.Transport, transport)
        encrypted = transport.get_extra_info("ssl_object")
        self._raw = encrypted is None
        if encrypted is not None and (certificate := encrypted.getpeercert()):
            self.tls_not_after = float(ssl.cert_time_to_seconds(certificate["notAfter"]))
        # `resume_writing` then says when the last byte was handed to the kernel. TLS transports of asyncio
        # would call pause and resume in turns at a high-water mark of 0.
        self._transport.set_write_buffer_limits(high=0 if self._raw else 1, low=0)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        now = monotonic()
        if self._active:
            self._parser.feed(data, now)
            if self._parser.finished:
                self._finish(now)
        elif self.exchanges:
            self._lost = self._lost or _UNASKED
            self._abort()
        elif not self._parser.finished:
            # A server may turn us away before we have said a word; that is the answer to what we start next.
            self._spoke_first = True
            self._parser.feed(data, now)

    def eof_received(self) -> None:
        """The server will send no more; returning nothing makes the transport close."""
        self._ended(None, monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whoever's hand."""
        self._transport = None
        self._ended(exc, monotonic())

    def _ended(self, exc: Exception | None, now: float) -> None:
        error = exc or self._broken
        if exc is None and (self._active or self._spoke_first):
            self._parser.eof()
        if self._active:
            if error is not None and not self._parser.complete:
                self._failure = explain(error, f"waiting for the answer, {self._parser.progress()}")
            self._finish(now)
        if self._lost is None:
            if error is None:
                self._lost = Failure(Outcome.CLOSED, "the server closed the idle connection")
            else:
                self._lost = explain(error, "the idle connection")

    def resume_writing(self) -> None:
        """The transport's buffer is empty: all that it was given is with the kernel."""
        self._handed_over(monotonic())

    def _write(self, data: bytes) -> None:
        """Hand bytes to the kernel, by a send() of our own where that is possible.

        Why not by the transport: when its write fails it gives up the connection, and with it an answer
        that lies in the socket already; and uvloop before 0.23 keeps what it is given until the end of the
        loop's turn, so that the instant of sending is neither known nor soon. It is safe as long as nothing
        waits in the transport's buffer, since a write of the transport is then the same system call on the
        same socket; what does not fit goes through the transport, which gets all that follows until it is
        empty. It is as fast: 10 requests released arrive within 86 us, by transport.write (uvloop 0.23) 87,
        by a loop of nothing but send() 86; 50 of them within 561, 651 and 493 (benchmarks/http1_release.py).
        """
        transport = self._transport
        if transport is None or self._broken is not None:
            return
        self._handed += len(data)
        if self._raw and not transport.get_write_buffer_size():
            try:
                done = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                done = 0
            except OSError as error:
                # An answer may lie in the socket already (a server that refuses and closes at once), so
                # reading goes on; it ends by that answer or by the end of the connection, which is known.
                self._handed -= len(data)
                self._broken = error
                return
            if done == len(data):
                self._handed_over(monotonic())
                return
            data = data[done:]
        transport.write(data)
        if not transport.get_write_buffer_size():
            self._handed_over(monotonic())

    def _handed_over(self, now: float) -> None:
        if self._active and self.sent is None and self._handed == len(self._request):
            self.sent = now

    def _finish(self, now: float) -> None:
        self._active = False
        self.finished = now
        self.exchanges += 1
        if self.outcome is not Outcome.OK:
            self._abort()
        elif not self._parser.keep_alive or self.sent is None:
            self.close()
        self.on_done(self)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
