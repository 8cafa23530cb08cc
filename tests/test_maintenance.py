"""Maintenance windows: when one is open, to the second, also where the clocks are changed."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.maintenance import Active, Once, Recurring, Window, active, check_cron, next_change

HOUR = 3600.0


def wall(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def weekly(cron: str = "0 3 * * SUN", zone: str = "Europe/Berlin", hours: float = 2.0) -> Recurring:
    return Recurring(cron=cron, zone=zone, duration=hours * HOUR, reason="vacuum")


# In Berlin the clocks go from 02:00 (+01:00) to 03:00 (+02:00) on 2026-03-29, and from 03:00 (+02:00) back to
# 02:00 (+01:00) on 2026-10-25; both are Sundays. In UTC: what the window spans.
WINDOWS = [
    ("0 3 * * SUN", "Europe/Berlin", 2, "2026-03-22T02:00Z", "2026-03-22T04:00Z"),  # winter
    ("0 3 * * SUN", "Europe/Berlin", 2, "2026-04-05T01:00Z", "2026-04-05T03:00Z"),  # summer
    ("0 3 * * SUN", "Europe/Berlin", 2, "2026-03-29T01:00Z", "2026-03-29T03:00Z"),  # 03:00 is the hour after
    ("0 3 * * SUN", "Europe/Berlin", 2, "2026-10-25T02:00Z", "2026-10-25T04:00Z"),
    ("30 2 * * *", "Europe/Berlin", 1, "2026-03-29T01:30Z", "2026-03-29T02:30Z"),  # does not exist: an hour after
    ("30 2 * * *", "Europe/Berlin", 0.1, "2026-03-29T01:30Z", "2026-03-29T01:36Z"),
    ("30 2 * * *", "Europe/Berlin", 20, "2026-03-29T01:30Z", "2026-03-29T21:30Z"),
    ("30 1 * * *", "Europe/Berlin", 3, "2026-03-29T00:30Z", "2026-03-29T03:30Z"),  # lasts as time passes
    ("30 2 * * *", "Europe/Berlin", 2, "2026-10-25T00:30Z", "2026-10-25T03:30Z"),  # comes twice: both, joined
    ("30 2 * * *", "Europe/Berlin", 0.5, "2026-10-25T00:30Z", "2026-10-25T01:00Z"),  # … or apart
    ("30 2 * * *", "Europe/Berlin", 0.5, "2026-10-25T01:30Z", "2026-10-25T02:00Z"),
    ("0 3 * * *", "Asia/Kathmandu", 1, "2026-07-01T21:15Z", "2026-07-01T22:15Z"),
    ("0 22 * * FRI", "America/New_York", 60, "2026-05-02T02:00Z", "2026-05-04T14:00Z"),
    ("0 0 1 * *", "UTC", 24, "2026-02-01T00:00Z", "2026-02-02T00:00Z"),
    ("0 12 29 2 *", "UTC", 1, "2028-02-29T12:00Z", "2028-02-29T13:00Z"),
]


@pytest.mark.parametrize(("cron", "zone", "hours", "begins", "ends"), WINDOWS)
def test_opens_and_closes_to_the_second(cron: str, zone: str, hours: float, begins: str, ends: str) -> None:
    windows = [weekly(cron, zone, hours)]
    opened, closed = wall(begins), wall(ends)
    inside = Active(closed, "vacuum")
    assert active(windows, opened - 1) is None
    assert next_change(windows, opened - 1) == opened
    assert active(windows, opened) == inside
    assert active(windows, (opened + closed) / 2) == inside
    assert active(windows, closed - 0.001) == inside
    assert next_change(windows, closed - 0.001) == closed
    assert active(windows, closed) is None


def test_one_window_once() -> None:
    window = Once(begins=100.0, ends=200.0, reason="move")
    assert [active([window], now) for now in (99.9, 100.0, 199.9, 200.0)] == [
        None,
        Active(200.0, "move"),
        Active(200.0, "move"),
        None,
    ]
    assert next_change([window], 50.0) == 100.0
    assert next_change([window], 150.0) == 200.0
    assert next_change([window], 200.0) == math.inf


def test_windows_that_join_are_one_and_the_longest_gives_the_reason() -> None:
    windows = [
        Once(begins=100.0, ends=200.0, reason="first"),
        Once(begins=150.0, ends=300.0, reason="second"),
        Once(begins=300.0, ends=400.0, reason="third"),
        Once(begins=500.0, ends=600.0, reason="apart"),
    ]
    assert active(windows, 120.0) == Active(400.0, "first")
    assert active(windows, 160.0) == Active(400.0, "second")
    assert next_change(windows, 400.0) == 500.0


def test_windows_that_never_end_do_not_make_the_question_endless() -> None:
    windows = [weekly("0 0 * * *", "UTC", 24.0), weekly("* * * * *", "UTC", 7 * 24.0)]
    now = wall("2026-01-01T00:00Z")
    for _ in range(5):
        found = active(windows, now)
        assert found is not None
        assert found.until > now
        now = found.until


def test_without_windows_nothing_ever_changes() -> None:
    assert active([], 1.8e9) is None
    assert next_change([], 1.8e9) == math.inf


def first_after(cron: str, since: str) -> str:
    found = next_change([Recurring(cron=cron, zone="UTC", duration=60.0)], wall(since))
    return datetime.fromtimestamp(found, UTC).strftime("%a %d %H:%M")


@pytest.mark.parametrize(
    ("cron", "first"),
    [
        ("0 3 * * 0", "Sun 11 03:00"),  # as in cron; to APScheduler 0 is Monday
        ("0 3 * * 7", "Sun 11 03:00"),
        ("0 3 * * sun", "Sun 11 03:00"),
        ("0 3 * * 1", "Mon 05 03:00"),
        ("0 3 * * MON-FRI", "Mon 05 03:00"),
        ("0 3 * * 5-7", "Fri 09 03:00"),
        ("0 3 * * SAT-MON", "Mon 05 03:00"),
        ("0 3 * * 2,4", "Tue 06 03:00"),
        ("0 3 * * */3", "Wed 07 03:00"),  # Sunday, Wednesday, Saturday
        ("*/20 4 * * *", "Mon 05 04:00"),
        ("0 3 10 JAN *", "Sat 10 03:00"),
    ],
)
def test_reads_cron_as_cron_does(cron: str, first: str) -> None:
    assert first_after(cron, "2026-01-05T00:00Z") == first  # a Monday


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "five fields"),
        ("0 3 * *", "found 4"),
        ("@daily", "five fields"),
        ("60 3 * * *", "maximum value"),
        ("a b * * *", "expected a cron expression"),
        ("0 3 * * 8", "0 to 7"),
        ("0 3 * * MON-", "no day of the week"),
        ("0 3 * * */0", "no day of the week"),
        ("0 3 * * ²", "no day of the week"),
        ("0 3 1 * MON", "write two windows"),
        ("0 3 30 2 *", "no month has"),
        ("0 * * * *", "opens again 1h later"),
        ("0 0,12 1 * *", "opens again 12h later"),
    ],
)
def test_says_what_is_wrong_with_an_expression(cron: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_cron(cron, "UTC", 86_400.0)


words = st.sampled_from(["*", "0", "5", "*/2", "1-3", "mon", "7", ",", "-", "/", "x", "9"])


@given(st.text(max_size=20) | st.lists(words, min_size=5, max_size=5).map(" ".join))
@settings(deadline=None)
def test_any_text_is_read_or_refused_with_a_sentence(cron: str) -> None:
    said = "expected"
    try:
        check_cron(cron, "UTC", 86_400.0)
    except ValueError as error:
        said = str(error)
    assert "expected" in said


CRONS = ["0 3 * * SUN", "30 2 * * *", "0 */6 * * *", "15 23 1,15 * *"]
moments = st.integers(1_700_000_000, 1_900_000_000).map(float)
windows_ = st.lists(
    st.builds(
        Recurring,
        cron=st.sampled_from(CRONS),
        zone=st.sampled_from(
            ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC", "Australia/Lord_Howe"]
        ),
        duration=st.sampled_from([60.0, HOUR, 5.9 * HOUR]),
    )
    | st.builds(lambda at, length: Once(begins=at, ends=at + length), moments, st.floats(1, 1e6)),
    max_size=4,
)


@given(windows_, moments)
@settings(deadline=None)
def test_nothing_changes_before_the_next_change_and_something_does_then(windows: list[Window], now: float) -> None:
    change = next_change(windows, now)
    before = active(windows, now)
    assert change > now
    if change == math.inf:
        return
    for share in (0.25, 0.5, 0.999):
        assert (active(windows, now + (change - now) * share) is None) == (before is None)
    if before is None:
        assert active(windows, change) is not None


@given(windows_, moments)
@settings(deadline=None)
def test_agrees_with_looking_at_every_minute(windows: list[Window], now: float) -> None:
    """The slow way: a window is open if it began within its length before."""
    now -= now % 60
    expected = False
    for window in windows:
        if isinstance(window, Once):
            expected |= window.begins <= now < window.ends
            continue
        zone = ZoneInfo(window.zone)
        for minutes in range(int(window.duration // 60)):
            at = datetime.fromtimestamp(now, UTC) - timedelta(minutes=minutes)
            expected |= begins_at(window.cron, at.astimezone(zone))
    if any(changes_its_clock(w, now) for w in windows):
        return  # what is not on any clock cannot be looked up; the table above has it
    assert (active(windows, now) is not None) == expected


def begins_at(cron: str, local: datetime) -> bool:
    return {
        "0 3 * * SUN": (local.minute, local.hour, local.weekday()) == (0, 3, 6),
        "30 2 * * *": (local.minute, local.hour) == (30, 2),
        "0 */6 * * *": local.minute == 0 and local.hour % 6 == 0,
        "15 23 1,15 * *": (local.minute, local.hour) == (15, 23) and local.day in (1, 15),
    }[cron]


def changes_its_clock(window: Window, now: float) -> bool:
    if isinstance(window, Once):
        return False
    zone, day = ZoneInfo(window.zone), timedelta(days=1)
    at = datetime.fromtimestamp(now, UTC)
    return len({(at + n * day).astimezone(zone).utcoffset() for n in (-1, 0, 1)}) > 1
