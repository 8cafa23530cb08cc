"""Figures over time: lines that break where nothing was measured, and stacked columns of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from prober.suites.report.markup import NOTHING, Markup, join, tag
from prober.suites.report.plots.frame import Band, Box, Key, Say, axes, bands, both
from prober.suites.report.plots.scales import Linear, Log, Scale, rounded_up

HEIGHT = 230


@dataclass(frozen=True, slots=True)
class Line:
    """One quantity over time: its points in order, None where it was not measured."""

    key: Key
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Columns:
    """Counts in stretches of time: where each stretch begins and ends, and what to stack in it, from below."""

    keys: tuple[Key, ...]
    stretches: Sequence[tuple[float, float, tuple[float, ...]]]


def lines(
    name: str,
    description: str,
    series: Sequence[Line],
    say: Say,
    *,
    marked: tuple[Band, ...] = (),
    top: float | None = None,
    whole: bool = False,
    counted_by: str | None = None,
) -> Markup:
    """A figure of lines over seconds, or over what `counted_by` names ("race ").

    `top` fixes the upper end of the axis, `whole` lets it tick whole numbers only.

    Where the largest figure is more than a hundred times the median, the axis is logarithmic, and says so.
    """
    known = sorted(value for line in series for _, value in line.points if value is not None)
    if not known:
        return NOTHING
    times = [moment for line in series for moment, _ in line.points]
    stretched = top is None and not whole and known[-1] > 100 * known[len(known) // 2] > 0

    def draw(box: Box) -> Markup:
        x = Linear(min(0.0, *times), max(times) or 1.0, *box.x, most=5 if box.narrow else 10)
        y: Scale
        if stretched:
            low = next(value for value in known if value > 0)
            y = Log(low / 1.2, known[-1] * 1.2, *box.y, most=6)
        else:
            high = top if top is not None else rounded_up(known[-1], 4)
            y = Linear(0.0, max(high, 4.0) if whole else high, *box.y, most=5)
        drawn = [_drawn(line, x, y) for line in series]
        say_x: Say = _moment if counted_by is None else lambda n: f"{counted_by}{n:g}"
        return join([bands(box, x, marked), axes(box, x, y, say_x, say), *drawn])

    keys = tuple(line.key for line in series)
    return both(f"{name} (logarithmic)" if stretched else name, description, keys, draw, HEIGHT)


def columns(
    name: str, description: str, given: Columns, say: Say, *, marked: tuple[Band, ...] = ()
) -> Markup:
    """A figure of stacked columns over seconds."""
    if not given.stretches:
        return NOTHING
    high = rounded_up(max(sum(parts) for _, _, parts in given.stretches), 4)
    until = max(end for _, end, _ in given.stretches)

    def draw(box: Box) -> Markup:
        x = Linear(0.0, until, *box.x, most=5 if box.narrow else 10)
        y = Linear(0.0, high, *box.y, most=5)
        stacked = [_column(given.keys, x, y, *stretch) for stretch in given.stretches]
        return join([bands(box, x, marked), axes(box, x, y, _moment, say), *stacked])

    return both(name, description, given.keys, draw, HEIGHT)


def _moment(at: float) -> str:
    return f"{at:g} s"


def _drawn(line: Line, x: Scale, y: Scale) -> Markup:
    """The line, in pieces where it is broken; a point with no neighbours is a dot."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for moment, value in line.points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((x.at(moment), y.at(value)))
    parts = []
    for piece in pieces:
        if len(piece) == 1:
            parts.append(tag("circle", {"class": f"fill {line.key.kind}", "cx": piece[0][0], "cy": piece[0][1], "r": 3}))
        elif piece:
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in piece)
            parts.append(tag("polyline", {"class": f"line {line.key.kind}", "points": points}))
    return join(parts)


def _column(
    keys: tuple[Key, ...], x: Scale, y: Scale, begin: float, end: float, counts: tuple[float, ...]
) -> Markup:
    left, right = x.at(begin), x.at(end)
    gap = 1.0 if right - left > 4 else 0.0
    levels = [0.0]
    for each in counts:
        levels.append(levels[-1] + each)
    return join(
        [
            tag(
                "rect",
                {
                    "class": f"fill {key.kind}",
                    "x": left,
                    "y": y.at(high),
                    "width": max(0.5, right - left - gap),
                    "height": y.at(low) - y.at(high),
                },
            )
            for key, (low, high) in zip(keys, pairwise(levels), strict=True)
            if high > low
        ]
    )
