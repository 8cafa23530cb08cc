"""The pause file in `data_dir`: how `prober pause`, a signal or a bare `touch` stop all writes, for a while.

The form is pure (bytes and times in, a pause out); reading and writing the file are beside it. A pause always
expires by itself: an empty file, or one that cannot be read, an hour after it was made, any other at most
`LONGEST` after.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prober.clock import Instant

FILE_NAME = "pause.json"
BY_TOUCH = 3600.0  # seconds after its making that a file lasts which does not say how long
LONGEST = 30 * 86_400.0
LARGEST = 64 * 1024  # bytes
LONGEST_REASON = 500  # characters
# The daemon may run as another user than the one who pauses it; what stands in the file is no secret.
_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """No writes until `until` (Unix time). `fault` says what is wrong with the file that asked for it."""

    until: float
    reason: str
    fault: str = ""


def as_text(wall: float) -> str:
    """A Unix time for people and for the file, in UTC, to the second."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(pause: Pause, at: float) -> bytes:
    """What the file holds of a pause that was asked for at the Unix time `at`."""
    document = {"until": as_text(pause.until), "reason": pause.reason[:LONGEST_REASON], "at": as_text(at)}
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def read(content: bytes, made: float, now: float) -> Pause:
    """The pause that a file asks for, whatever it holds; `made` and `now` are Unix times.

    A file from the future, as a clock that was set back makes them, counts from `now`.
    """
    made = min(made, now)
    if not content.strip():
        return Pause(until=made + BY_TOUCH, reason=f"the file {FILE_NAME} is there")
    try:
        document = json.loads(content)
        until = datetime.fromisoformat(document["until"])
        reason = document.get("reason", "")
        if until.tzinfo is None:
            raise ValueError(f"until {document['until']!r} has no time zone")
        if not isinstance(reason, str):
            raise ValueError("reason is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return damaged(made, f"expected until (2026-11-25T03:00:00Z) and reason as JSON: {type(error).__name__}")
    if until.timestamp() <= made:
        # One that had expired, and was touched since: that means a new one.
        return Pause(until=made + BY_TOUCH, reason=f"the file {FILE_NAME} was touched")
    if until.timestamp() > made + LONGEST:
        fault = f"until {as_text(until.timestamp())} is more than {LONGEST / 86_400:g} days after it was written"
        return Pause(until=made + LONGEST, reason=reason[:LONGEST_REASON], fault=fault)
    return Pause(until=until.timestamp(), reason=reason[:LONGEST_REASON])


def damaged(made: float, fault: str) -> Pause:
    """The pause that a file asks for which cannot be read: whoever put it there meant something by it."""
    return Pause(until=made + BY_TOUCH, reason=f"{FILE_NAME} cannot be read", fault=fault)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pause as it was first seen, and when it has to be over by the monotonic clock, whatever the other says."""

    pause: Pause
    over: float

    @classmethod
    def of(cls, pause: Pause, now: Instant) -> Sighting:
        """See a pause for the first time."""
        return cls(pause, now.mono + max(0.0, pause.until - now.wall))

    def active(self, now: Instant) -> bool:
        """Whether it lasts: by the wall clock, and by the monotonic one, so that no set-back clock prolongs it."""
        return now.wall < self.pause.until and now.mono < self.over


class PauseFile:
    """The file as a running prober sees it: looked at each time, read again only when it is another one."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME
        self._seen: object = None  # what told this file from any other
        self._sighting: Sighting | None = None

    def look(self, now: Instant) -> Pause | None:
        """The pause that is in force now."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._seen = self._sighting = None
            return None
        except OSError as error:
            self._see(str(error), damaged(now.wall, f"{self.path}: {error.strerror}"), now)
        else:
            identity = (found.st_ino, found.st_mtime_ns, found.st_size)
            if identity != self._seen:
                self._see(identity, self._read(found, now.wall), now)
        sighting = self._sighting
        return sighting.pause if sighting is not None and sighting.active(now) else None

    def _see(self, identity: object, pause: Pause, now: Instant) -> None:
        if identity != self._seen:
            self._seen, self._sighting = identity, Sighting.of(pause, now)

    def _read(self, found: os.stat_result, now: float) -> Pause:
        made = min(found.st_mtime, now)
        if not stat.S_ISREG(found.st_mode):
            return damaged(made, f"{self.path} is no file")
        try:
            with self.path.open("rb") as stream:
                content = stream.read(LARGEST + 1)
        except OSError as error:
            return damaged(made, f"{self.path}: {error.strerror}")
        if len(content) > LARGEST:
            return damaged(made, f"{self.path} has more than {LARGEST} bytes")
        return read(content, made, now)


def put(data_dir: Path, pause: Pause, at: float) -> None:
    """Write the file in one step: a reader finds the old one or the new one. OSError where it cannot be."""
    handle, name = tempfile.mkstemp(prefix=f".{FILE_NAME}-", dir=data_dir)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(write(pause, at))
            os.fchmod(stream.fileno(), _MODE)
        Path(name).replace(data_dir / FILE_NAME)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def remove(data_dir: Path) -> None:
    """Remove the file, if there is one. OSError where it cannot be."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)
