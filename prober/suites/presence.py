"""Which suite runs with a data_dir: one at a time, told by a lock that ends with the process that holds it.

Two at once would measure each other; and to a daemon, a clean-up or the next suite the lock says whether what
a suite has in the target still belongs to a living one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prober.clock import Instant
from prober.flock import FileLock, peek
from prober.outcome import Suite

FOLDER = "suites"
# What a run has found so far, for the case that it does not come to its end (`race/found.py`).
FOUND = ".found"
FILE_NAME = "running.lock"
# Whoever looks holds it shared for a moment: it is tried again for this long (seconds).
PATIENCE = 2.0
STEP = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSuite:
    """A suite that runs. Without `suite`: somebody holds the lock who did not say more."""

    suite: Suite | None = None
    scenario: str = ""
    run_id: str = ""
    began_wall: float | None = None

    def __str__(self) -> str:
        return "another suite" if self.suite is None else f"{self.suite} {self.scenario} ({self.run_id})"


def found_file(folder: Path, run_id: str) -> Path:
    """Where a run writes down what it finds as it goes."""
    return folder / f"{run_id}{FOUND}"


class AnotherRunsError(Exception):
    """A suite runs with this data_dir already; the text says which."""


@contextmanager
def present(
    data_dir: Path, suite: Suite, scenario: str, run_id: str, at: Instant, *, patience: float = PATIENCE
) -> Iterator[None]:
    """Be the one suite of this data_dir. AnotherRunsError where there is one, OSError for what the disk does."""
    lock = FileLock(data_dir / FOLDER / FILE_NAME)
    said = json.dumps({"suite": suite, "scenario": scenario, "run_id": run_id, "wall": at.wall}).encode()
    until = time.monotonic() + patience
    while (held := lock.take(said + b"\n")) is not None:
        if time.monotonic() >= until:
            raise AnotherRunsError(f"{_read(held)} runs with this data_dir; two at once would measure each other")
        time.sleep(STEP)
    try:
        yield
    finally:
        lock.release()


def running_suite(data_dir: Path) -> RunningSuite | None:
    """The suite that runs with this data_dir; None where none does. OSError for what the disk does."""
    held = peek(data_dir / FOLDER / FILE_NAME)
    return None if held is None else _read(held)


def suite_lives(data_dir: Path) -> bool:
    """Whether a suite runs with this data_dir; where that cannot be looked at, one may."""
    try:
        return running_suite(data_dir) is not None
    except OSError:
        return True


def _read(content: bytes) -> RunningSuite:
    try:
        document = json.loads(content)
        return RunningSuite(
            suite=Suite(document["suite"]),
            scenario=str(document["scenario"]),
            run_id=str(document["run_id"]),
            began_wall=float(document["wall"]),
        )
    except (ValueError, KeyError, TypeError):
        return RunningSuite()
