"""Speaks RESP2 to Redis over one connection: every answer is bounded in size and timed when its bytes arrive.

A client of our own, because what is measured must not be the client: redis-py 8.1 reconnects and repeats
commands behind the caller's back unless told not to, takes 35 to 120 µs of CPU for a command, and buffers a bulk
string of any announced length (an endless answer took 340 MB within a second). Nothing here ever
repeats a command or reconnects.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from prober.clock import Instant, now
from prober.probes.keepalive import keep_alive

MAX_ANSWER = 256 << 10  # bytes, over all answers of one request; INFO and a backlog take some 10 KB
MAX_LINE = 16 << 10
MAX_ITEMS = 64  # of one array; TIME has two, SUBSCRIBE three
MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer (`-CODE text`): Redis is there, understood us and says no."""

    text: str

    @property
    def code(self) -> str:
        """The first word, which tells the kind: `OOM`, `READONLY`, `NOPERM`, `ERR` …"""
        return self.text.partition(" ")[0]


Answer = bytes | int | None | Refusal | list["Answer"]


class GarbageError(Exception):
    """What came is not RESP2, or came unasked."""


class TooLargeError(Exception):
    """The answer is larger than anything that we ask for."""


class ClosedError(Exception):
    """The server closed the connection before the answer was whole."""


class RefusedError(Exception):
    """The server refused, and that decides the request; `doing` says what was asked, for people."""

    def __init__(self, refusal: Refusal, doing: str) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal
        self.doing = doing


@dataclass(frozen=True, slots=True)
class Exchange:
    """One round trip: an answer for each command, and the seconds from sending to the last byte."""

    answers: Sequence[Answer]
    latency: float


def pack(*words: str | bytes | int) -> bytes:
    """One command as an array of bulk strings, ready for the wire."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)


class AnswerReader:
    """Turns bytes as they arrive into answers; no byte is looked at twice, however they are cut up."""

    def __init__(self, most_items: int = MAX_ITEMS) -> None:
        """`most_items`: of one array."""
        self._most_items = most_items
        self._buffer = bytearray()
        self._position = 0
        self._answer = self._read(0)

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Take what arrived and give one after the other the answers that are whole now.

        Nothing is read before it is asked for, so that who stops at the first that is one too many has not
        paid for the rest. Raises GarbageError, TooLargeError.
        """
        self._buffer += data
        while self._buffer:
            try:
                next(self._answer)
            except StopIteration as done:
                del self._buffer[: self._position]
                self._position = 0
                self._answer = self._read(0)
                yield done.value
            else:
                break

    def _read(self, depth: int) -> Generator[None, None, Answer]:
        line = yield from self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return Refusal(rest.decode("utf-8", "replace"))
        if kind == b":":
            return _number(line)
        if kind == b"$":
            return (yield from self._bulk(_number(line)))
        if kind == b"*":
            return (yield from self._array(_number(line), depth + 1))
        raise GarbageError(f"expected a RESP2 answer, got {line[:60]!r}")

    def _line(self) -> Generator[None, None, bytes]:
        searched = self._position
        while (end := self._buffer.find(b"\r\n", searched)) < 0:
            if len(self._buffer) - self._position > MAX_LINE:
                start = bytes(self._buffer[self._position : self._position + 60])
                raise GarbageError(f"expected a RESP2 line, got {MAX_LINE} bytes without an end: {start!r}")
            searched = max(self._position, len(self._buffer) - 1)
            yield
        line = bytes(self._buffer[self._position : end])
        self._position = end + 2
        return line

    def _bulk(self, length: int) -> Generator[None, None, bytes | None]:
        if length == -1:
            return None
        if length < 0:
            raise GarbageError(f"expected the length of a bulk string, got {length}")
        if length > MAX_ANSWER:
            raise TooLargeError(f"a bulk string of {length} bytes was announced; at most {MAX_ANSWER} are read")
        end = self._position + length
        while len(self._buffer) < end + 2:
            yield
        if self._buffer[end : end + 2] != b"\r\n":
            raise GarbageError(f"a bulk string of {length} bytes does not end where it says")
        value = bytes(self._buffer[self._position : end])
        self._position = end + 2
        return value

    def _array(self, length: int, depth: int) -> Generator[None, None, list[Answer] | None]:
        if length == -1:
            return None
        if length < 0 or depth > MAX_DEPTH:
            raise GarbageError(f"expected an array of answers, got length {length} at depth {depth}")
        if length > self._most_items:
            raise TooLargeError(f"an array of {length} answers was announced; at most {self._most_items} are read")
        items: list[Answer] = []
        for _ in range(length):
            items.append((yield from self._read(depth)))  # noqa: PERF401 - a comprehension cannot yield
        return items


def _number(line: bytes) -> int:
    try:
        return int(line[1:])
    except ValueError:
        raise GarbageError(f"expected a number, got {line[:60]!r}") from None


class RedisConnection(asyncio.Protocol):
    """One connection, one request at a time. After any exception from `ask` it is closed for good.

    `closed` is set to the moment at which the connection closed. A `subscriber` may be told something unasked.
    """

    def __init__(self, *, subscriber: bool = False, most_items: int = MAX_ITEMS) -> None:
        self.closed: asyncio.Future[Instant] = asyncio.get_running_loop().create_future()
        self._subscriber = subscriber
        self._transport: asyncio.Transport | None = None
        self._reader = AnswerReader(most_items)
        self._waiter: asyncio.Future[float] | None = None
        self._answers: list[Answer] = []
        self._expected = 0
        self._may_read = MAX_ANSWER
        self._trouble: Exception | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can still be asked, as far as this side knows."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, *commands: bytes) -> Exchange:
        """Send packed commands in one write, without MULTI, and wait for all their answers.

        Refusals come back as values. Raises GarbageError, TooLargeError, ClosedError, OSError, and RefusedError
        when the server said why and hung up (as it does when it has too many clients).
        """
        if self._waiter is not None:
            raise RuntimeError("a RedisConnection takes one request at a time; this one is still waiting")
        if self._transport is None or not self.is_open:
            raise self._trouble or ClosedError("the server had closed the connection")
        if self._answers:
            self.drop()
            raise self._parting()
        self._expected = len(commands)
        self._may_read = MAX_ANSWER
        self._waiter = asyncio.get_running_loop().create_future()
        sent = time.monotonic()
        self._transport.write(b"".join(commands))
        try:
            arrived = await self._waiter
        except BaseException:
            self.drop()  # an answer that is still to come would be taken for that of the next request
            raise
        finally:
            self._waiter = None
            self._expected = 0
        answers, self._answers = self._answers, []
        return Exchange(answers, arrived - sent)

    def drop(self) -> None:
        """Close at once, without a farewell."""
        if self._transport is not None:
            self._transport.abort()

    def keep_alive(self) -> None:
        """Let the kernel find out when the other host vanishes without a word."""
        if self._transport is not None:
            keep_alive(self._transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        arrived = time.monotonic()
        self._may_read -= len(data)
        try:
            if self._may_read < 0:
                raise TooLargeError(f"more than {MAX_ANSWER} bytes came for {self._expected} commands")
            for answer in self._reader.feed(data):
                self._take(answer)
        except (GarbageError, TooLargeError) as error:
            self._fail(error)
            return
        if self._waiter is not None and len(self._answers) == self._expected and not self._waiter.done():
            self._waiter.set_result(arrived)

    def _take(self, answer: Answer) -> None:
        if len(self._answers) < self._expected:
            self._answers.append(answer)
        elif self._subscriber and isinstance(answer, list):
            self._may_read = MAX_ANSWER
        elif isinstance(answer, Refusal) and not self._answers:
            self._answers.append(answer)  # a new client is refused before it has asked anything
        else:
            raise GarbageError(f"nothing was asked, but {str(answer)[:60]!r} came")

    def _parting(self) -> Exception:
        last = self._answers[-1] if self._answers else None
        if isinstance(last, Refusal):
            return RefusedError(last, "connecting")
        return ClosedError("the server closed the connection")

    def eof_received(self) -> None:
        """Called by the event loop."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if not self.closed.done():
            self.closed.set_result(now())
        self._fail(exc or self._parting())

    def _fail(self, error: Exception) -> None:
        self._trouble = self._trouble or error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._trouble)
        self.drop()
