"""The frame of every plot: axes, grid, ticks, a title and a description for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prober.suites.report.markup import Markup, join, tag, text
from prober.suites.report.plots.scales import Scale

Say = Callable[[float], str]

WIDE, NARROW = 952, 350  # pixels; the narrow one fits a telephone of 390
RIGHT, TOP, BOTTOM = 14, 12, 34


@dataclass(frozen=True, slots=True)
class Box:
    """The size of a plot, and where its figures are drawn (pixels)."""

    width: int
    height: int
    left: int
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM

    @property
    def x(self) -> tuple[float, float]:
        """From left to right."""
        return self.left, self.width - self.right

    @property
    def y(self) -> tuple[float, float]:
        """From bottom to top, as axes go."""
        return self.height - self.bottom, self.top

    @property
    def narrow(self) -> bool:
        """Whether there is little room for labels."""
        return self.width < 600


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the x axis that is marked: a fault."""

    begin: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Key:
    """What a colour and a form mean; `kind` is a class of the style sheet."""

    kind: str
    label: str


def svg(box: Box, name: str, description: str, *children: Markup) -> Markup:
    """A plot as a whole; `name` and `description` are read out by screen readers."""
    return tag(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {box.width} {box.height}",
            "width": box.width,
            "height": box.height,
            "role": "img",
            "class": "plot",
            "aria-label": f"{name}. {description}",
        },
        tag("title", None, text(name)),
        tag("desc", None, text(description)),
        *children,
    )


def both(
    name: str,
    description: str,
    keys: tuple[Key, ...],
    draw: Callable[[Box], Markup],
    height: int | Callable[[int], int],
    *,
    sides: tuple[int, int],
) -> Markup:
    """A figure that is drawn twice, for wide and for narrow screens: text in a scaled plot could not be read.

    `height` may follow from the width; `sides` are the margins on the left and right (pixels).
    """
    drawn = []
    for kind, width in (("wide", WIDE), ("narrow", NARROW)):
        left, right = sides
        box = Box(width, height if isinstance(height, int) else height(width), left=left, right=right)
        drawn.append(tag("div", {"class": kind}, svg(box, name, description, draw(box))))
    caption = tag("figcaption", None, tag("strong", None, text(name)), *(_swatch(key) for key in keys))
    return tag("figure", None, caption, *drawn)


def axes(box: Box, x: Scale, y: Scale, say_x: Say, say_y: Say) -> Markup:
    """Grid lines with their figures."""
    (left, right), (bottom, _) = box.x, box.y
    parts = []
    for tick in y.ticks():
        place = y.at(tick)
        parts.append(tag("line", {"class": "grid", "x1": left, "x2": right, "y1": place, "y2": place}))
        parts.append(_label(left - 6, place + 4, say_y(tick), "end"))
    for tick in x.ticks():
        place = x.at(tick)
        parts.append(tag("line", {"class": "grid", "x1": place, "x2": place, "y1": bottom, "y2": bottom + 4}))
        said = say_x(tick)
        half = _wide(said) / 2
        anchor = "end" if place + half > box.width else "start" if place - half < 0 else "middle"
        parts.append(_label(place, bottom + 18, said, anchor))
    parts.append(tag("line", {"class": "axis", "x1": left, "x2": right, "y1": bottom, "y2": bottom}))
    return join(parts)


def bands(box: Box, x: Scale, stretches: tuple[Band, ...]) -> Markup:
    """Marked stretches, to be drawn behind the figures."""
    bottom, top = box.y
    parts = []
    for band in stretches:
        begin, end = x.at(band.begin), x.at(band.end)
        size: dict[str, float] = {"width": max(2.0, end - begin), "height": bottom - top}
        parts.append(tag("rect", {"class": "fault", "x": begin, "y": top, **size}))
    return join(parts)


def band_labels(box: Box, x: Scale, stretches: tuple[Band, ...]) -> Markup:
    """What the stretches are, to be drawn over the figures, each on a line of its own."""
    parts = []
    for row, band in enumerate(stretches):
        begin = min(x.at(band.begin) + 4, max(box.left + 4.0, box.width - _wide(band.label) - 4.0))
        place: dict[str, float] = {"x": begin, "y": box.top + 13 + 14 * row}
        parts.append(tag("text", {"class": "faultlabel", **place}, text(band.label)))
    return join(parts)


def margins(said: Iterable[str], least: int = 0) -> tuple[int, int]:
    """Left and right margins (pixels) in which the labels of the y axis have room."""
    return max(least, max((_wide(label) for label in said), default=0) + 12), RIGHT


def _wide(said: str) -> int:
    """About how many pixels a label takes; a browser measures, and a test asks one."""
    return round(len(said) * 6.9)


def _label(x: float, y: float, said: str, anchor: str) -> Markup:
    return tag("text", {"class": "tick", "x": x, "y": y, "text-anchor": anchor}, text(said))


def _swatch(key: Key) -> Markup:
    drawn = tag(
        "svg",
        {"class": "swatch", "width": 18, "height": 10, "viewBox": "0 0 18 10", "aria-hidden": "true"},
        tag("rect", {"class": f"fill {key.kind}", "x": 1, "y": 1, "width": 16, "height": 8, "rx": 2}),
    )
    return tag("span", {"class": "key"}, drawn, text(key.label))
