"""The other end of the proxy's control: what sets, holds and clears conditions, and reads what the proxy did."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prober.faults.control import SOCKET, short_path
from prober.faults.state import State

TIMEOUT = 10.0  # seconds for one answer; the proxy answers in a millisecond


class ControlError(Exception):
    """The proxy cannot be reached, or has refused; the text is the reason."""


class Control:
    """One control connection to the proxy whose socket is in `directory`: an async context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(self._directory) as path:
                sock.connect(path)
            sock.setblocking(False)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=sock)
        except OSError as error:
            sock.close()
            where = self._directory / SOCKET
            raise ControlError(f"no proxy answers at {where}: {error.strerror}; is it running?") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    async def show(self) -> State:
        """Read the conditions and the counters."""
        return await self._ask({"do": "show"})

    async def set(self, **changes: Any) -> State:
        """Change the conditions that are named (`prober.faults.conditions.changed`); the others stay."""
        return await self._ask({"do": "set", "conditions": changes})

    async def hold(self, **changes: Any) -> State:
        """As `set`, and all conditions are cleared when this connection ends, however that comes."""
        return await self._ask({"do": "set", "conditions": changes, "hold": True})

    async def clear(self) -> State:
        """Take all conditions away, whoever set or holds them."""
        return await self._ask({"do": "clear"})

    async def reset(self) -> State:
        """Reset every connection that is open now."""
        return await self._ask({"do": "reset"})

    async def _ask(self, request: dict[str, Any]) -> State:
        if self._reader is None or self._writer is None:
            raise RuntimeError("use it as `async with Control(directory) as control`")
        try:
            async with asyncio.timeout(TIMEOUT):
                self._writer.write(json.dumps(request).encode() + b"\n")
                await self._writer.drain()
                line = await self._reader.readline()
        except TimeoutError:
            raise ControlError(f"the proxy at {self._directory} did not answer within {TIMEOUT:g} s") from None
        except OSError as error:
            raise ControlError(f"the proxy at {self._directory} has gone: {error.strerror}") from None
        if not line:
            raise ControlError(f"the proxy at {self._directory} has gone")
        answer = json.loads(line)
        if "error" in answer:
            raise ControlError(answer["error"])
        return State.from_json(answer)
