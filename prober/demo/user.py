"""Whom a server runs as, and whether that user can get at what the server needs."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class ServerError(RuntimeError):
    """A server could not be started, stopped or reached; the message says what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a server runs as."""

    uid: int
    gid: int
    name: str


def unprivileged_user() -> User | None:
    """Tell whom servers that refuse to be root run as: `nobody` under root, None (ourselves) otherwise.

    initdb insists on an entry in the user database, so a bare number would not do.
    """
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "daemon"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return User(entry.pw_uid, entry.pw_gid, name)
    raise ServerError("this server refuses to run as root, and there is neither a user `nobody` nor `daemon`")


def obstacle(path: Path, user: User | None) -> Path | None:
    """Find the first directory on the way to `path` (itself included) that `user` may not enter."""
    path = path.resolve()
    for place in (*reversed(path.parents), path):
        status = place.stat()
        if user is None:
            allowed = os.access(place, os.X_OK)
        elif status.st_uid == user.uid:
            allowed = bool(status.st_mode & 0o100)
        else:
            allowed = bool(status.st_mode & (0o010 if status.st_gid == user.gid else 0o001))
        if not allowed:
            return place
    return None


def make_directory(directory: Path) -> None:
    """Make a directory, and those above it that are missing, so that any user may enter but not list it."""
    for place in (*reversed(directory.parents), directory):
        if not place.exists():
            place.mkdir()
            place.chmod(0o711)  # whatever the umask


def public_parent() -> Path:
    """Find a place for temporary directories that `unprivileged_user` can enter."""
    user = unprivileged_user()
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - random names inside
        if parent.is_dir() and os.access(parent, os.W_OK) and obstacle(parent, user) is None:
            return parent.resolve()
    raise ServerError(f"no temporary directory that {user.name if user else 'we'} can enter; set TMPDIR to one")


def copy_for(base: Path, user: User | None, parts: Sequence[str], into: Path) -> Path:
    """Tell below which directory `user` can run a program: `base`, or `into` with a copy of its `parts`.

    A virtual environment below /root is closed to others, and we do not change rights of what is not ours.
    `parts` are directories relative to `base`; those that are not there are left out.
    """
    present = [part for part in parts if (base / part).is_dir()]
    if all(obstacle(base / part, user) is None for part in present):
        return base
    for part in present:
        if not (into / part).exists():
            _copy_openly(base / part, into / part)
    return into


def _copy_openly(directory: Path, copy: Path) -> None:
    make_directory(copy.parent)
    incoming = copy.with_name(f"{copy.name}.incoming")
    shutil.copytree(directory, incoming, symlinks=True)
    for place in (incoming, *incoming.rglob("*")):
        if not place.is_symlink():
            place.chmod(0o755 if place.is_dir() or place.stat().st_mode & 0o100 else 0o644)
    incoming.rename(copy)
