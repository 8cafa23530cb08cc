"""Durations, sizes and rates as people write them in a config: `10s`, `64KiB`, `200/1m`.

Each has a pure `parse_…` (text in, number out, ValueError with a sentence) and a `format_…` that prints what
`parse_…` reads back, and an annotated type for pydantic models, on which defaults are plain numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_ALMOST = re.compile(r"(?P<count>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>[a-z]+)", re.ASCII)
_UNIT_WORDS = {
    "d day days": "d",
    "h hr hrs hour hours": "h",
    "m min mins minute minutes": "m",
    "s sec secs second seconds": "s",
    "ms msec msecs millisecond milliseconds": "ms",
}
_LONGEST = 10 * 365 * _MILLISECONDS["d"]
DURATION_UNITS = ", ".join(reversed(_MILLISECONDS))

_BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_SIZE = re.compile(r"(\d+)([A-Za-z]+)", re.ASCII)
_LARGEST = 1 << 60
SIZE_UNITS = ", ".join(_BYTES)

_RATE = re.compile(r"(\d+)/(.+)", re.ASCII)
_BARE = re.compile(r"[-+]?\d+(?:\.\d+)?", re.ASCII)


def parse_duration(text: str) -> float:
    """Read `20ms`, `10s`, `1h30m` as seconds; each unit at most once, the largest first."""
    parts = _DURATION.fullmatch(text)
    if text and parts:
        total = sum(
            int(count) * size
            for count, size in zip(parts.groups(), _MILLISECONDS.values(), strict=True)
            if count is not None and len(count) < 20
        )
        if any(len(count) >= 20 for count in parts.groups() if count) or total > _LONGEST:
            raise ValueError("expected a duration of at most 3650d")
        return total / 1000
    if _BARE.fullmatch(text):
        raise ValueError(f"expected a duration with its unit ({DURATION_UNITS}); write {_with_unit(text)}")
    raise ValueError(
        f"expected a duration such as 500ms, 10s or 1h30m (units: {DURATION_UNITS}; whole numbers, "
        f"the largest unit first){_did_you_mean(text)}"
    )


def format_duration(seconds: float) -> str:
    """Print seconds so that `parse_duration` reads them back; finer than a millisecond is rounded."""
    left = round(seconds * 1000)
    parts = []
    for unit, size in _MILLISECONDS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _with_unit(number: str) -> str:
    """What a number without a unit probably meant: seconds."""
    seconds = abs(float(number))
    return format_duration(seconds) if 0 < seconds < _LONGEST / 1000 else "10s"


def _did_you_mean(text: str) -> str:
    """`1.5h`, `10 s` and `10sec` are durations for people."""
    parts = _ALMOST.fullmatch(text.strip().lower())
    if not parts:
        return ""
    unit = next((unit for words, unit in _UNIT_WORDS.items() if parts["unit"] in words.split()), None)
    seconds = float(parts["count"]) * _MILLISECONDS[unit] / 1000 if unit else 0
    return f"; did you mean {format_duration(seconds)}?" if 0.001 <= seconds <= _LONGEST / 1000 else ""


def parse_size(text: str) -> int:
    """Read `64KiB` or `500MB` as bytes."""
    parts = _SIZE.fullmatch(text)
    if parts:
        count, unit = parts.groups()
        if unit not in _BYTES:
            close = [known for known in _BYTES if known.lower() == unit.lower()]
            hint = f"; did you mean {count}{close[0]}?" if close else ""
            raise ValueError(f"expected a size in one of the units {SIZE_UNITS}{hint}")
        if len(count) >= 20 or int(count) * _BYTES[unit] > _LARGEST:
            raise ValueError("expected a size of at most 1048576TiB")
        return int(count) * _BYTES[unit]
    if _BARE.fullmatch(text):
        whole = text.lstrip("+-").split(".")[0][:18]
        raise ValueError(f"expected a size with its unit ({SIZE_UNITS}); write {whole}MB or {whole}B")
    raise ValueError(f"expected a size such as 64KiB or 500MB (units: {SIZE_UNITS})")


def format_size(size: int) -> str:
    """Print bytes in the largest unit that divides them, so that `parse_size` reads them back."""
    for unit, bytes_ in sorted(_BYTES.items(), key=lambda item: -item[1]):
        if size and size % bytes_ == 0:
            return f"{size // bytes_}{unit}"
    return "0B"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds: `200/1m` is `Rate(200, 60.0)`."""

    count: int
    per_seconds: float

    def __str__(self) -> str:
        return f"{self.count}/{format_duration(self.per_seconds)}"


def parse_rate(text: str) -> Rate:
    """Read `200/1m` or `10/s`."""
    parts = _RATE.fullmatch(text)
    if not parts:
        example = f"; write {text}/1m or {text}/1s" if text.isascii() and text.isdigit() else ""
        raise ValueError(f"expected a rate: a count, a slash and a duration, such as 200/1m or 10/s{example}")
    count, per = parts.groups()
    if len(count) >= 10 or int(count) == 0:
        raise ValueError("expected a rate of at least 1 and less than a thousand million")
    seconds = parse_duration(f"1{per}" if per in _MILLISECONDS else per)
    if seconds == 0:
        raise ValueError("expected a rate over more than 0s")
    return Rate(int(count), seconds)


T = TypeVar("T")


def _reader(parse: Callable[[str], T]) -> BeforeValidator:
    """Parse what a YAML file held: a bare number has lost its unit, anything but text is no unit at all."""

    def read(value: object) -> T:
        text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        try:
            return parse(text)
        except ValueError as error:
            raise _fault(str(error)) from None

    return BeforeValidator(read)


def _fault(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("unit", "{sentence}", {"sentence": sentence})


Duration = Annotated[float, _reader(parse_duration), PlainSerializer(format_duration, return_type=str)]
"""Seconds, at least 0, written as `10s`."""

Size = Annotated[int, _reader(parse_size), PlainSerializer(format_size, return_type=str)]
"""Bytes, written as `64KiB`."""

RateField = Annotated[Rate, _reader(parse_rate), PlainSerializer(str, return_type=str)]
"""A `Rate`, written as `200/1m`."""


def span(least: str, most: str = "3650d") -> AfterValidator:
    """Bound a `Duration`; both ends are allowed."""
    low, high = parse_duration(least), parse_duration(most)

    def check(seconds: float) -> float:
        if not low <= seconds <= high:
            raise _fault(f"expected a duration from {least} to {most}")
        return seconds

    return AfterValidator(check)


def at_least(least: str) -> AfterValidator:
    """Bound a `Size` from below; the end is allowed."""
    low = parse_size(least)

    def check(size: int) -> int:
        if size < low:
            raise _fault(f"expected a size of at least {least}")
        return size

    return AfterValidator(check)
