"""System V shared memory: how PostgreSQL guards a data directory, and what a `kill -9` leaves of it."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import NamedTuple

IPC_RMID = 0  # sys/ipc.h


class Segment(NamedTuple):
    """One segment as `/proc/sysvipc/shm` lists it."""

    key: int
    id: int
    attached: int  # processes
    changed: int  # Unix time of its creation or last change of rights


def segments() -> list[Segment]:
    """List the segments of this machine; empty where the kernel has none of this."""
    try:
        _, *lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    # key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
    rows = [[int(field) for field in line.split()] for line in lines]
    return [Segment(row[0], row[1], row[6], row[13]) for row in rows]


def key(inode: int) -> int:
    """Tell the key that PostgreSQL uses for a data directory: its inode, as a signed 32-bit number."""
    return ctypes.c_int32(inode).value


def remove(segment: int) -> bool:
    """Free one segment; False when that is not allowed."""
    return bool(ctypes.CDLL(None, use_errno=True).shmctl(segment, IPC_RMID, None) == 0)
