"""Follows the messages of a PostgreSQL server before asyncpg sees them, since it trusts every length and step.

asyncpg 0.32 buffers a message of whatever length is announced, never returns from one with a negative length, and
reads through a null pointer when a server goes on with a SASL login that never began: a gigabyte, a process
that stands still, a process that is gone.
"""

from __future__ import annotations

import struct

MAX_ANSWER = 256 << 10  # bytes of one request; the largest we ask for, the statistics, is one short row
HEADER = struct.Struct("!ci")  # type, length of itself and the body
LOGIN = struct.Struct("!cii")  # the same for an Authentication message, and its step
MESSAGES = frozenset(bytes([kind]) for kind in b"123ACDEIKNRSTZnstv")  # all but those of COPY and of functions
SASL_BEGIN, SASL_CONTINUE, SASL_FINAL = 10, 11, 12


class OverrunError(Exception):
    """The server sent more than anything that we ask for."""


class GarbageError(Exception):
    """The server does not speak the PostgreSQL protocol."""


class Framing:
    """The messages of one connection, in order; bodies are skipped and not kept.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    def __init__(self) -> None:
        self._header = b""
        self._body_left = 0
        self._login_step = 0

    def check(self, data: bytes) -> None:
        """Take the next bytes, however they are cut.

        Raises GarbageError for a message that no PostgreSQL sends, OverrunError for one that is too long.
        """
        position = 0
        while position < len(data):
            if self._body_left:
                skipped = min(self._body_left, len(data) - position)
                self._body_left -= skipped
            else:
                skipped = min(_header_size(self._header) - len(self._header), len(data) - position)
                self._header += data[position : position + skipped]
                if len(self._header) == _header_size(self._header):
                    self._begin_message()
            position += skipped

    def _begin_message(self) -> None:
        kind, length = HEADER.unpack_from(self._header)
        size = len(self._header)
        if kind not in MESSAGES or length < size - 1:
            raise GarbageError(f"expected a message of the PostgreSQL protocol, got {self._header!r}")
        if length > MAX_ANSWER:
            raise OverrunError(f"a message of {length} bytes was announced; at most {MAX_ANSWER} are read")
        if size == LOGIN.size:
            self._check_login(LOGIN.unpack(self._header)[2])
        self._body_left = length + 1 - size
        self._header = b""

    def _check_login(self, step: int) -> None:
        before = {SASL_CONTINUE: SASL_BEGIN, SASL_FINAL: SASL_CONTINUE}.get(step)
        if before is not None and before != self._login_step:
            raise GarbageError(f"step {step} of a SASL login came after step {self._login_step}")
        self._login_step = step


def _header_size(header: bytes) -> int:
    return LOGIN.size if header[:1] == b"R" else HEADER.size
