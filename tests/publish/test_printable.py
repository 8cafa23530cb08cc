"""Nothing that a stranger writes moves a cursor, turns the direction of writing, or makes a line of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.publish.printable import length, printable, utc


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 中文", "plain, naïve, 中文"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("evil\u202etxt.exe", r"evil\u202etxt.exe"),
        ("a\u2028b\0", r"a\u2028b\x00"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_it_is_one_printable_line_and_stays_so(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0004, "0.4 ms"),
        (0.5, "500.0 ms"),
        (12.34, "12.3 s"),
        (61, "1 min 01 s"),
        (7500, "2 h 05 min"),
        (277_200, "3 d 5 h"),
        (float("inf"), "for ever"),
    ],
)
def test_lengths(seconds: float, said: str) -> None:
    assert length(seconds) == said


def test_moments() -> None:
    assert utc(1_800_000_000.6789) == "2027-01-15 08:00:00.678 UTC"
    assert utc(1e30) == "1e+30 s after 1970"


@given(st.floats())
def test_every_number_is_a_moment_or_said_to_be_none(wall: float) -> None:
    assert utc(wall)
    assert length(wall)
