"""The proxy's control: one JSON object a line, over a Unix socket that only its owner may use.

`{"do": "show"}`, `{"do": "set", "conditions": {…}}`, `{"do": "clear"}`, `{"do": "reset"}`; each is answered by a
`State`, when it is in force, or by `{"error": SENTENCE}`. With `"hold": true` in a `set`, all conditions are
cleared when this control connection ends, also by the death of who holds it; until then only that connection, or
a `clear`, can change them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prober.faults.conditions import ConditionError, changed
from prober.faults.gate import Gate
from prober.faults.state import State
from prober.faults.unix_socket import listening

SOCKET = "proxy.sock"
WORDS = ("show", "set", "clear", "reset")


class RequestError(Exception):
    """A request that is not understood or not allowed; the text is the answer."""


class ControlServer:
    """Answers for a gate."""

    def __init__(self, gate: Gate, directory: Path) -> None:
        self._gate = gate
        self._directory = directory
        self._server: asyncio.Server | None = None
        self._holder: asyncio.StreamWriter | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen; takes the place of a dead proxy's socket. OSError when a living one has it."""
        listener = listening(self._directory, SOCKET)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def stop(self) -> None:
        """Stop listening, remove the socket, end the control connections."""
        if self._server is not None:
            self._server.close()
            (self._directory / SOCKET).unlink(missing_ok=True)
        for writer in self._open.values():
            writer.transport.abort()
        if self._open:
            await asyncio.wait(list(self._open))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._open[task] = writer
            task.add_done_callback(self._open.pop)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line, writer)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # who asked has gone
        except ValueError:
            writer.write(b'{"error": "a request is one line of less than 64 KiB"}\n')
        finally:
            if self._holder is writer:
                self._release()
            writer.close()

    def _release(self) -> None:
        self._holder = None
        try:
            self._clear()
        except RequestError as error:
            print(f"the conditions of a holder that has gone stay: {error}", file=sys.stderr)

    def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> dict[str, Any]:
        try:
            at = self._do(_parse(line), writer)
        except (RequestError, ConditionError) as error:
            return {"error": str(error)}
        return State(at, self._gate.conditions, self._gate.counters, held=self._holder is not None).as_json()

    def _do(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> float:
        word = request.get("do")
        if word == "show":
            return time.monotonic()
        if word == "clear":
            at = self._clear()
            self._holder = None
            return at
        if word not in WORDS:
            raise RequestError(f'"do" is {word!r}; expected one of {", ".join(WORDS)}')
        if self._holder not in (None, writer):
            raise RequestError("another control connection holds the conditions; wait for its end, or clear them")
        return self._gate.reset() if word == "reset" else self._set(request, writer)

    def _set(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> float:
        changes, hold = request.get("conditions", {}), request.get("hold", False)
        if not isinstance(changes, dict) or not isinstance(hold, bool):
            raise RequestError('expected {"do": "set", "conditions": {…}, "hold": true or false}')
        conditions = changed(self._gate.conditions, changes)
        with _listening_again():
            at = self._gate.change(conditions)
        if hold:
            self._holder = writer
        return at

    def _clear(self) -> float:
        with _listening_again():
            return self._gate.clear()


@contextlib.contextmanager
def _listening_again() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot listen again: {error.strerror}; free the port, then clear") from None


def _parse(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise RequestError(f"expected one JSON object a line, got {line[:80]!r}") from None
    if not isinstance(request, dict):
        raise RequestError(f"expected a JSON object, got {line[:80]!r}")
    return request
