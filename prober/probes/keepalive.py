"""TCP keepalive for connections that are held open idle, so that a host that vanished is noticed too."""

from __future__ import annotations

import asyncio
import socket

IDLE = 10  # seconds of silence before the first keepalive
INTERVAL = 2  # seconds between keepalives
COUNT = 3  # unanswered ones that end the connection: a vanished host is noticed after 16 s


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Turn keepalive on. The kernel of a frozen server still answers, so a freeze never closes the connection."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, COUNT)
