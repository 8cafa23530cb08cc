"""Figures as a person reads them, three digits that mean something and the unit; None is said as not measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prober.outcome import Suite, Verdict
from prober.publish.printable import length, printable

# The status page speaks in these words too, and the web process does without the megabytes of pydantic.
if TYPE_CHECKING:
    from prober.guide.judgement import RowVerdict
    from prober.suites.results import Results

NOT_MEASURED = "not measured"
NO_VERDICT = "no verdict"

_TITLES: Mapping[Suite, str] = {
    Suite.WEBHOOK_LOAD: "webhook load",
    Suite.VENDOR_RACE: "vendor race",
    Suite.REDIS_FAILURE: "Redis drill",
    Suite.DB_RESTART: "database drill",
}
# Worst first: what a tired reader has to see.
SEVERITY: Mapping[Verdict | None, int] = {
    Verdict.CRITICAL: 0,
    Verdict.WARNING: 1,
    None: 2,
    Verdict.GOOD: 3,
    Verdict.EXCELLENT: 4,
}


def title(results: Results) -> str:
    """What was run: `webhook load, moderate`."""
    return f"{_TITLES[results.suite]}, {printable(results.scenario)}"


def verdict_word(verdict: Verdict | None) -> str:
    """The verdict, or that there is none."""
    return NO_VERDICT if verdict is None else str(verdict)


def to_do(row: RowVerdict) -> str:
    """What the guide says to do; empty where it says "N/A"."""
    return "" if row.action is None or row.action == "N/A" else row.action


def seconds(value: float | None) -> str:
    """A length of time: `0.42 ms`, `12.3 ms`, `1.23 s`, `2 min 05 s`."""
    if value is None:
        return NOT_MEASURED
    if abs(value) >= 60:
        return f"-{length(-value)}" if value < 0 else length(value)
    if round(abs(value), 4) >= 1:
        return f"{_digits(value)} s"
    return f"{_digits(value * 1000)} ms"


def share(value: float | None) -> str:
    """A rate 0..1 in percent; what is not quite none or all is never rounded to it."""
    if value is None:
        return NOT_MEASURED
    if value in (0, 1):
        return f"{value * 100:.0f} %"
    percent = value * 100
    apart = min(abs(percent), abs(100 - percent))
    if apart < 0.0001:
        return f"{'under 0.0001' if percent < 50 else 'over 99.9999'} %"
    places = min(4, max(1, 1 - math.floor(math.log10(apart))))
    return f"{percent:.{places}f}".rstrip("0").rstrip(".") + " %"


def count(value: int | None) -> str:
    """A whole number with its thousands apart."""
    return NOT_MEASURED if value is None else f"{value:,}"


def number(value: float | None) -> str:
    """Three digits."""
    return NOT_MEASURED if value is None else _digits(value)


def per_second(value: float | None) -> str:
    """A rate in time: `512 /s`."""
    return NOT_MEASURED if value is None else f"{_digits(value)} /s"


def size(value: int | None) -> str:
    """Bytes as `123 MiB`."""
    if value is None:
        return NOT_MEASURED
    left, units = float(value), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    for larger in units:
        if abs(left) < 1024:
            break
        left, unit = left / 1024, larger
    return f"{_digits(left)} {unit}"


def counted(kinds: Mapping[str, int]) -> str:
    """`timeout 3, reset 1`, the most frequent first; `none` when there is nothing."""
    seen = sorted(((n, kind) for kind, n in kinds.items() if n), key=lambda one: (-one[0], one[1]))
    return ", ".join(f"{printable(str(kind))} {n:,}" for n, kind in seen) or "none"


def yes(value: bool | None) -> str:
    """A truth as a word."""
    return NOT_MEASURED if value is None else "yes" if value else "no"


def _digits(value: float) -> str:
    """Three significant digits, no exponent, thousands apart."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    shown = f"{value:,.{min(places, 6)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
