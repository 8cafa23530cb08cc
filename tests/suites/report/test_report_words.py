"""Figures as words, and how far a run is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.suites.report.progress import EVERY, Progress, bar, line
from prober.suites.report.wording import count, counted, seconds, share, size


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "not measured"),
        (0.0, "0 ms"),
        (0.00042, "0.42 ms"),
        (0.0123, "12.3 ms"),
        (0.99996, "1 s"),
        (1.234, "1.23 s"),
        (12.0, "12 s"),
        (125.0, "2 min 05 s"),
        (-0.002, "-2 ms"),
    ],
)
def test_a_length_has_three_digits_and_its_unit(value: float | None, said: str) -> None:
    assert seconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.0426, "4.3 %"), (0.99996, "99.996 %"), (0.000667, "0.067 %")],
)
def test_a_share_is_said_in_percent(value: float, said: str) -> None:
    assert share(value) == said


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_what_is_not_quite_none_or_all_is_never_said_to_be(value: float) -> None:
    assert share(value) not in ("0 %", "100 %")


def test_sizes_counts_and_kinds() -> None:
    assert size(123 << 20) == "123 MiB"
    assert size(0) == "0 B"
    assert count(12345) == "12,345"
    assert counted({"reset": 1, "timeout": 3, "none": 0}) == "timeout 3, reset 1"
    assert counted({}) == "none"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_than_on_a_terminal_a_line_is_written_every_few_seconds() -> None:
    stream = io.StringIO()
    progress = Progress(60, stream)
    for moment in range(61):
        progress.at(moment, f"{moment} sent", now=float(moment))
    progress.end()
    written = stream.getvalue().splitlines()
    assert len(written) == 60 / EVERY + 1
    assert written[3] == " 25 % (15.0 s of 1 min 00 s): 15 sent"
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_a_bar_is_drawn_over_itself_and_taken_away() -> None:
    stream = Terminal()
    with Progress(50, stream, unit="races") as progress:
        progress.at(10, "9 one_winner", now=0.0)
        progress.at(11, "too soon", now=0.01)
        progress.at(25, "24 one_winner", now=1.0)
    drawn = stream.getvalue().split("\r\x1b[K")
    assert drawn[0] == drawn[-1] == ""
    assert ["10 of 50 races" in drawn[1], "25 of 50 races" in drawn[2], len(drawn)] == [True, True, 4]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.text(), st.integers(10, 300))
def test_a_bar_never_leaves_its_line(done: float, total: float, text: str, columns: int) -> None:
    drawn = bar(done, total, "seconds", text, columns)
    assert len(drawn) < columns or columns < 3
    assert drawn.isprintable()
    assert "\n" not in line(done, total, "seconds", text)


def test_a_stream_that_is_gone_does_not_stop_a_run() -> None:
    stream = io.StringIO()
    stream.close()
    gone = Progress.__new__(Progress)
    gone.__init__(10, Terminal())  # type: ignore[misc]
    gone._stream = stream
    gone.at(5, "still going", now=1.0)
