"""Strangers' texts as one line of a terminal or a ticket: nothing in them can move a cursor or hide."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def printable(text: str) -> str:
    r"""Escape all that is not printable: `\n`, `\x1b`, marks that turn the direction of writing."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def utc(wall: float) -> str:
    """Write Unix time as `2026-01-02 03:04:05.678 UTC`."""
    try:
        moment = datetime.fromtimestamp(wall, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{wall} s after 1970"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def length(seconds: float) -> str:
    """Write seconds as a person would: `0.4 ms`, `12.3 s`, `2 h 05 min`, `3 d 4 h`."""
    if not math.isfinite(seconds):
        return "for ever"
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest:02d} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes:02d} min"
