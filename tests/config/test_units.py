"""Durations, sizes and rates survive being printed and read again; what is no unit is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.config.units import (
    Rate,
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

TEN_YEARS = 3650 * 86_400_000
milliseconds = st.integers(0, TEN_YEARS)


@given(milliseconds)
@settings(deadline=None)
def test_a_printed_duration_reads_back_exactly(count: int) -> None:
    assert parse_duration(format_duration(count / 1000)) == count / 1000


@given(st.integers(0, 1 << 60))
@settings(deadline=None)
def test_a_printed_size_reads_back_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(1, 999_999_999), st.integers(1, TEN_YEARS))
@settings(deadline=None)
def test_a_printed_rate_reads_back_exactly(count: int, window: int) -> None:
    rate = Rate(count, window / 1000)
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20ms", 0.02),
        ("10s", 10),
        ("5m", 300),
        ("1h", 3600),
        ("30d", 2_592_000),
        ("1h30m", 5400),
        ("0s", 0),
        ("1d2h3m4s5ms", 93_784.005),
        ("90m", 5400),
        ("1m1ms", 60.001),
    ],
)
def test_reads_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("64KiB", 65_536), ("500MB", 500_000_000), ("1kB", 1000), ("0B", 0), ("2GiB", 2 << 30)]
)
def test_reads_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "rate"), [("200/1m", Rate(200, 60)), ("10/s", Rate(10, 1)), ("1/1h30m", Rate(1, 5400))]
)
def test_reads_rates(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("10", "write 10s"),
        ("90", "write 1m30s"),
        ("0.5", "write 500ms"),
        ("0", "write 10s"),
        ("1.5h", "did you mean 1h30m?"),
        ("10 sec", "did you mean 10s?"),
        ("2 Minutes", "did you mean 2m?"),
    ],
)
def test_suggests_the_duration_that_was_meant(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match="expected a duration") as caught:
        parse_duration(text)
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("text", ["", "s", "10s ", "-1s", "1s1h", "1s2s", "1e3s", "٣s", "10S", "infs", "1.s"])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "MB", "5 MB", "-5MB", "1.5MB", "5mb", "5K", "500", "٣B", "9" * 30 + "B"])
def test_refuses_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["", "200", "/1m", "200/", "0/1m", "-1/1m", "200/0s", "1.5/s", "9999999999/s"])
def test_refuses_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a (rate|duration)"):
        parse_rate(text)


def refusal(parse: Callable[[str], object], text: str) -> str | None:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None


@given(st.text(max_size=30) | st.from_regex(r"[0-9.]{1,40}\s?[a-zA-Z/]{0,6}", fullmatch=True))
@settings(deadline=None)
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_rate):
        said = refusal(parse, text)
        assert said is None or said.startswith("expected a ")
