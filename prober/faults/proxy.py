"""`python -m prober.faults.proxy`: a TCP proxy of loopback whose conditions are changed while it runs.

Prints one JSON line when it serves: `{"ready": true, "listen": …, "upstream": …, "control": …, "pid": …}`.
Conditions are set through its control (`prober.faults.control`). A connection itself is never delayed, since it is
the kernel that takes it: latency begins with the first byte. At most 256 KiB wait in each direction of a
connection, which bounds its throughput under latency as the window of a real TCP connection does.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import resource
import signal
import sys
from pathlib import Path

import uvloop

from prober.faults.control import ControlServer
from prober.faults.gate import Gate
from prober.faults.relay import Upstream

COULD_NOT_RUN = 3


class StartError(Exception):
    """It cannot start; the text says why."""


def parse_loopback(text: str) -> Upstream:
    """`HOST:PORT` → (host, port). argparse.ArgumentTypeError unless it is an address of loopback with a port."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address; expected one such as 127.0.0.1:6379 or [::1]:5432"
        )
    if not address.is_loopback:
        raise argparse.ArgumentTypeError(f"{text} is not of loopback; this proxy never leaves its machine")
    return str(address), int(port)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m prober.faults.proxy", description=__doc__)
    parser.add_argument(
        "--listen", type=parse_loopback, required=True, metavar="HOST:PORT", help="where clients go"
    )
    parser.add_argument("--upstream", type=parse_loopback, required=True, metavar="HOST:PORT", help="where to")
    parser.add_argument(
        "--control", type=Path, required=True, metavar="DIRECTORY", help="where its socket is made"
    )
    parser.add_argument("--seed", type=int, default=0, help="of every draw; the same seed draws the same")
    return parser.parse_args(arguments)


async def run(listen: Upstream, upstream: Upstream, directory: Path, seed: int) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises StartError."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    gate = Gate(listen, upstream, seed)
    control = ControlServer(gate, directory)
    try:
        try:
            gate.open()
        except OSError as error:
            raise StartError(f"cannot listen on {_shown(listen)}: {error.strerror}") from None
        try:
            await control.start()
        except OSError as error:
            raise StartError(f"cannot make its control in {directory}: {error.strerror or error}") from None
        where = {"listen": _shown(listen), "upstream": _shown(upstream), "control": str(directory)}
        print(json.dumps({"ready": True, **where, "pid": os.getpid()}), flush=True)
        await ended.wait()
    finally:
        await control.stop()
        gate.close()


def _shown(address: Upstream) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code is 0, 2 for bad usage, 3 when it could not start."""
    given = _arguments(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors for each connection
    try:
        uvloop.run(run(given.listen, given.upstream, given.control, given.seed))
    except StartError as error:
        print(f"the proxy cannot start: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main())
