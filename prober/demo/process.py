"""Child processes that never outlive their owner: spawned, watched, frozen, killed and ended here.

Three lines of defence. In the ordinary ending the `Owner` stops each child itself. When the owner is gone
first, its keeper (`prober.demo.keeper`) ends what is left. And each child carries PR_SET_PDEATHSIG, in case
somebody kills the keeper as well.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from prober.demo import ports, procfs
from prober.demo.keeper import Word, is_keeper
from prober.demo.keeper_link import KeeperLink
from prober.demo.procfs import Identity
from prober.demo.user import ServerError, User, obstacle, public_parent, unprivileged_user

__all__ = ["Child", "Owner", "ServerError", "User", "gone", "obstacle", "plain_environment", "unprivileged_user"]

LAUNCHER = Path(__file__).with_name("launch.py")


class Child:
    """One running program with all its descendants. Made by `Owner.spawn`."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, log_file: Path, stop_signal: signal.Signals):
        identity = procfs.identify(process.pid)
        if identity is None:
            raise ServerError(f"{name} ended before it began")
        self._process = process
        self.name = name
        self.log_file = log_file
        self.stop_signal = stop_signal
        self.identity = identity

    @property
    def pid(self) -> int:
        """Its process id; another process may bear it once this one has ended."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs, the exit status afterwards, the negative number of the signal that ended it."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it has not exited; a frozen process runs."""
        return self.returncode is None

    def tree(self) -> list[Identity]:
        """Itself and all its descendants, as far as they are alive; ancestors first."""
        return procfs.tree([self.identity])

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the process alone; False when it has ended."""
        return procfs.send(self.identity, number)

    def freeze(self) -> None:
        """SIGSTOP it and all its descendants; when this returns they have stopped."""
        procfs.freeze([self.identity])

    def thaw(self) -> None:
        """SIGCONT it and all its descendants."""
        procfs.thaw(self.tree())

    def kill(self) -> list[Identity]:
        """SIGKILL it and all its descendants at once, as the crash of a machine would; return who was hit.

        They are frozen first: a process cannot have another child, or notice its parent's death and tidy up,
        between our reading who there is and the signal. Returns without waiting for their end.
        """
        family = procfs.freeze([self.identity])
        for process in family:
            procfs.send(process, signal.SIGKILL)
        return family

    async def wait(self, timeout: float) -> int:
        """Wait until it has exited; return the exit status. TimeoutError after `timeout` seconds."""
        if await gone([self.identity], timeout):
            raise TimeoutError(f"{self.name} (pid {self.pid}) still runs after {timeout:g} s")
        return self._process.wait()

    async def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end, kill it and its descendants if it does not within `timeout` seconds."""
        family = self.tree()
        procfs.thaw(family)
        self.signal(self.stop_signal)
        if await gone(family, timeout):
            family += procfs.freeze([self.identity])
            keepers = {process for process in family if is_keeper(process)}
            for process in family:
                procfs.send(process, signal.SIGCONT if process in keepers else signal.SIGKILL)
            for process in await gone(family, timeout):
                procfs.send(process, signal.SIGKILL)
        self._process.poll()

    def log_tail(self, lines: int = 40) -> str:
        """The last lines it wrote."""
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


async def gone(processes: Iterable[Identity], timeout: float) -> list[Identity]:
    """Wait until all of them have exited, at most `timeout` seconds; return those that have not."""
    loop = asyncio.get_running_loop()
    waiting: dict[int, tuple[Identity, asyncio.Event]] = {}
    for process in processes:
        if (handle := procfs.open_pidfd(process)) is not None:
            exited = asyncio.Event()
            waiting[handle] = (process, exited)
            loop.add_reader(handle, exited.set)
    try:
        async with asyncio.timeout(timeout):
            for handle, (_, exited) in list(waiting.items()):
                await exited.wait()
                loop.remove_reader(handle)
                os.close(handle)
                del waiting[handle]
    except TimeoutError:
        return [process for process, exited in waiting.values() if not exited.is_set()]
    finally:
        for handle in waiting:
            loop.remove_reader(handle)
            os.close(handle)
    return []


class Owner:
    """Owns child processes, directories and ports, and leaves nothing of them behind.

    Use it as an async context manager (children are stopped one after the other, last first), or as a plain
    one (the keeper ends all of them; blocks up to a few seconds). Not to be shared between threads.
    """

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._ports: list[int] = []
        self._directory: Path | None = None
        self._keeper = KeeperLink()

    @property
    def directory(self) -> Path:
        """A temporary directory that any user may enter, removed at the end."""
        if self._directory is None:
            directory = public_parent() / f"prober-{secrets.token_hex(6)}"
            # In this order: killed in between, there is nothing to remove.
            self.remove_at_end(directory)
            directory.mkdir()
            directory.chmod(0o711)
            self._directory = directory
        return self._directory

    def port(self) -> int:
        """Reserve a free TCP port of 127.0.0.1 until the end."""
        port = ports.free_port()
        self._ports.append(port)
        return port

    def remove_at_end(self, directory: Path) -> None:
        """Make sure that a directory is removed at the end, with all that is in it; it may be made later."""
        self._keeper.tell({Word.REMOVE: str(directory.resolve())})

    def inhabit(self, directory: Path, programs: Collection[Path]) -> None:
        """Declare a directory in which these programs run for this owner alone.

        So orphans and shared memory of them are found even when who started them is gone.
        """
        real = [str(program.resolve()) for program in programs]
        self._keeper.tell({Word.HOME: str(directory.resolve()), Word.PROGRAMS: real})

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        cwd: Path,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        user: User | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Child:
        """Start a program in a session of its own, output appended to `log_file`, stdin empty.

        `env` is its whole environment (default: PATH, a C locale, UTC). `user`: whom it becomes (root only).
        The program begins only once the keeper knows it. Called from another thread than the main one, the
        child gets no PR_SET_PDEATHSIG, which would end it with that thread.
        """
        gate_read, gate_write = os.pipe()
        settings = {
            "gate": gate_read,
            "owner": os.getpid(),
            "uid": user and user.uid,
            "gid": user and user.gid,
            "death_signal": int(stop_signal) if threading.current_thread() is threading.main_thread() else 0,
        }
        try:
            with log_file.open("ab") as log:
                process = subprocess.Popen(  # noqa: S603 - a fixed argument list, no shell
                    [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(settings), *map(str, argv)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=cwd,
                    env=dict(env) if env is not None else plain_environment(cwd),
                    pass_fds=[gate_read],
                    start_new_session=True,
                )
            child = Child(process, name, log_file, stop_signal)
            self._children = [other for other in self._children if other.running] + [child]
            self._keeper.tell({Word.PROCESS: list(child.identity), Word.STOP: int(stop_signal)})
            os.write(gate_write, b"g")
        finally:
            os.close(gate_read)
            os.close(gate_write)
        return child

    async def close(self) -> None:
        """Stop all children, remove the directories, give back the ports. ServerError if something stays."""
        try:
            for child in reversed(self._children):
                await child.stop()
        finally:
            self.end()

    def end(self) -> None:
        """Have the keeper end everything, and wait for it. ServerError if something stays."""
        left = self._keeper.end()
        for child in self._children:
            _ = child.returncode  # reaps it
        for port in self._ports:
            ports.release_port(port)
        self._children, self._ports, self._directory = [], [], None
        if left:
            raise ServerError(f"could not end or remove: {', '.join(left)}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def plain_environment(home: Path) -> dict[str, str]:
    """Make an environment that is the same on every machine: none of the caller's PG* or locale settings."""
    path = os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {"PATH": path, "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}
