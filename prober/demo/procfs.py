"""Which processes there are, by `/proc`, and signals that reach exactly the one that was meant (Linux 5.3+).

Light on purpose: the keeper lives beside every demo and imports nothing else.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_EXITED = "ZX"
_STOPPED = "tT"


class Identity(NamedTuple):
    """One process for good: a pid alone may belong to another by tomorrow, with its start time it cannot."""

    pid: int
    started: int  # clock ticks after boot, proc(5) field 22


class Stat(NamedTuple):
    """The few fields of `/proc/PID/stat` that matter here."""

    identity: Identity
    parent: int
    state: str

    @property
    def exited(self) -> bool:
        """Whether it only waits to be reaped: it holds no memory, port or file any more."""
        return self.state in _EXITED

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP has arrived."""
        return self.state in _STOPPED


def read_stat(pid: int) -> Stat | None:
    """Look at one process; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may itself contain spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(Identity(pid, int(fields[19])), int(fields[1]), fields[0])


def identify(pid: int) -> Identity | None:
    """Name a live process for good; None when there is none, or a zombie."""
    stat = read_stat(pid)
    return None if stat is None or stat.exited else stat.identity


def is_alive(process: Identity) -> bool:
    """Whether exactly this process still runs (stopped counts as running, a zombie does not)."""
    return identify(process.pid) == process


def everyone() -> Iterator[Stat]:
    """All processes that can be seen, zombies left out."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds of entries, no need of a Path for each
        if name.isdigit() and (stat := read_stat(int(name))) is not None and not stat.exited:
            yield stat


def tree(roots: Iterable[Identity]) -> list[Identity]:
    """Find those of `roots` that are alive, and all their living descendants, ancestors first."""
    children: dict[int, list[Identity]] = {}
    alive: set[Identity] = set()
    for stat in everyone():
        children.setdefault(stat.parent, []).append(stat.identity)
        alive.add(stat.identity)
    found: dict[Identity, None] = {}
    todo = [root for root in roots if root in alive]
    while todo:
        process = todo.pop(0)
        if process not in found:
            found[process] = None
            todo.extend(children.get(process.pid, ()))
    return list(found)


def residents(directory: Path, programs: Collection[str]) -> list[Identity]:
    """Find the processes that run one of `programs` (real paths) with `directory` or a place below it as theirs.

    This is how orphans are found: a PostgreSQL backend whose postmaster was killed has another parent and a
    session of its own, but it stays in its data directory. Somebody's shell that stands there is none of ours.
    """
    return [
        stat.identity
        for stat in everyone()
        if _link(stat.identity.pid, "exe") in programs
        and Path(_link(stat.identity.pid, "cwd")).is_relative_to(directory)
    ]


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}").removesuffix(" (deleted)")  # noqa: PTH115
    except OSError:
        return ""


def send(process: Identity, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; False when it is gone already."""
    handle = open_pidfd(process)
    if handle is None:
        return False
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def freeze(roots: Iterable[Identity], timeout: float = 2.0) -> list[Identity]:
    """Stop whole process trees, parents first so that nothing new is born; return who was stopped.

    A process inside an uninterruptible system call (fsync on a slow disk) stops when that returns; after
    `timeout` seconds it is not waited for any longer.
    """
    roots = list(roots)
    deadline = time.monotonic() + timeout
    while True:
        processes = tree(roots)
        awake = [process for process in processes if not _is_stopped(process)]
        for process in awake:
            send(process, signal.SIGSTOP)
        if not awake or time.monotonic() > deadline:
            return processes
        time.sleep(0.001)


def _is_stopped(process: Identity) -> bool:
    stat = read_stat(process.pid)
    return stat is None or stat.identity != process or stat.exited or stat.stopped


def thaw(processes: Iterable[Identity]) -> None:
    """Let stopped processes go on."""
    for process in processes:
        send(process, signal.SIGCONT)


def wait_gone(processes: Iterable[Identity], timeout: float) -> list[Identity]:
    """Block until all of them have exited, at most `timeout` seconds; return those that have not."""
    deadline = time.monotonic() + timeout
    waiting = {handle: process for process in processes if (handle := open_pidfd(process)) is not None}
    poll = select.poll()
    for handle in waiting:
        poll.register(handle, select.POLLIN)
    try:
        while waiting and (left := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(left * 1000):
                poll.unregister(handle)
                os.close(handle)
                del waiting[handle]
        return list(waiting.values())
    finally:
        for handle in waiting:
            os.close(handle)


def open_pidfd(process: Identity) -> int | None:
    """Open a handle that becomes readable when the process exits; None when it is gone. The caller closes it."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Between reading the start time and opening the handle the pid may have changed hands: look once more.
    if is_alive(process):
        return handle
    os.close(handle)
    return None
