"""A web process never outlives the prober, however that ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _refused(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_web_process_ends_with_the_prober(number: signal.Signals) -> None:
    prober = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.system.web_orphan"), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert prober.stdout is not None
        pid, port = map(int, (await asyncio.wait_for(prober.stdout.readline(), 60)).split())
        assert not _refused(port)
        # A client in the middle of something must not keep it alive.
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        prober.send_signal(number)
        deadline = time.monotonic() + 20
        while not (_gone(pid) and _refused(port)):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        writer.close()
    finally:
        if prober.returncode is None:
            prober.kill()
        await prober.wait()
