"""Figures over time: lines that break where nothing was measured, and stacked columns of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from prober.suites.report.markup import NOTHING, Markup, join, tag
from prober.suites.report.plots.frame import Band, Box, Key, Say, axes, band_labels, bands, both, margins
from prober.suites.report.plots.scales import Linear, Log, Scale, rounded_up

HEIGHT = 230
_MARGIN = 62  # pixels: so that the seconds of one plot stand below those of another
_ROOM = 1.2  # above the columns, for the labels of what is marked


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
    begin: float | None = None,
    until: float | None = None,
    say_x: Say | None = None,
    height: int = HEIGHT,
) -> Markup:
    """A figure of lines over seconds, or over what `say_x` says of the x axis.

    `top` fixes the upper end of the axis, `whole` lets it tick whole numbers only, `begin` and `until` are where
    time begins and ends.

    Where the largest figure is more than a hundred times the median, the axis is logarithmic, and says so.
    """
    known = sorted(value for line in series for _, value in line.points if value is not None)
    if not known:
        return NOTHING
    times = [moment for line in series for moment, _ in line.points]
    stretched = top is None and not whole and known[-1] > 100 * known[len(known) // 2] > 0

    def y_axis(begin: float, end: float) -> Scale:
        if stretched:
            low = next(value for value in known if value > 0)
            return Log(low / 1.2, known[-1] * 1.2, begin, end, most=6)
        high = top if top is not None else rounded_up(known[-1], 4)
        return Linear(0.0, max(high, 4.0) if whole else high, begin, end, most=5)

    def draw(box: Box) -> Markup:
        first = min(0.0, *times) if begin is None else begin
        last = max(times) if until is None else until
        x = Linear(first, last, *box.x, most=5 if box.narrow else 10)
        y = y_axis(*box.y)
        drawn = [_drawn(line, x, y) for line in series]
        return join(
            [bands(box, x, marked), axes(box, x, y, say_x or _moment, say), *drawn, band_labels(box, x, marked)]
        )

    keys = tuple(line.key for line in series)
    sides = margins((say(tick) for tick in y_axis(0.0, 1.0).ticks()), _MARGIN)
    named = f"{name} (logarithmic)" if stretched else name
    return both(named, description, keys, draw, height, sides=sides)


def columns(
    name: str, description: str, given: Columns, say: Say, *, until: float, marked: tuple[Band, ...] = ()
) -> Markup:
    """A figure of stacked columns over seconds; `until` is where time ends."""
    if not given.stretches:
        return NOTHING
    most = max(sum(parts) for _, _, parts in given.stretches)
    high = rounded_up(most * (_ROOM if marked else 1.0), 4)

    def draw(box: Box) -> Markup:
        x = Linear(0.0, until, *box.x, most=5 if box.narrow else 10)
        y = Linear(0.0, high, *box.y, most=5)
        stacked = [_column(given.keys, x, y, *stretch) for stretch in given.stretches]
        return join([bands(box, x, marked), axes(box, x, y, _moment, say), *stacked, band_labels(box, x, marked)])

    sides = margins((say(tick) for tick in Linear(0.0, high, 0.0, 1.0, most=5).ticks()), _MARGIN)
    return both(name, description, given.keys, draw, HEIGHT, sides=sides)


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
            parts.append(
                tag("circle", {"class": f"fill {line.key.kind}", "cx": piece[0][0], "cy": piece[0][1], "r": 3})
            )
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
