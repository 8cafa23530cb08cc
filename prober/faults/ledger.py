"""What is broken right now, on disk before it is: so that whoever comes after a crash of ours can undo it.

`data_dir/faults/` holds a file for each fault, and a lock on the directory that the kernel lets go of with the
last process that has it: a drill, and the guardian beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prober.outcome import DriverKind, FaultKind, Service

DIRECTORY = "faults"
LOCK = "lock"
SUFFIX = ".json"
LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fault that may stand. `made` is Unix time; `how` is what its driver said."""

    id: str
    fault: FaultKind
    service: Service
    driver: DriverKind
    sentence: str
    made: float
    how: Mapping[str, Any]


class LedgerError(Exception):
    """The ledger cannot be read or written; the text says which file and what to do."""


class Ledger:
    """The ledger of one data_dir. OSError for what the disk does."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / DIRECTORY
        self._lock = -1

    @property
    def lock(self) -> int:
        """The descriptor of the lock that is held, for a guardian to hold as well."""
        return self._lock

    def take(self) -> bool:
        """Take the lock, if nobody works here; makes the directory."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._lock = file
        return True

    def release(self) -> None:
        """Let go of it; a guardian goes on holding it for as long as it is there."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def write(
        self, fault: FaultKind, service: Service, driver: DriverKind, sentence: str, how: Mapping[str, Any]
    ) -> Entry:
        """Write an entry; on the disk itself when this returns."""
        entry = Entry(
            id=secrets.token_hex(6),
            fault=fault,
            service=service,
            driver=driver,
            sentence=sentence,
            made=time.time(),
            how=how,
        )
        path = self._path(entry)
        new = path.with_suffix(".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, json.dumps(asdict(entry), indent=1).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        new.replace(path)
        self._sync()
        return entry

    def remove(self, entry: Entry) -> None:
        """It is undone, and that was seen."""
        self._path(entry).unlink(missing_ok=True)
        self._sync()

    def entries(self) -> list[Entry]:
        """What may stand, the latest first; LedgerError for a file that is none of ours.

        A file that somebody else could have written is not believed: it names commands to run.
        """
        if not self.directory.is_dir():
            return []
        found = [_read(path) for path in self.directory.glob(f"*{SUFFIX}")]
        return sorted(found, key=lambda entry: entry.made, reverse=True)

    def _path(self, entry: Entry) -> Path:
        return self.directory / f"{entry.id}{SUFFIX}"

    def _sync(self) -> None:
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _read(path: Path) -> Entry:
    try:
        status = path.stat()
        if status.st_uid != os.geteuid() or status.st_mode & 0o022 or status.st_size > LARGEST:
            raise LedgerError(f"{path}: expected a small file that only this user may write; look at it by hand")
        document = json.loads(path.read_text(encoding="utf-8"))
        return Entry(
            id=path.stem,
            fault=FaultKind(document["fault"]),
            service=Service(document["service"]),
            driver=DriverKind(document["driver"]),
            sentence=str(document["sentence"]),
            made=float(document["made"]),
            how=dict(document["how"]),
        )
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise LedgerError(
            f"{path}: expected what `prober drill` wrote of a fault; see that the service is well, then remove it"
        ) from None
