"""TCP ports of 127.0.0.1 for servers of our own, reserved machine-wide so that parallel tests never share one.

They are taken from below the kernel's ephemeral range. Inside it, while a server is down, its port may become
the source port of some outgoing connection (the restart then fails), and a client that keeps trying may even
connect to itself (TCP simultaneous open) and see a server where there is none.
"""

from __future__ import annotations

import errno
import random
import socket
from pathlib import Path

LOWEST = 10_000
DEFAULT_EPHEMERAL_START = 32_768  # ip(7)
ATTEMPTS = 2_000

_claims: dict[int, socket.socket] = {}


def free_port() -> int:
    """Reserve a port on which nothing listens, for the life of this process or until `release_port`.

    The reservation binds all users of this module on this machine; a foreign program can still take the
    port before the server binds it, hence servers whose port was not given try again with another.
    """
    highest = max(_ephemeral_start() - 1, LOWEST + 1_000)
    for _ in range(ATTEMPTS):
        port = random.randint(LOWEST, highest)  # noqa: S311 - nothing to guard
        claim = _claim(port)
        if claim is None:
            continue
        if is_free(port):
            _claims[port] = claim
            return port
        claim.close()
    raise OSError(
        errno.EADDRINUSE, f"none of {ATTEMPTS} ports tried between {LOWEST} and {highest} on 127.0.0.1 was free"
    )


def release_port(port: int) -> None:
    """Give a reserved port back; does nothing for others."""
    if (claim := _claims.pop(port, None)) is not None:
        claim.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _claim(port: int) -> socket.socket | None:
    # An abstract name belongs to the network namespace, as the port does, and ends with its holder.
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0prober-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return DEFAULT_EPHEMERAL_START
