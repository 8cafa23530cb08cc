"""Who works in a data_dir: a lock on a file in it, which the kernel lets go of with the process that holds it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from prober.clock import Instant
from prober.flock import FileLock, peek
from prober.publish.journal.restore import read_boot_id

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
        self._lock = FileLock(self.path)

    def take(self, work: Work, at: Instant) -> Holder | None:
        """Take it and say since when; who holds it already, or None: it is ours now. Makes the directory."""
        document = {"work": work, "wall": at.wall, "mono": at.mono, "boot_id": read_boot_id()}
        held = self._lock.take(json.dumps(document).encode() + b"\n")
        return None if held is None else _read(held)

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
        self._lock.release()


def running_prober(data_dir: Path) -> bool:
    """Whether `prober run` works in this data_dir, as far as the lock in it can be looked at."""
    try:
        held = peek(data_dir / FILE_NAME)
    except OSError:
        return False
    return held is not None and _read(held).work is not Work.CLEANUP


def _read(content: bytes) -> Holder:
    try:
        document = json.loads(content)
        work, began = Work(document["work"]), Instant(float(document["mono"]), float(document["wall"]))
    except (ValueError, KeyError, TypeError):
        return Holder()
    # The clock that counts from boot means nothing in another one; then the holder is not of this machine.
    return Holder(work=work, began=began if document.get("boot_id") == read_boot_id() else None)
