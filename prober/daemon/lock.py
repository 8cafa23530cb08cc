"""Who works in a data_dir: a lock on a file in it, which the kernel lets go of with the process that holds it.

So whether a prober lives is never guessed from a process id.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from prober.clock import Instant
from prober.publish.journal import read_boot_id

FILE_NAME = "prober.lock"
STEP = 0.05  # seconds between two tries


class Work(StrEnum):
    """What the holder does there."""

    RUN = "prober run"
    CLEANUP = "prober cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock. `began` is when it took it; None where it could not write that down."""

    work: Work | None = None
    began: Instant | None = None


class DataDirLock:
    """The lock on one data_dir. Every method may raise OSError, for what the disk does."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME
        self._file = -1

    def take(self, work: Work, at: Instant) -> Holder | None:
        """Take it and say since when; who holds it already, or None: it is ours now. Makes the directory."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return _read(os.pread(file, 4096, 0))
            finally:
                os.close(file)
        except OSError:
            os.close(file)
            raise
        self._file = file
        document = {"work": work, "wall": at.wall, "mono": at.mono, "boot_id": read_boot_id()}
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(document).encode() + b"\n", 0)
        except OSError:
            # A full disk: it is held all the same, and nobody learns since when.
            return None
        return None

    def take_patiently(self, work: Work, at: Instant, patience: dict[Work | None, float]) -> Holder | None:
        """Like `take`, tried for as long (seconds) as `patience` has for who holds it."""
        started = time.monotonic()
        while (holder := self.take(work, at)) is not None:
            if time.monotonic() - started >= patience.get(holder.work, 0.0):
                return holder
            time.sleep(STEP)
        return None

    def release(self) -> None:
        """Let go of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _read(content: bytes) -> Holder:
    try:
        document = json.loads(content)
        work, began = Work(document["work"]), Instant(float(document["mono"]), float(document["wall"]))
    except (ValueError, KeyError, TypeError):
        return Holder()
    # The clock that counts from boot means nothing in another one; then the holder is not of this machine.
    return Holder(work=work, began=began if document.get("boot_id") == read_boot_id() else None)
