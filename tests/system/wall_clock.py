"""The wall clock of one process, for tests to set."""

from __future__ import annotations

from pathlib import Path


def libfaketime() -> Path | None:
    """The library that sets it, where it is installed."""
    # The one for several threads: the journal writes in one of its own.
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


def wall_only(library: Path, **setting: str) -> dict[str, str]:
    """The environment of a process whose wall clock is set, and whose monotonic clocks stay what they are."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",  # its name in older versions
        **setting,
    }


class WallClock:
    """The wall clock of one process, by libfaketime; its monotonic clocks stay what they are."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.environment = wall_only(library, FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_CACHE_DURATION="1")
        self.step(0.0)

    def step(self, offset: float) -> None:
        """Set it `offset` seconds off; at once, for every thread."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{offset:+.0f}", encoding="ascii")
        draft.replace(self._file)
