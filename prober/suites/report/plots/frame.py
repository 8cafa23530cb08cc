"""The frame of every plot: axes, grid, ticks, a title and a description for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prober.suites.report.markup import Markup, join, tag, text
from prober.suites.report.plots.scales import Scale

Say = Callable[[float], str]

WIDE, NARROW = 900, 350  # pixels; the narrow one fits a telephone of 390
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 34


@dataclass(frozen=True, slots=True)
class Box:
    """The size of a plot, and where its figures are drawn (pixels)."""

    width: int
    height: int
    left: int = LEFT
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
    margins: tuple[int, int] | None = None,
) -> Markup:
    """A figure that is drawn twice, for wide and for narrow screens: text in a scaled plot could not be read.

    `height` may follow from the width; `margins` are those on the left and right (pixels).
    """
    drawn = []
    for kind, width, usual in (("wide", WIDE, (LEFT, RIGHT)), ("narrow", NARROW, (52, 10))):
        left, right = margins or usual
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
        anchor = "end" if place > right - 12 else "start" if place < left + 12 and box.narrow else "middle"
        parts.append(_label(place, bottom + 18, said, anchor))
    parts.append(tag("line", {"class": "axis", "x1": left, "x2": right, "y1": bottom, "y2": bottom}))
    return join(parts)


def bands(box: Box, x: Scale, stretches: tuple[Band, ...]) -> Markup:
    """Marked stretches behind the figures, each with its label inside at the top."""
    bottom, top = box.y
    parts = []
    for row, band in enumerate(stretches):
        begin, end = x.at(band.begin), x.at(band.end)
        parts.append(
            tag(
                "rect",
                {"class": "fault", "x": begin, "y": top, "width": max(2.0, end - begin), "height": bottom - top},
            )
        )
        parts.append(
            tag("text", {"class": "faultlabel", "x": begin + 4, "y": top + 13 + 14 * row}, text(band.label))
        )
    return join(parts)


def _label(x: float, y: float, said: str, anchor: str) -> Markup:
    return tag("text", {"class": "tick", "x": x, "y": y, "text-anchor": anchor}, text(said))


def _swatch(key: Key) -> Markup:
    drawn = tag(
        "svg",
        {"class": "swatch", "width": 18, "height": 10, "viewBox": "0 0 18 10", "aria-hidden": "true"},
        tag("rect", {"class": f"fill {key.kind}", "x": 1, "y": 1, "width": 16, "height": 8, "rx": 2}),
    )
    return tag("span", {"class": "key"}, drawn, text(key.label))
