"""Maintenance windows: times that the config keeps free of writes, by cron or once. Pure: `now` is a value.

APScheduler's CronTrigger is the calendar. A window that would begin in the hour that a change to summer time
leaves out begins an hour later by the clock; one that would begin in the hour that comes twice begins both times.
A window lasts its duration as time passes, not as clocks show it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(?P<whole>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?", re.ASCII)
# So many windows that join are told of as one; the question is asked again when the last of them closes.
_MOST_JOINED = 10
# So many beginnings of a recurring window are looked at to see whether it closes before it opens again.
_LOOKED_AT = 25
_BEFORE_ANY_CHANGE = timedelta(hours=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """One window, by Unix times; `ends` is not part of it."""

    begins: float
    ends: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """A window that begins by a cron expression in a time zone and lasts `duration` seconds."""

    cron: str
    zone: str
    duration: float
    reason: str = ""


Window = Once | Recurring


@dataclass(frozen=True, slots=True)
class Active:
    """A window is open until `until` (Unix time)."""

    until: float
    reason: str


def active(windows: Iterable[Window], now: float) -> Active | None:
    """The window that is open at the Unix time `now`, and until when; windows that join are one."""
    windows = tuple(windows)
    found = _open_at(windows, now)
    if found is None:
        return None
    until = found.until
    for _ in range(_MOST_JOINED):
        following = _open_at(windows, until)
        if following is None:
            break
        until = following.until
    return Active(until, found.reason)


def next_change(windows: Iterable[Window], now: float) -> float:
    """The Unix time at which a window opens next, or the one that is open closes; infinite for never."""
    windows = tuple(windows)
    found = active(windows, now)
    return found.until if found is not None else min((_begins(w, now) for w in windows), default=math.inf)


def check_cron(text: str, zone: str, duration: float) -> None:
    """ValueError, with a sentence, for an expression that is none, never comes, or comes again too soon."""
    trigger(text, zone)
    begins = _fire(text, zone, datetime(2024, 1, 1, tzinfo=UTC)) or 0.0
    for _ in range(_LOOKED_AT):
        again = _fire(text, zone, datetime.fromtimestamp(begins + 1, UTC))
        if again is None:
            return
        if again < begins + duration:
            raise ValueError(
                "expected a window that closes before it opens again, found one that opens again "
                f"{_gap(again - begins)} later; give it a longer duration and fewer beginnings"
            )
        begins = again


def trigger(cron: str, zone: str) -> CronTrigger:
    """The calendar of a cron expression. ValueError, with a sentence, for one that is none or never comes."""
    if _fire(cron, zone, datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise ValueError("expected a time that comes, found one on a day that no month has")
    return _trigger(cron, zone)


def _gap(seconds: float) -> str:
    """How far apart two beginnings are, in the largest unit that divides it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _open_at(windows: Sequence[Window], now: float) -> Active | None:
    """Of the windows open at `now` the one that closes last."""
    ends = [(end, w.reason) for w in windows if (end := _end_at(w, now)) is not None]
    return Active(*max(ends)) if ends else None


def _end_at(window: Window, now: float) -> float | None:
    """When the window that is open at `now` closes; None when it is not open."""
    if isinstance(window, Once):
        return window.ends if window.begins <= now < window.ends else None
    # The first beginning after `now - duration` is the only one that can matter: a later one closes later, and
    # is found when the first has closed.
    since = datetime.fromtimestamp(now, UTC) - timedelta(seconds=window.duration) + timedelta(microseconds=1)
    began = _fire(window.cron, window.zone, since)
    return began + window.duration if began is not None and began <= now else None


def _begins(window: Window, now: float) -> float:
    if isinstance(window, Once):
        return window.begins if window.begins > now else math.inf
    began = _fire(window.cron, window.zone, datetime.fromtimestamp(now, UTC))
    return math.inf if began is None else began


def _fire(cron: str, zone: str, since: datetime) -> float | None:
    """The first beginning at or after `since`, as a Unix time."""
    zone_ = ZoneInfo(zone)
    early = since - _BEFORE_ANY_CHANGE
    if early.astimezone(zone_).utcoffset() == since.astimezone(zone_).utcoffset():
        early = since
    # CronTrigger finds a beginning in an hour that is left out only when it is asked before that hour.
    fires = _trigger(cron, zone).get_next_fire_time(None, early)
    while fires is not None and fires.timestamp() < since.timestamp():
        after = datetime.fromtimestamp(fires.timestamp() + 1, UTC)
        fires = _trigger(cron, zone).get_next_fire_time(None, after)
    return None if fires is None else float(fires.timestamp())


@lru_cache(maxsize=256)
def _trigger(cron: str, zone: str) -> CronTrigger:
    parts = cron.split()
    if len(parts) != 5:
        raise ValueError(
            'expected a cron expression of five fields, such as "0 3 * * SUN": minute, hour, day of the month, '
            f"month, day of the week; found {len(parts)}"
        )
    minute, hour, day, month, weekday = (part.lower() for part in parts)
    if day != "*" and weekday != "*":
        raise ValueError(
            "expected * as day of the month or as day of the week; cron would take either of the two, "
            "so write two windows"
        )
    try:
        return CronTrigger(
            minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=ZoneInfo(zone)
        )
    except ValueError as error:
        raise ValueError(f"expected a cron expression: {str(error)[:1].lower()}{str(error)[1:]}") from None


def _weekdays(field: str) -> str:
    """The days of the week by name: to cron 0 and 7 are Sunday, to APScheduler 0 is Monday."""
    days: set[int] = set()
    for item in field.split(","):
        body, _, step = item.partition("/")
        match = _ITEM.fullmatch(body)
        if match is None or (step and not (step.isdigit() and 0 < int(step[:3]) <= 7)):
            raise ValueError(f"{field!r} is no day of the week")
        if match["whole"]:
            first, last = 0, 6
        else:
            first = _weekday(match["first"])
            last = _weekday(match["last"]) if match["last"] else (6 if step else first)
        if last < first:
            last += 7  # FRI-MON
        days |= {day % 7 for day in range(first, last + 1, int(step or 1))}
    return ",".join(_DAYS[day] for day in sorted(days))


def _weekday(name: str) -> int:
    if name in _DAYS:
        return _DAYS.index(name)
    if name.isdigit() and len(name) == 1 and int(name) <= 7:
        return int(name)
    raise ValueError(f"{name!r} is no day of the week: expected SUN to SAT, or 0 to 7")
