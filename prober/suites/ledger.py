"""What a suite has sent, or was about to, on disk before it is sent: so a run that was killed can be cleaned up.

One file a generator, `data_dir/suites/ledger/RUN.jsonl`: a line that says what the run is, then a line for each
block of ordinals that is reserved before any of them is used. Ids follow from run and ordinal
(`load.messages.Ids`), so that is all it takes. Whoever writes it holds a lock on it (flock), which the kernel lets
go of with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from prober.outcome import Mode

FORMAT = "prober-suite-ledger"
_RUN_ID = re.compile(r"[0-9a-f]{19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What one ledger says: ordinals 1 to `count` of this run may have rows in the target.

    `last` is when the last block was reserved, or its sender last said that it sends (Unix time of the file).
    """

    instance: str
    run_id: str
    mode: Mode
    from_number: str
    count: int
    last: float


def folder_of(data_dir: Path) -> Path:
    """Where the ledgers of a prober are."""
    return data_dir / "suites" / "ledger"


class Ledger:
    """The ledger of one generator that runs. Every method may raise OSError, for what the disk does."""

    def __init__(self, data_dir: Path, *, instance: str, run_id: str, mode: Mode, from_number: str) -> None:
        folder = folder_of(data_dir)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{run_id}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        about = {
            "format": FORMAT,
            "version": 1,
            "instance": instance,
            "run_id": run_id,
            "mode": mode.value,
            "from_number": from_number,
        }
        os.write(self._file, json.dumps(about).encode() + b"\n")
        _sync_folder(folder)

    def reserve(self, count: int) -> None:
        """From now on ordinals up to this one may be sent; returns once that is on disk."""
        os.write(self._file, json.dumps({"reserved": count}).encode() + b"\n")
        os.fsync(self._file)

    def touch(self) -> None:
        """Something of it is sent now."""
        os.utime(self._file)

    def close(self) -> None:
        """Let go of it, and leave it for a later clean-up."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def forget(self) -> None:
        """Nothing of this run is left."""
        self.path.unlink(missing_ok=True)
        self.close()


class DeadLedger:
    """The ledger of a run that has ended without removing what it made; ours while the block is open."""

    def __init__(self, path: Path, file: int, reserved: Reserved) -> None:
        self.path = path
        self.reserved = reserved
        self._file = file

    def forget(self) -> None:
        """Nothing of it is left."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def dead_ledgers(data_dir: Path) -> list[DeadLedger]:
    """Take every ledger that nobody holds, oldest first; what is no ledger of ours is left alone.

    They are locked until `close` or `forget`, so that two clean-ups do not meet. Raises OSError.
    """
    folder = folder_of(data_dir)
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        reserved = read_ledger(path.read_bytes(), path.stat().st_mtime)
        if reserved is None:
            os.close(file)
        else:
            found.append(DeadLedger(path, file, reserved))
    return found


def read_ledger(content: bytes, last: float) -> Reserved | None:
    """What a ledger says; a last line that was cut off says nothing yet. None for what is none of ours."""
    lines = [line for line in (_parsed(line) for line in content.splitlines()) if line is not None]
    if not lines:
        return None
    about, blocks = lines[0], lines[1:]
    instance, run_id, number = (about.get(key) for key in ("instance", "run_id", "from_number"))
    if about.get("format") != FORMAT or about.get("version") != 1 or about.get("mode") not in list(Mode):
        return None
    if not isinstance(instance, str) or not isinstance(number, str) or not isinstance(run_id, str):
        return None
    if not _RUN_ID.fullmatch(run_id):
        return None
    counts = [count for each in blocks if isinstance(count := each.get("reserved"), int)]
    return Reserved(
        instance=instance,
        run_id=run_id,
        mode=Mode(str(about["mode"])),
        from_number=number,
        count=max(counts, default=0),
        last=last,
    )


def _parsed(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
