"""What all our servers can do: start, stop, die, freeze, and say why they did not come up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from prober.demo import ports, procfs
from prober.demo.process import Child, Owner, gone
from prober.demo.procfs import Identity
from prober.demo.user import ServerError, User, make_directory, obstacle

HOST = "127.0.0.1"
POLL = 0.01  # seconds between two looks at a server that is coming up
PORT_TRIES = 5
DYING = 1.0  # seconds


class Server(ABC):
    """One server process on a port of 127.0.0.1, in a directory of its own.

    `start` and `stop` are awaited; `kill`, `freeze` and `thaw` act at once, so that a test knows the moment.
    Times are seconds. What goes wrong is a ServerError with the end of the server's log.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, owner: Owner, directory: Path, port: int | None = None, user: User | None = None):
        self.owner = owner
        self.directory = directory
        self.port = owner.port() if port is None else port
        self.user = user
        self._port_is_ours = port is None
        self._has_run = False
        self._child: Child | None = None
        self._killed: list[Identity] = []

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is there: a frozen one is, one that was just killed is not."""
        return self._child is not None and not self._killed and self._child.running

    @property
    def pid(self) -> int:
        """The server's process id. ServerError when it is not running."""
        return self._running_child().pid

    @property
    def returncode(self) -> int | None:
        """None before it was started and while it runs, then its exit status or minus the signal's number."""
        return None if self._child is None else self._child.returncode

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self.directory / f"{self.name}.log"

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of its log."""
        return self._child.log_tail(lines) if self._child else "(never started)"

    async def start(self, timeout: float = 30.0) -> None:
        """Start it and wait until it answers. Works right after a kill. ServerError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        # Whoever was killed by others, not by `kill`, may take a moment to be gone.
        if self._child is not None and self.running and await gone([self._child.identity], DYING):
            raise ServerError(f"{self.name} is already running (pid {self.pid})")
        await self._prepare_directory()
        for attempt in range(PORT_TRIES):
            await self._wait_for_predecessor(deadline)
            self._child = self._spawn()
            try:
                await self.wait_ready(deadline - time.monotonic())
            except BaseException as error:
                if self.running:
                    self.kill()
                may_move = isinstance(error, ServerError) and attempt + 1 < PORT_TRIES and self._may_move()
                if not may_move:
                    raise
                self.port = self.owner.port()
            else:
                self._has_run = True
                return

    def _may_move(self) -> bool:
        """Whether it failed because somebody took its port before anybody was told the number."""
        return self._port_is_ours and not self._has_run and not ports.is_free(self.port)

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until it answers a request. ServerError when it has exited, or after `timeout` seconds."""
        child = self._running_child()
        deadline = time.monotonic() + timeout
        complaint = ""
        while (left := deadline - time.monotonic()) > 0:
            if not child.running:
                raise ServerError(f"{self.name} ended with status {child.returncode}:\n{child.log_tail()}")
            try:
                async with asyncio.timeout(left):
                    await self.ask()
            except (OSError, EOFError, ServerError) as error:
                complaint = str(error) or type(error).__name__
            else:
                return
            await asyncio.sleep(POLL)
        raise ServerError(
            f"{self.name} on {self.address} did not answer within {timeout:.1f} s ({complaint}):\n"
            f"{child.log_tail()}"
        )

    async def stop(self, timeout: float = 30.0) -> None:
        """Stop it in the orderly way, thawing it first if need be; does nothing if it is not running."""
        await self._stop_with(self.stop_signal, timeout)

    async def restart(self, timeout: float = 30.0) -> None:
        """Stop in the orderly way and start again."""
        await self.stop(timeout)
        await self.start(timeout)

    def kill(self) -> None:
        """SIGKILL the server and all its children at once. Does not wait: `start` does, or `wait_gone`."""
        self._killed = self._running_child().kill()

    def freeze(self) -> None:
        """SIGSTOP the server and all its children; when this returns none of them runs."""
        self._running_child().freeze()

    def thaw(self) -> None:
        """SIGCONT the server and all its children."""
        self._running_child().thaw()

    async def wait_gone(self, timeout: float = 10.0) -> None:
        """Wait until nothing of a killed or stopped server is left. ServerError after `timeout` seconds."""
        await self._wait_for_predecessor(time.monotonic() + timeout)

    @abstractmethod
    async def ask(self) -> None:
        """Ask it something that only a ready server answers; OSError, EOFError or ServerError otherwise."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Write what configuration it needs and tell the program with its arguments."""

    async def _prepare(self) -> None:  # noqa: B027 - most servers need nothing
        """Do once, before the first start, what the server needs in its directory."""

    def _home(self) -> Path:
        """Where the server runs."""
        return self.directory

    async def _prepare_directory(self) -> None:
        if self._has_run:
            return
        if not self.directory.exists():
            make_directory(self.directory)
            self._give(self.directory)
        if (place := obstacle(self.directory, self.user)) is not None:
            who = f"runs as {self.user.name}, who" if self.user else f"runs as user {os.geteuid()}, who"
            raise ServerError(
                f"{self.name} {who} may not enter {place} (mode {place.stat().st_mode & 0o7777:04o}), on the way "
                f"to {self.directory}; choose a directory that everyone may enter, such as one below /var/tmp"
            )
        await self._prepare()

    def _give(self, *paths: Path) -> None:
        """Make the server's user the owner of something that we made."""
        if self.user is not None:
            for path in paths:
                os.chown(path, self.user.uid, self.user.gid)

    def _spawn(self) -> Child:
        return self.owner.spawn(
            self._command(),
            name=self.name,
            cwd=self._home(),
            log_file=self.log_file,
            user=self.user,
            stop_signal=self.stop_signal,
        )

    def _running_child(self) -> Child:
        if self._child is None or not self.running:
            raise ServerError(f"{self.name} is not running:\n{self.log_tail()}")
        return self._child

    async def _stop_with(self, number: signal.Signals, timeout: float) -> None:
        if not self.running:
            return
        child = self._running_child()
        child.thaw()
        child.signal(number)
        with contextlib.suppress(TimeoutError):
            await child.wait(timeout)
            await self._wait_for_predecessor(time.monotonic() + timeout)
            return
        raise ServerError(f"{self.name} did not stop within {timeout:g} s of {number.name}:\n{child.log_tail()}")

    async def _wait_for_predecessor(self, deadline: float) -> None:
        """Wait until all processes of an earlier life have gone: what they hold would hinder the next one."""
        while processes := [*filter(procfs.is_alive, self._killed), *self._remnants()]:
            procfs.thaw(processes)
            left = await gone(processes, max(deadline - time.monotonic(), 0.0))
            if left:
                raise ServerError(
                    f"processes of a former {self.name} do not end: {[process.pid for process in left]}"
                )
        if self._child is not None:
            _ = self._child.returncode  # reaps it
        self._killed = []

    def _remnants(self) -> list[Identity]:
        """Find what lives on of a server that is gone."""
        return []
