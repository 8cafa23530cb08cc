"""Reads answers from bytes, however they are cut, within limits: pure, no socket and no clock."""

from __future__ import annotations

import httptools

from prober.http1.errors import Failure, explain
from prober.http1.exchange import Limits
from prober.http1.message import Answer
from prober.outcome import Outcome

_SHOWN = 40  # bytes of an unreadable answer that its sentence repeats
_CHUNK_LINE = 16  # bytes of framing that any chunk may cost


class AnswerParser:
    """Parses the answer to one request at a time; `expect` first, then `feed` until `finished`.

    What is wrong with the answer ends up in `failure` and never as an exception. The verdict on an answer
    does not depend on where the network cut it, with one exception: bytes after the whole answer are only
    seen (`GARBAGE`, beside the answer) when they come with its end; later ones belong to the idle connection.
    """

    __slots__ = (
        "_body",
        "_chunks",
        "_coding",
        "_dirty",
        "_fed",
        "_head_only",
        "_headers",
        "_in_head",
        "_length",
        "_limits",
        "_now",
        "_opening",
        "_parser",
        "_passing",
        "_reason",
        "_trailers",
        "complete",
        "failure",
        "first_byte",
        "interim",
        "keep_alive",
        "status",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._dirty = True
        self.expect(head_only=False)

    def expect(self, *, head_only: bool) -> None:
        """Get ready for the next answer; `head_only` for that to a HEAD, which has no body."""
        if self._dirty:
            self._parser = httptools.HttpResponseParser(self)
        # The parser cannot be told that no body follows, so it still waits for one after the answer to a HEAD.
        self._dirty = head_only
        self._head_only = head_only
        self._in_head = True
        self._passing = False
        self._opening = b""
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._length: int | None = None
        self._coding: bytes | None = None
        self._trailers = 0
        self._body = bytearray()
        self._chunks = 0
        self._fed = 0
        self._now = 0.0
        self.status = 0
        self.interim = 0
        self.keep_alive = False
        self.complete = False
        self.failure: Failure | None = None
        self.first_byte: float | None = None

    @property
    def finished(self) -> bool:
        """Whether there is a verdict: a whole answer, or a failure."""
        return self.complete or self.failure is not None

    def answer(self) -> Answer | None:
        """The answer when it is whole."""
        if not self.complete:
            return None
        headers = tuple((k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in self._headers)
        return Answer(self.status, self._reason.decode("latin-1"), headers, bytes(self._body))

    def progress(self) -> str:
        """How far the answer has come, for a sentence: "in its headers", "after 5 of 10 bytes of its body"."""
        if self.first_byte is None:
            return "before its first byte"
        if self._in_head:
            return f"in its headers, after {self._fed} bytes"
        of = "" if self._length is None else f"of {self._length} "
        return f"after {len(self._body)} {of}bytes of its body"

    def feed(self, data: bytes, now: float) -> None:
        """Take what came; `now` is when, and becomes `first_byte` if the final answer begins in it."""
        self._now = now
        if len(self._opening) < _SHOWN:
            self._opening += data[: _SHOWN - len(self._opening)]
        if self._in_head and self._fed + len(data) > self._limits.head_bytes:
            # Cut exactly at the limit, so that the verdict is the same however the network cut the head.
            room = self._limits.head_bytes - self._fed
            self._execute(data[:room])
            data = data[room:]
            if self._in_head and not self.finished:
                self._fail(Outcome.TOO_LARGE, f"its headers are longer than {self._limits.head_bytes} bytes")
        if not self.finished:
            self._execute(data)
            self._check_framing()
        elif self.complete and data.strip(b"\r\n"):
            self._too_much()

    def eof(self) -> None:
        """The server closes its side: the end of a body without a length, the loss of any other answer."""
        if self.finished:
            return
        if not self._in_head and self._until_close():
            self.keep_alive = False
            self.complete = True
        else:
            what = f"expected a whole answer, the server closed the connection {self.progress()}"
            self.failure = Failure(Outcome.CLOSED, what)
            self._dirty = True

    def _execute(self, data: bytes) -> None:
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # on_headers_complete has refused it
        except httptools.HttpParserError as error:
            if self.complete:
                self._too_much()
            elif self.failure is None:
                self.failure = explain(error, f"the answer begins with {self._opening!r}")
        if self.failure is not None:
            self._dirty = True

    def _check_framing(self) -> None:
        """Bound what is neither head nor body: chunk extensions and trailers that never end."""
        if self._in_head or self.finished:
            return
        framing = self._fed - len(self._body)
        if framing > 2 * self._limits.head_bytes + _CHUNK_LINE * self._chunks:
            self._fail(Outcome.TOO_LARGE, "its chunk extensions or trailers do not end")

    def _fail(self, outcome: Outcome, what: str) -> None:
        status = f"{self.status} " if self.status else ""
        self.failure = Failure(outcome, f"the {status}answer was given up: {what}")
        self._dirty = True

    def _too_much(self) -> None:
        self.failure = Failure(Outcome.GARBAGE, f"the {self.status} answer was whole, and more came after it")
        self._dirty = True

    def _until_close(self) -> bool:
        """RFC 9112, 6.3: neither a length nor chunks, so the body ends with the connection."""
        chunked = self._coding is not None and self._coding.lower().rstrip().endswith(b"chunked")
        return self._length is None and not chunked

    # What httptools calls. After a verdict nothing more is kept.

    def on_message_begin(self) -> None:
        """An answer begins, or something after it."""
        if self.complete:
            self._too_much()
        elif self.first_byte is None:
            self.first_byte = self._now

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase."""
        if not self.finished:
            self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header or trailer."""
        if self.finished:
            return
        if len(self._headers) >= self._limits.headers:
            self._fail(Outcome.TOO_LARGE, f"it has more than {self._limits.headers} headers")
            return
        if not self._in_head:
            self._trailers += len(name) + len(value) + 4
            if self._trailers > self._limits.head_bytes:
                self._fail(Outcome.TOO_LARGE, f"its trailers are longer than {self._limits.head_bytes} bytes")
                return
        elif len(name) == 14 and name.lower() == b"content-length":
            self._length = int(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            self._coding = value
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The blank line: of an interim answer, or of the one that counts."""
        if self.finished:
            return
        self.status = self._parser.get_status_code()
        if not self._opening.lstrip(b"\r\n").startswith(b"HTTP/1."):
            self._fail(Outcome.GARBAGE, f"expected HTTP/1.1, it begins with {self._opening!r}")
        elif not 100 <= self.status <= 599:
            self._fail(Outcome.GARBAGE, "expected a status of 100 to 599")
        elif self.status == 101:
            self._fail(Outcome.GARBAGE, "it switches to another protocol, which nobody asked for")
        elif self.status < 200:
            self._passing = True
        else:
            self._final_head()

    def _final_head(self) -> None:
        self._in_head = False
        self.keep_alive = self._parser.should_keep_alive()
        if self._head_only:
            self.complete = True
        elif self.status in (204, 304):
            pass  # these may tell a length and have no body
        elif self._length is not None and self._length > self._limits.body_bytes:
            limit = self._limits.body_bytes
            self._fail(Outcome.TOO_LARGE, f"its body of {self._length} bytes is longer than {limit}")

    def on_chunk_header(self) -> None:
        """The line before a chunk."""
        self._chunks += 1

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        if self.complete:
            self._too_much()
        elif self.failure is None:
            if len(self._body) + len(part) > self._limits.body_bytes:
                self._fail(Outcome.TOO_LARGE, f"its body is longer than {self._limits.body_bytes} bytes")
            else:
                self._body += part

    def on_message_complete(self) -> None:
        """The end, of an interim answer or of the one that counts."""
        if self.finished:
            return
        if not self._passing:
            self.complete = True
            return
        self._passing = False
        self.interim += 1
        self.first_byte = None
        self.status = 0
        self._reason = b""
        self._headers.clear()
        self._length = self._coding = None
        if self.interim > self._limits.interim:
            self._fail(Outcome.TOO_LARGE, f"more than {self._limits.interim} interim answers came before it")
