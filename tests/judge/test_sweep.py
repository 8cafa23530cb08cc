"""Sweeps: never a run in flight, never what is followed, never evidence before its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.config.model import Config
from prober.daemon.watch import PATIENCE
from prober.judge.sweep import BESIDE_TIMEOUT, Limits, Trace, may_go
from prober.outcome import Leftover
from prober.probes.race import WORK_TIMEOUT

LIMITS = Limits.of(longest_timeout=10.0, deadline=60.0, orphan_age=900.0)
ORDER = Trace(kind=Leftover.ORDERS, own=True, age=0.0)
MESSAGE = Trace(kind=Leftover.MESSAGES, own=True, age=0.0)


@pytest.mark.parametrize(
    ("trace", "goes", "why"),
    [
        (ORDER, False, "in flight"),
        (replace(ORDER, age=70.0), False, "in flight"),
        (replace(ORDER, age=70.1), True, "older than any run"),
        (replace(ORDER, dead=True), True, "dead"),
        (replace(ORDER, dead=True, followed=True, age=9_999.0), False, "runs"),
        (replace(ORDER, own=False, age=900.0), False, "another prober"),
        (replace(ORDER, own=False, age=900.1), True, "orphan_age"),
        (replace(MESSAGE, age=130.0), False, "on its way"),
        (replace(MESSAGE, age=130.1), True, "older than any run"),
        (replace(MESSAGE, dead=True, age=60.0), False, "on its way"),
        (replace(MESSAGE, dead=True, age=60.1), True, "dead"),
        (replace(MESSAGE, dead=True, age=900.0, evidence=True), False, "not settled"),
        (replace(MESSAGE, dead=True, age=900.1, evidence=True), True, "orphan_age"),
        (replace(MESSAGE, age=9_999.0, evidence=True, followed=True), False, "runs"),
        (replace(MESSAGE, own=False, age=899.0), False, "another prober"),
        (replace(MESSAGE, own=False, age=901.0), True, "orphan_age"),
    ],
)
def test_verdicts(trace: Trace, goes: bool, why: str) -> None:
    verdict = may_go(trace, LIMITS)
    assert verdict.goes is goes
    assert why in verdict.why


ages = st.floats(0, 100_000)
traces = st.builds(
    Trace,
    kind=st.sampled_from([Leftover.ORDERS, Leftover.MESSAGES]),
    own=st.booleans(),
    age=ages,
    dead=st.booleans(),
    followed=st.booleans(),
    evidence=st.booleans(),
)


@given(traces)
def test_what_may_be_in_flight_or_is_followed_never_goes(trace: Trace) -> None:
    in_flight = not trace.dead and trace.age <= LIMITS.in_flight
    if in_flight or trace.followed:
        assert not may_go(trace, LIMITS).goes


@given(traces, st.floats(0, 1_000))
def test_nothing_stays_for_ever_and_nothing_comes_back(trace: Trace, older: float) -> None:
    if not trace.followed:
        assert may_go(replace(trace, age=LIMITS.orphan_age + 1 + older), LIMITS).goes
    if may_go(trace, LIMITS).goes:
        assert may_go(replace(trace, age=trace.age + older), LIMITS).goes


def test_no_run_lasts_longer_than_the_time_it_is_given() -> None:
    # It is cut off after its patience, then removes its order and counts what is left.
    assert PATIENCE + 2 * WORK_TIMEOUT < BESIDE_TIMEOUT
    defaults = Config.model_fields["cleanup"].default
    assert defaults.orphan_age == 900.0


limits = st.builds(Limits.of, longest_timeout=ages, deadline=ages, orphan_age=ages)


@given(traces, limits, limits)
def test_what_may_go_by_widened_limits_may_go_by_each(trace: Trace, before: Limits, after: Limits) -> None:
    if may_go(trace, before.widened(after)).goes:
        assert may_go(trace, before).goes
        assert may_go(trace, after).goes
