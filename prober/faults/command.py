"""Faults that commands of the user make and undo: systemctl, docker, kubectl, toxiproxy-cli, whatever is there.

No shell: a list of arguments. A command runs in a session of its own, so that a Ctrl-C meant for us spares it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from prober.faults.driver import FaultError
from prober.outcome import DriverKind, FaultKind, Service

TAIL = 500  # characters of what a command said that are repeated


class CommandFault:
    """One fault by a pair of commands; `check` ends with 0 when all is well. `timeout` in seconds, each."""

    kind = DriverKind.COMMANDS

    def __init__(
        self,
        fault: FaultKind,
        service: Service,
        *,
        inject: Sequence[str],
        undo: Sequence[str],
        check: Sequence[str] | None,
        timeout: float,
    ) -> None:
        self.fault = fault
        self.service = service
        self._inject = tuple(inject)
        self._undo = tuple(undo)
        self._check = None if check is None else tuple(check)
        self._timeout = timeout

    @property
    def sentence(self) -> str:
        """What is done."""
        return f"{self.fault} of {self.service} by `{' '.join(self._inject)}`"

    @property
    def how(self) -> Mapping[str, Any]:
        """The commands."""
        return {
            "inject": list(self._inject),
            "undo": list(self._undo),
            "check": None if self._check is None else list(self._check),
            "timeout": self._timeout,
        }

    async def inject(self) -> None:
        """Run its command."""
        await run_command(self._inject, self._timeout)

    async def undo(self) -> None:
        """Run the other one."""
        await run_command(self._undo, self._timeout)

    async def check_undone(self) -> None:
        """Run the check, where there is one."""
        if self._check is not None:
            await run_command(self._check, self._timeout)


async def run_command(argv: Sequence[str], timeout: float) -> None:
    """Run to the end; FaultError unless it ends with 0 in time. It is killed where it does not."""
    shown = " ".join(argv)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise FaultError(f"`{shown}` cannot be run: {error.strerror}; is {argv[0]} installed here?") from None
    try:
        async with asyncio.timeout(timeout):
            said, _ = await process.communicate()
    except TimeoutError:
        raise FaultError(f"`{shown}` did not end within {timeout:g} s and was killed") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0:
        tail = said.decode("utf-8", "replace").strip()[-TAIL:] or "nothing"
        raise FaultError(f"`{shown}` ended with {process.returncode}, expected 0; it said: {tail}")
