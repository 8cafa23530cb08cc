"""What becomes of a connection, and when a chunk of it is due: pure, and the same for the same seed.

Every draw depends on the seed, the number of the connection and (for delays) its direction alone, so what other
connections do at the same time changes nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from prober.faults.conditions import Conditions, Ending, Line, Moment

SLICE = 0.01  # seconds that a piece may take on a narrow line: so much it comes in bursts


class Direction(StrEnum):
    """Up: from the client to the upstream."""

    UP = "up"
    DOWN = "down"


class Lot(StrEnum):
    """What a connection has drawn."""

    PASS = "pass"  # noqa: S105 - no password
    RESET = "reset"
    STALL = "stall"  # nothing is read or written any more, and it stays open


@dataclass(frozen=True)
class Fate:
    """What becomes of one connection, and when; it may end by itself before."""

    lot: Lot = Lot.PASS
    after_bytes: float = math.inf  # of both directions together
    after_seconds: float = math.inf  # since it was accepted
    at_answer: bool = False

    def allowance(self, direction: Direction, delivered: int) -> float:
        """How many more bytes may pass, once `delivered` have in both directions together."""
        if self.at_answer and direction is Direction.DOWN:
            return 0
        return self.after_bytes - delivered


def draw_fate(conditions: Conditions, seed: int, number: int) -> Fate:
    """Draw what becomes of the connection with this number, counted from 1."""
    if not conditions.reset.share and not conditions.stall.share:
        return Fate()
    source = random.Random(f"{seed}/{number}")  # noqa: S311 - to be repeated, not to be kept secret
    drawn = source.random()
    if drawn < conditions.reset.share:
        return _fate(Lot.RESET, conditions.reset, source)
    if drawn < conditions.reset.share + conditions.stall.share:
        return _fate(Lot.STALL, conditions.stall, source)
    return Fate()


def _fate(lot: Lot, ending: Ending, source: random.Random) -> Fate:
    if ending.when is Moment.BYTES:
        return Fate(lot, after_bytes=source.randint(1, int(ending.within)))
    if ending.when is Moment.SECONDS:
        return Fate(lot, after_seconds=source.uniform(0, ending.within))
    if ending.when is Moment.ANSWER:
        return Fate(lot, at_answer=True)
    return Fate(lot, after_bytes=0)


def draws(seed: int, number: int, direction: Direction) -> Iterator[float]:
    """One number in [-1, 1] for each chunk of one direction of a connection: where in its jitter it falls."""
    source = random.Random(f"{seed}/{number}/{direction}")  # noqa: S311
    while True:
        yield source.uniform(-1, 1)


class Delivery(NamedTuple):
    """The next piece of a line: its first byte sets out at `start`, its last arrives at `due`."""

    size: int
    start: float
    due: float


def next_delivery(line: Line, arrival: float, draw: float, size: int, free: float) -> Delivery:
    """Plan the next piece of a chunk that was read at `arrival` and of which `size` bytes are left.

    `free` is when the line has delivered everything before it. So a chunk is delayed once, however many wait,
    the order is kept, and between two instants no more passes than the bandwidth allows.
    """
    start = max(arrival + line.latency + line.jitter * draw, free)
    if line.bandwidth is None:
        return Delivery(size, start, start)
    piece = min(size, max(1, math.floor(line.bandwidth * SLICE)))
    return Delivery(piece, start, start + duration(line, piece))


def duration(line: Line, size: int) -> float:
    """How long the line is busy with so many bytes, in seconds."""
    return 0.0 if line.bandwidth is None else size / line.bandwidth
