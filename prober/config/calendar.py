"""The types of config values that are about the calendar: moments, time zones and cron expressions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from prober.config.fields import fault


def parse_moment(value: object) -> float:
    """Read `2026-11-25T03:00:00Z` or `2026-11-25T04:00+01:00` as Unix time."""
    expected = "expected a moment with its time zone, such as 2026-11-25T03:00:00Z or 2026-11-25T04:00+01:00"
    if isinstance(value, float):
        return value  # a default, or what was read before
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 2000 <= found.year < 3000:
        raise fault(expected)
    return found.timestamp()


def format_moment(wall: float) -> str:
    """Print a Unix time so that `parse_moment` reads it back, to the second where it is whole."""
    return datetime.fromtimestamp(wall, UTC).isoformat().replace("+00:00", "Z")


Moment = Annotated[float, BeforeValidator(parse_moment), PlainSerializer(format_moment, return_type=str)]
"""Unix time in seconds, written as RFC 3339 says."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise fault("expected the name of a time zone, such as Europe/Berlin, Asia/Kathmandu or UTC") from None
    return name


Zone = Annotated[str, AfterValidator(_zone)]
"""The name of a time zone that this machine knows."""
