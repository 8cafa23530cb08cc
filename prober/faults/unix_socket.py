"""A Unix socket in a directory of ours that only its owner may use; and who asks over it, in JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ControlError(Exception):
    """Who is to be controlled cannot be reached, or has refused; the text is the reason."""


class NobodyError(ControlError):
    """Nobody listens there: who is to be controlled has ended, or never was."""


@contextlib.contextmanager
def short_path(directory: Path, name: str) -> Iterator[str]:
    """A path of the socket that fits into its address, however long that of the directory is (unix(7))."""
    handle = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)


def listening(directory: Path, name: str) -> socket.socket:
    """A bound socket that only this user may connect; takes the place of a dead one.

    OSError when a living process has it.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(directory, name) as path:
            _remove_if_dead(path)
            listener.bind(path)
            os.chmod(path, 0o600)  # noqa: PTH101 - before it listens
    except OSError:
        listener.close()
        raise
    return listener


def _remove_if_dead(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
    raise FileExistsError("another process answers there")


class JsonLink:
    """One connection to the socket `name` in `directory`: an async context manager. `who` is who answers there."""

    def __init__(self, directory: Path, name: str, who: str, *, timeout: float) -> None:
        """`timeout` (seconds) is that of one answer."""
        self._directory = directory
        self._name = name
        self._who = who
        self._timeout = timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(self._directory, self._name) as path:
                sock.connect(path)
            sock.setblocking(False)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=sock)
        except OSError as error:
            sock.close()
            where = self._directory / self._name
            raise NobodyError(f"no {self._who} answers at {where}: {error.strerror}; is it running?") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what it holds ends with it."""
        if self._writer is not None:
            self._writer.close()

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and return its answer. ControlError when it is refused, or nobody answers."""
        if self._reader is None or self._writer is None:
            raise RuntimeError(f"use it as `async with {type(self).__name__}(…) as link`")
        try:
            async with asyncio.timeout(self._timeout):
                self._writer.write(json.dumps(request).encode() + b"\n")
                await self._writer.drain()
                line = await self._reader.readline()
        except TimeoutError:
            raise ControlError(
                f"the {self._who} at {self._directory} did not answer within {self._timeout:g} s"
            ) from None
        except OSError as error:
            raise ControlError(f"the {self._who} at {self._directory} has gone: {error.strerror}") from None
        if not line:
            raise ControlError(f"the {self._who} at {self._directory} has gone")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ControlError(answer["error"])
        return answer
