"""How answer times are distributed: a histogram over a logarithmic axis, percentiles and the guide's edges marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, axes, both
from prober.suites.report.plots.scales import Linear, Log, rounded_up
from prober.suites.report.wording import seconds, share

HEIGHT = 250
_BINS = 60


def histogram(
    name: str, description: str, distribution: Sequence[tuple[float, int]], marks: Mapping[str, float | None]
) -> Markup:
    """A figure of a distribution, given as upper edges (seconds) with the samples since the edge before."""
    filled = [(edge, n) for edge, n in distribution if n > 0 and edge > 0]
    if not filled:
        return NOTHING
    low, high = filled[0][0] / 1.15, filled[-1][0] * 1.15
    bins = binned(filled, low, high)
    total = sum(n for _, n in filled)
    most = rounded_up(max(n for _, _, n in bins) / total, 4)

    def draw(box: Box) -> Markup:
        x = Log(low, high, *box.x, most=4 if box.narrow else 9)
        y = Linear(0.0, most, *box.y, most=5)
        bars = [
            tag(
                "rect",
                {
                    "class": "fill accepted",
                    "x": x.at(begin),
                    "y": y.at(n / total),
                    "width": max(0.5, x.at(end) - x.at(begin) - 0.6),
                    "height": y.at(0.0) - y.at(n / total),
                },
            )
            for begin, end, n in bins
            if n
        ]
        return join([axes(box, x, y, seconds, share), *bars, *_marks(box, x, marks)])

    return both(name, description, (Key("accepted", "share of the accepted requests"),), draw, HEIGHT)


def binned(filled: Sequence[tuple[float, int]], low: float, high: float) -> list[tuple[float, float, int]]:
    """Fewer bins of equal width on a logarithmic axis: begin, end, samples. No sample is lost."""
    factor = (high / low) ** (1 / _BINS)
    edges = [low * factor**n for n in range(_BINS + 1)]
    counts = [0] * _BINS
    at = 0
    for edge, n in filled:
        while at < _BINS - 1 and edge > edges[at + 1]:
            at += 1
        counts[at] += n
    return [(begin, end, n) for (begin, end), n in zip(pairwise(edges), counts, strict=True)]


def _marks(box: Box, x: Log, marks: Mapping[str, float | None]) -> list[Markup]:
    """A vertical line for each percentile; its label on a line of its own, so that none covers another."""
    bottom, top = box.y
    parts = []
    known = [(name, value) for name, value in marks.items() if value is not None]
    for row, (name, value) in enumerate(known):
        place = x.at(value)
        right = place > (box.x[0] + box.x[1]) / 2
        parts.append(tag("line", {"class": "mark", "x1": place, "x2": place, "y1": top, "y2": bottom}))
        parts.append(
            tag(
                "text",
                {
                    "class": "marklabel",
                    "x": place - 4 if right else place + 4,
                    "y": top + 12 + 15 * row,
                    "text-anchor": "end" if right else "start",
                },
                text(f"{name} {seconds(value)}"),
            )
        )
    return parts
