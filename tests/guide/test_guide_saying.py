"""Figures in words: short, and never on the other side of an edge."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.guide.breaking_points import measures_of, read
from prober.guide.saying import say
from prober.guide.units import UNITS
from prober.outcome import Measure, Suite, Unit

FACTORS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "%": 0.01, "/s": 1.0, "jobs": 1.0}


@pytest.mark.parametrize(
    ("measure", "value", "text"),
    [
        (Measure.RECOVERY_TIME, 1.234, "1.23 s"),
        (Measure.RECOVERY_TIME, 123.4, "123 s"),
        (Measure.RECOVERY_TIME, 0.0, "0 s"),
        (Measure.LATENCY_P99, 0.0123, "12.3 ms"),
        (Measure.LATENCY_P99, 0.000271, "271 µs"),
        (Measure.LATENCY_P99, 2.0, "2 s"),
        (Measure.LATENCY_P99, 2.0004, "2.0004 s"),
        (Measure.LATENCY_P99, 1.9996, "1.9996 s"),
        (Measure.LATENCY_P99, 0.4999, "499.9 ms"),
        (Measure.WIN_RATE, 1.0, "100 %"),
        (Measure.WIN_RATE, 0.9996, "99.96 %"),
        (Measure.WIN_RATE, 0.992, "99.2 %"),
        (Measure.ERROR_RATE, 0.0, "0 %"),
        (Measure.ERROR_RATE, -0.0, "0 %"),
        (Measure.ERROR_RATE, 0.00004, "0.004 %"),
        (Measure.ERROR_RATE, 1 / 3, "33.3 %"),
        (Measure.RPS, 512.3, "512 /s"),
        (Measure.RPS, 12345.6, "12346 /s"),
        (Measure.RPS, 99.97, "99.97 /s"),
        (Measure.BACKLOG, 1200.0, "1200 jobs"),
        (Measure.BACKLOG, 1200, "1200 jobs"),
        (Measure.BACKLOG, 0, "0 jobs"),
        (Measure.RPS, None, "not measured"),
    ],
)
def test_a_figure_in_words(measure: Measure, value: float | None, text: str) -> None:
    assert say(measure, value) == text


@settings(deadline=None)
@given(st.data())
def test_what_is_said_falls_to_the_same_row(data: st.DataObject) -> None:
    suite = data.draw(st.sampled_from(list(Suite)))
    measure = data.draw(st.sampled_from(measures_of(suite)))
    top = 1.0 if UNITS[measure] is Unit.RATE else 1e300
    value = data.draw(st.one_of(st.floats(0.0, top), st.floats(0.0, 1.0), st.floats(0.0009, 0.0011)))
    number, unit = say(measure, value).split(" ")
    assert re.fullmatch(r"\d+(\.\d*[1-9])?", number)
    said = (
        min(1.0, float(number) * FACTORS[unit]) if UNITS[measure] is Unit.RATE else float(number) * FACTORS[unit]
    )
    assert math.isclose(said, value, rel_tol=0.006) or (
        UNITS[measure] in {Unit.JOBS, Unit.PER_SECOND} and value < 1
    )
    # Back in base units it may be off by the last bit: then it is the edge itself that was said.
    if not math.isclose(said, value, rel_tol=1e-12):
        assert read(suite, measure, said) == read(suite, measure, value)


def test_what_no_measurement_gives_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected"):
        say(Measure.RPS, math.nan)
