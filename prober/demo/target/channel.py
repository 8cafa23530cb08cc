"""The way between parent and worker: a SOCK_SEQPACKET pair that carries JSON messages and accepted connections."""

from __future__ import annotations

import array
import asyncio
import json
import socket
from typing import Any

CONNECTION = b"C"
MESSAGE_LIMIT = 65_536  # bytes


class ClosedError(Exception):
    """The other end is gone."""


class Channel:
    """One end. Messages keep their order among themselves; nothing here blocks the loop."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._readable = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, self._readable.set)

    def hand_over(self, connection: socket.socket) -> bool:
        """Pass an accepted connection on; False when the other end cannot take it now."""
        rights = array.array("i", [connection.fileno()])
        try:
            self._socket.sendmsg([CONNECTION], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError:
            return False
        return True

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; raises ClosedError."""
        data = json.dumps(message).encode()
        while True:
            try:
                self._socket.send(data)
            except BlockingIOError:
                await asyncio.sleep(0.002)
            except OSError as error:
                raise ClosedError(str(error)) from None
            else:
                return

    async def receive(self) -> dict[str, Any] | socket.socket:
        """The next message or connection; raises ClosedError."""
        while True:
            self._readable.clear()
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_LIMIT, 1)
            except BlockingIOError:
                await self._readable.wait()
                continue
            except OSError as error:
                raise ClosedError(str(error)) from None
            if not data:
                raise ClosedError("the other end closed")
            if data == CONNECTION and not descriptors:
                continue  # we have no file descriptor left, and the client sees its connection closed
            if data == CONNECTION:
                connection = socket.socket(fileno=descriptors[0])
                connection.setblocking(False)
                return connection
            message: dict[str, Any] = json.loads(data)
            return message

    def close(self) -> None:
        """Close this end."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
