"""Ends what an owner leaves behind, however the owner itself ended: Ctrl-C, SIGTERM, a crash, `kill -9`.

A process of its own (`python -m prober.demo.keeper FD OWNER_PID`), in a session of its own, connected by a
SOCK_SEQPACKET pair. Each message is one JSON object and is answered by one; the words are in `Word`. When the
socket closes or the owner exits, or when the owner asks for it, the keeper lets frozen processes go on, asks
all to end, kills those that do not, frees shared memory, removes directories, and exits.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from prober.demo import procfs, sysv
from prober.demo.procfs import Identity

MODULE = "prober.demo.keeper"
GRACE = 3.0  # seconds to end by oneself
DEADLINE = 15.0  # seconds for everything: then it says what is left and exits
MESSAGE_LIMIT = 65536  # bytes


class Word:
    """What a message is about; the keys of its JSON object."""

    PROCESS = "process"  # [pid, started], with STOP: the signal that asks it to end
    STOP = "stop"
    HOME = "home"  # a directory whose residents are ours, with PROGRAMS: the real paths of what they run
    PROGRAMS = "programs"
    REMOVE = "remove"  # a directory to remove at the end
    END = "end"  # end everything now; the answer lists what could not be ended


class Home(NamedTuple):
    """A directory that servers live in. Its inode is the key of their System V segments (PostgreSQL)."""

    directory: Path
    programs: tuple[str, ...]
    key: int
    since: float  # Unix time


class Estate:
    """Everything that an owner has said is its own, and how that is brought to an end."""

    def __init__(self) -> None:
        self._processes: dict[Identity, signal.Signals] = {}
        self._homes: list[Home] = []
        # → its inode, so that what was put in its place later is not ours; None: told before it was made
        self._directories: dict[Path, int | None] = {}

    def learn(self, message: dict[str, Any]) -> None:
        """Take one registration."""
        if Word.PROCESS in message:
            pid, started = message[Word.PROCESS]
            self._processes[Identity(pid, started)] = signal.Signals(message[Word.STOP])
        if Word.HOME in message:
            directory = Path(message[Word.HOME])
            key = directory.stat().st_ino
            self._homes.append(Home(directory, tuple(message[Word.PROGRAMS]), key, time.time()))
        if Word.REMOVE in message:
            directory = Path(message[Word.REMOVE])
            self._directories[directory] = directory.stat().st_ino if directory.exists() else None

    def end(self) -> list[str]:
        """Bring everything to an end; return what could not be, in words."""
        self._end_processes()
        left = [f"process {process.pid}" for process in self._alive()]
        left += [f"shared memory {segment}" for segment in self._free_segments()]
        left += [f"directory {directory}" for directory in self._remove_directories()]
        return left

    def _alive(self) -> list[Identity]:
        family = dict.fromkeys(procfs.tree(self._processes))
        for home in self._homes:
            family.update(dict.fromkeys(procfs.residents(home.directory, home.programs)))
        return list(family)

    def _end_processes(self) -> None:
        deadline = time.monotonic() + DEADLINE
        family = procfs.tree(self._processes)
        keepers = [process for process in family if is_keeper(process)]
        procfs.thaw(family)
        for process, stop_signal in self._processes.items():
            procfs.send(process, stop_signal)
        # Orphans have nobody left who would tell them to end.
        _kill(set(self._alive()) - set(family))
        procfs.wait_gone(family, GRACE)
        while (alive := set(self._alive()) - set(keepers)) and time.monotonic() < deadline:
            _kill(alive)
            procfs.wait_gone(alive, 0.5)
        _kill(procfs.wait_gone(keepers, max(deadline - time.monotonic(), 0.0)))

    def _free_segments(self) -> list[int]:
        stuck = []
        for segment in sysv.segments():
            ours = any(
                segment.key == sysv.key(home.key) and segment.changed >= home.since - 1 for home in self._homes
            )
            if ours and segment.attached == 0 and not sysv.remove(segment.id):
                stuck.append(segment.id)
        return stuck

    def _remove_directories(self) -> list[Path]:
        for directory in self._directories_left():
            shutil.rmtree(directory, ignore_errors=True)
        return self._directories_left()

    def _directories_left(self) -> list[Path]:
        return [
            directory
            for directory, inode in self._directories.items()
            if directory.is_dir() and inode in {None, directory.stat().st_ino}
        ]


def is_keeper(process: Identity) -> bool:
    """Whether it is the keeper of an owner that somebody owns: it ends by itself, once that one's estate has.

    To be spared as long as possible: nobody else knows of all that there is to free.
    """
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return MODULE.encode() in words


def _kill(processes: Iterable[Identity]) -> None:
    for process in processes:
        procfs.send(process, signal.SIGKILL)


def keep(link: socket.socket, owner: int | None) -> list[str]:
    """Serve one owner until it asks for the end or is gone; return what could not be ended.

    `owner` is a pidfd, None for one that is gone already: what it said before still counts.
    """
    estate = Estate()
    poll = select.poll()
    poll.register(link, select.POLLIN)
    # A child that the owner forked may hold the socket open, so the owner's own life is watched as well.
    if owner is not None:
        poll.register(owner, select.POLLIN)
    while True:
        ready = dict(poll.poll(0 if owner is None else None))
        if link.fileno() not in ready:
            return estate.end()
        try:
            data = link.recv(MESSAGE_LIMIT)
        except ConnectionError:
            data = b""
        if not data:
            return estate.end()
        message = json.loads(data)
        if Word.END in message:
            left = estate.end()
            _answer(link, {"left": left})
            return left
        try:
            estate.learn(message)
        except (OSError, ValueError, KeyError) as error:
            _answer(link, {"error": f"{type(error).__name__}: {error}"})
        else:
            _answer(link, {})


def _answer(link: socket.socket, answer: dict[str, Any]) -> None:
    try:
        link.send(json.dumps(answer).encode())
    except OSError:
        return  # the owner has just died: the next read tells


def main() -> int:
    """Run as the keeper of the process that started this one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # what ends the owner must not end its keeper
    link = socket.socket(fileno=int(sys.argv[1]))
    return 1 if keep(link, _open_owner(int(sys.argv[2]))) else 0


def _open_owner(pid: int) -> int | None:
    try:
        owner = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # It started us: with another parent by now it is gone, and the pid may be another's.
    return owner if os.getppid() == pid else None


if __name__ == "__main__":
    sys.exit(main())
