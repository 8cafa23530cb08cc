"""A lock on a file (flock(2)) that says who holds it; the kernel lets go of it with the process that took it.

So whether somebody lives is never guessed from a process id.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

LARGEST = 4096  # bytes of what the holder says


class FileLock:
    """One lock. Every method may raise OSError, for what the disk does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def take(self, said: bytes) -> bytes | None:
        """Take it and write down `said`; what its holder said, or None: it is ours now. Makes the directory."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return os.pread(file, LARGEST, 0)
            finally:
                os.close(file)
        except OSError:
            os.close(file)
            raise
        self._file = file
        # A full disk: it is held all the same, and nobody learns by whom.
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, said, 0)
        return None

    def release(self) -> None:
        """Let go of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def peek(path: Path) -> bytes | None:
    """What the holder of the lock on this file said; None where nobody holds it.

    Looking takes a shared lock for a moment, so whoever wants the lock has to try more than once.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(file, LARGEST, 0)
    finally:
        os.close(file)
    return None
