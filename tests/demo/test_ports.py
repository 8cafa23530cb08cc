"""Reserving ports: never the same twice on this machine, never an ephemeral one."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from prober.demo import ports


def test_no_port_twice_and_none_of_the_ephemeral_range() -> None:
    reserved = [ports.free_port() for _ in range(200)]
    try:
        assert len(set(reserved)) == len(reserved)
        first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        assert all(ports.LOWEST <= port < first_ephemeral for port in reserved)
    finally:
        for port in reserved:
            ports.release_port(port)


def test_another_process_does_not_get_a_reserved_port() -> None:
    port = ports.free_port()
    program = (
        "import sys; from prober.demo import ports; ports.LOWEST = int(sys.argv[1]); ports.ATTEMPTS = 1\n"
        "ports.random.randint = lambda low, high: low\n"
        "try: print(ports.free_port())\n"
        "except OSError as error: print(error.errno)\n"
    )
    try:
        answer = _python(program, str(port))
        assert int(answer) == 98  # EADDRINUSE
    finally:
        ports.release_port(port)
    assert int(_python(program, str(port))) == port


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def _python(program: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=Path(ports.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
