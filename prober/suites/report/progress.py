"""How far a long run is: a bar that is drawn over itself on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import Literal, TextIO

from prober.publish.printable import length, printable

EVERY = 5.0  # seconds between two plain lines
REDRAW = 0.1  # seconds between two drawings of a bar
_BAR = 24  # characters

Unit = Literal["seconds", "races", "messages"]


def line(done: float, total: float, unit: Unit, text: str) -> str:
    """What a log shows: `25 % (15.0 s of 1 min 00 s): 120 sent`."""
    part = min(1.0, max(0.0, done / total)) if total > 0 else 1.0
    said = f": {printable(text)}" if text else ""
    return f"{int(part * 100):3d} % ({_how_far(done, total, unit)}){said}"


def bar(done: float, total: float, unit: Unit, text: str, columns: int) -> str:
    """What a terminal shows, cut at its width."""
    part = min(1.0, max(0.0, done / total)) if total > 0 else 1.0
    full = int(part * _BAR)
    drawn = f"[{'█' * full}{'·' * (_BAR - full)}] {line(done, total, unit, text)}"
    return drawn if len(drawn) < columns else f"{drawn[: max(1, columns - 2)]}…"


def _how_far(done: float, total: float, unit: Unit) -> str:
    if unit == "seconds":
        return f"{length(done)} of {length(total)}"
    return f"{done:.0f} of {total:.0f} {unit}"


class Progress:
    """Tells how far a run is; `total` in seconds, or in what `unit` counts.

    `at` may be called as often as one likes; it draws at most ten times a second on a terminal, and writes at most
    every five seconds elsewhere. `now` is monotonic seconds. A stream that is gone is no reason to stop a run.
    """

    def __init__(self, total: float, stream: TextIO, *, unit: Unit = "seconds") -> None:
        self._total, self._stream, self._unit = total, stream, unit
        self._terminal = stream.isatty()
        self._last: float | None = None
        self._drawn = False

    def at(self, done: float, text: str = "", *, now: float | None = None) -> None:
        """Say how far it is, and what is going on, in a few words."""
        moment = time.monotonic() if now is None else now
        if self._last is not None and moment - self._last < (REDRAW if self._terminal else EVERY):
            return
        self._last = moment
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{bar(done, self._total, self._unit, text, columns)}")
            self._drawn = True
        else:
            self._write(f"{line(done, self._total, self._unit, text)}\n")

    def end(self) -> None:
        """Take the bar away, so that what is printed next begins on an empty line."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._terminal = False
