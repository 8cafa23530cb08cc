"""Who is gone, of those whose sockets nobody reads or writes: told by the kernel, without any polling.

The event loop can wait for what can be read, which a socket at its end always can. What is needed here is to
hear nothing of a socket but its end, which only epoll(7) itself tells.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable


class Deathwatch:
    """One for all sockets of a loop. Each watch ends with the first thing it has told."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._loop.add_reader(self._epoll.fileno(), self._look)

    def watch(self, sock: socket.socket, callback: Callable[[], None], *, goodbye: bool) -> None:
        """Call when the peer resets the connection, or both have ended it; with `goodbye` also when it says that.

        Takes the place of an earlier watch of this socket.
        """
        events = select.EPOLLONESHOT | (select.EPOLLRDHUP if goodbye else 0)
        known = sock.fileno() in self._callbacks
        self._callbacks[sock.fileno()] = callback
        if known:
            self._epoll.modify(sock, events)
        else:
            self._epoll.register(sock, events)

    def forget(self, sock: socket.socket) -> None:
        """End a watch, if there is one; to be called before the socket is closed."""
        if self._callbacks.pop(sock.fileno(), None) is not None:
            self._epoll.unregister(sock)

    def close(self) -> None:
        """End all watches."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _look(self) -> None:
        for number, _ in self._epoll.poll(0):
            if (callback := self._callbacks.get(number)) is not None:
                callback()
