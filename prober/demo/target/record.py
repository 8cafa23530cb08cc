"""The target's own honest record of what it did: what tests compare the prober with.

Each process appends JSON lines to a file of its own with one write(2) an event, so that a line survives the
process that wrote it. Reading merges the files. Times: `mono` CLOCK_MONOTONIC (one for all processes of the
machine), `wall` Unix time, both in seconds.
"""

from __future__ import annotations

import heapq
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """What an entry is about."""

    REQUEST = "request"  # an HTTP request: arrival, status answered (null: never)
    ACCEPTED = "accepted"  # a message answered 200 as new; `stored`: database, redis
    REPEATED = "repeated"  # a message answered 200 as a repeat of its sid, or of its idempotency key
    PROCESSED = "processed"  # its rows are committed
    # A job found nothing to do: the answer to its own commit was lost, or another job of the message was first.
    FOUND = "found"
    SKIPPED = "skipped"  # a repeat or a claimed message was marked skipped
    LOST = "lost"  # answered 200 and given up, with the reason: a fault, or a switch that is off
    DECISION = "decision"  # what an accept was told, and why
    REPLY = "reply"  # a WhatsApp message was "sent"
    OFFER = "offer"  # route-to-vendors "wrote" to a vendor
    STATE = "state"  # faults and switches as they are from now on
    WORKER = "worker"  # a worker process started or ended


class RecordWriter:
    """Appends to the record of one process."""

    def __init__(self, directory: Path, who: str, generation: int) -> None:
        self._directory = directory
        self._who = who
        self._pid = os.getpid()
        self._file = -1
        self.begin(generation)

    def begin(self, generation: int) -> None:
        """Go on in the file of this generation; those before are no longer part of the record."""
        name = self._directory / f"{generation:06d}-{self._who}-{self._pid}.jsonl"
        file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file = file

    def write(self, kind: Kind, *, mono: float | None = None, wall: float | None = None, **what: Any) -> None:
        """Write one entry; without times it is now."""
        entry = {
            "kind": kind,
            "mono": time.monotonic() if mono is None else mono,
            "wall": time.time() if wall is None else wall,
            "pid": self._pid,
            **what,
        }
        os.write(self._file, json.dumps(entry, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
        self._file = -1


class RecordReader:
    """Merges the files of all processes; counts incrementally."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._offsets: dict[Path, int] = {}
        self._counts: Counter[str] = Counter()
        self._generation = 0

    def entries(self, generation: int, kind: Kind | None, since: float, limit: int) -> list[dict[str, Any]]:
        """At most `limit` entries after `since` (monotonic seconds, exclusive), oldest first."""
        found = (
            entry
            for path in self._files(generation)
            for entry in _lines(path)
            if entry["mono"] > since and (kind is None or entry["kind"] == kind)
        )
        return heapq.nsmallest(limit, found, key=lambda entry: entry["mono"])

    def summary(self, generation: int) -> dict[str, int]:
        """How many entries of each kind there are."""
        if generation != self._generation:
            self._generation = generation
            self._offsets.clear()
            self._counts.clear()
        for path in self._files(generation):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._counts[json.loads(line)["kind"]] += 1
                    self._offsets[path] = self._offsets.get(path, 0) + len(line)
        return {kind: self._counts[kind] for kind in Kind}

    def remove_before(self, generation: int) -> None:
        """Delete the files of earlier generations."""
        for path in self._directory.glob("*.jsonl"):
            if int(path.name.split("-", 1)[0]) < generation:
                path.unlink(missing_ok=True)

    def _files(self, generation: int) -> list[Path]:
        return sorted(self._directory.glob(f"{generation:06d}-*.jsonl"))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # a line being written is read next time
                yield json.loads(line)
