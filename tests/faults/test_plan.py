"""The decisions of the proxy: fates and delivery times, for any seed, line and traffic."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.faults.conditions import CLEAR, Conditions, Ending, Line, Moment, changed
from prober.faults.plan import SLICE, Delivery, Direction, Fate, Lot, draw_fate, draws, duration, next_delivery

SEEDS = st.integers(0, 2**64)
NUMBERS = st.integers(1, 10**9)
NOTHING_BEFORE = -math.inf

LATENCIES = st.floats(0, 10)
BANDWIDTHS = st.none() | st.floats(1, 1e9)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    latency = draw(LATENCIES)
    return Line(latency, draw(st.floats(0, latency)), draw(BANDWIDTHS))


# Chunks of one direction: seconds since the one before, where in the jitter it falls, length in pieces.
CHUNKS = st.lists(st.tuples(st.floats(0, 5), st.floats(-1, 1), st.floats(0.001, 20)), min_size=1, max_size=30)
Chunks = list[tuple[float, float, float]]


def size_of(line: Line, pieces: float) -> int:
    return math.ceil(pieces * max(1.0, (line.bandwidth or 1e6) * SLICE))


def run(line: Line, chunks: Chunks) -> list[tuple[float, list[Delivery]]]:
    """All pieces of all chunks as the pipe delivers them when nothing else is in the way, with the arrivals."""
    free, now = NOTHING_BEFORE, 0.0
    delivered = []
    for pause, draw, length in chunks:
        now += pause
        size = size_of(line, length)
        pieces = []
        while size:
            pieces.append(piece := next_delivery(line, now, draw, size, free))
            assert 0 < piece.size <= size
            size -= piece.size
            free = piece.start + duration(line, piece.size)
        delivered.append((now, pieces))
    return delivered


@settings(deadline=None)
@given(lines(), CHUNKS)
def test_the_order_is_kept_and_nothing_leaves_early(line: Line, chunks: Chunks) -> None:
    delivered = run(line, chunks)
    dues = [piece.due for _, pieces in delivered for piece in pieces]
    assert dues == sorted(dues)
    for arrival, pieces in delivered:
        assert all(piece.due >= arrival + line.latency - line.jitter - 1e-9 for piece in pieces)


@settings(deadline=None)
@given(lines(), CHUNKS)
def test_every_delay_is_latency_give_or_take_jitter_however_many_wait(line: Line, chunks: Chunks) -> None:
    line = Line(line.latency, line.jitter)
    for arrival, pieces in run(line, chunks):
        (piece,) = pieces  # without a bandwidth a chunk stays whole
        assert line.latency - line.jitter - 1e-9 <= piece.due - arrival <= line.latency + line.jitter + 1e-9


@settings(deadline=None)
@given(lines(), st.floats(1, 1e6), CHUNKS)
def test_between_two_instants_no_more_passes_than_the_bandwidth_allows(
    line: Line, bandwidth: float, chunks: Chunks
) -> None:
    line = Line(line.latency, line.jitter, bandwidth)
    pieces = [piece for _, pieces in run(line, chunks) for piece in pieces]
    # What holds between two neighbours holds, added up, between any two.
    for before, piece in itertools.pairwise(pieces):
        assert piece.size / bandwidth <= (piece.due - before.due) * (1 + 1e-9) + 1e-9


@settings(deadline=None)
@given(st.floats(100, 1e6), CHUNKS)
def test_a_narrow_line_that_is_kept_busy_is_used_to_the_full(bandwidth: float, chunks: Chunks) -> None:
    line = Line(bandwidth=bandwidth)
    at_once = [(0.0, draw, length) for _, draw, length in chunks]
    total = sum(size_of(line, length) for _, _, length in at_once)
    (_, pieces) = run(line, at_once)[-1]
    assert pieces[-1].due == pytest.approx(total / bandwidth)


@settings(deadline=None)
@given(SEEDS, NUMBERS, st.sampled_from(Direction))
def test_the_same_seed_draws_the_same_delays(seed: int, number: int, direction: Direction) -> None:
    first, second = ([*itertools.islice(draws(seed, number, direction), 20)] for _ in range(2))
    assert first == second
    assert all(-1 <= value <= 1 for value in first)
    other = Direction.UP if direction is Direction.DOWN else Direction.DOWN
    assert first != [*itertools.islice(draws(seed, number, other), 20)]
    assert first != [*itertools.islice(draws(seed, number + 1, direction), 20)]


def test_delays_are_spread_over_the_whole_jitter() -> None:
    drawn = [*itertools.islice(draws(0, 1, Direction.UP), 10_000)]
    tenths = [sum(low <= value < low + 0.2 for value in drawn) for low in (-1 + 0.2 * n for n in range(10))]
    assert all(900 <= tenth <= 1100 for tenth in tenths)


ENDINGS = st.one_of(
    st.builds(Ending, st.floats(0, 0.5)),
    st.builds(Ending, st.floats(0, 0.5), st.just(Moment.ANSWER)),
    st.builds(Ending, st.floats(0, 0.5), st.just(Moment.BYTES), st.integers(1, 10**9)),
    st.builds(Ending, st.floats(0, 0.5), st.just(Moment.SECONDS), st.floats(0, 100)),
)


@settings(deadline=None)
@given(SEEDS, NUMBERS, ENDINGS, ENDINGS)
def test_a_fate_is_one_that_the_conditions_allow(seed: int, number: int, reset: Ending, stall: Ending) -> None:
    conditions = Conditions(reset=reset, stall=stall)
    fate = draw_fate(conditions, seed, number)
    assert fate == draw_fate(conditions, seed, number)
    if fate.lot is Lot.PASS:
        assert fate == Fate()
        return
    ending = reset if fate.lot is Lot.RESET else stall
    assert ending.share > 0
    assert fate.at_answer == (ending.when is Moment.ANSWER)
    expected_bytes = {Moment.ACCEPT: (0, 0), Moment.BYTES: (1, ending.within)}.get(
        ending.when, (math.inf, math.inf)
    )
    assert expected_bytes[0] <= fate.after_bytes <= expected_bytes[1]
    expected_end = ending.within if ending.when is Moment.SECONDS else math.inf
    assert fate.after_seconds <= expected_end
    assert (fate.after_seconds == math.inf) == (ending.when is not Moment.SECONDS)


def test_shares_are_kept_over_many_connections() -> None:
    conditions = changed(CLEAR, {"reset": 0.01, "stall": 0.1})
    lots = [draw_fate(conditions, 7, number).lot for number in range(1, 20_001)]
    assert lots.count(Lot.RESET) == pytest.approx(200, abs=60)
    assert lots.count(Lot.STALL) == pytest.approx(2000, abs=200)
    everyone = changed(CLEAR, {"reset": 0.25, "stall": 0.75})
    assert Lot.PASS not in {draw_fate(everyone, 7, number).lot for number in range(1, 1000)}


@pytest.mark.parametrize(
    ("fate", "direction", "delivered", "allowed"),
    [
        (Fate(), Direction.UP, 10**9, math.inf),
        (Fate(Lot.RESET, after_bytes=0), Direction.UP, 0, 0),
        (Fate(Lot.RESET, after_bytes=100), Direction.UP, 30, 70),
        (Fate(Lot.RESET, after_bytes=100), Direction.DOWN, 100, 0),
        (Fate(Lot.STALL, at_answer=True), Direction.UP, 30, math.inf),
        (Fate(Lot.STALL, at_answer=True), Direction.DOWN, 30, 0),
        (Fate(Lot.STALL, after_seconds=1), Direction.DOWN, 30, math.inf),
    ],
)
def test_how_many_bytes_may_still_pass(fate: Fate, direction: Direction, delivered: int, allowed: float) -> None:
    assert fate.allowance(direction, delivered) == allowed
