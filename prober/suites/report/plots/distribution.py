"""How answer times are distributed: a histogram over a logarithmic axis, with the percentiles marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, axes, both, margins
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
    # A quarter more, for the labels of the percentiles.
    most = rounded_up(1.25 * max(n for _, _, n in bins) / total, 4)

    sides = margins(share(tick) for tick in Linear(0.0, most, 0.0, 1.0, most=5).ticks())

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
            if n > 0
        ]
        return join([axes(box, x, y, seconds, share), *bars, *_marks(box, x, marks)])

    return both(name, description, (Key("accepted", "share of the accepted requests"),), draw, HEIGHT, sides=sides)


def binned(filled: Sequence[tuple[float, int]], low: float, high: float) -> list[tuple[float, float, float]]:
    """Bins of equal width on a logarithmic axis: begin, end, samples. No sample is lost.

    The edges of a distribution may be farther apart than bins are wide: what lies between two edges is spread
    evenly over the bins between them, not farther than edges usually are apart.
    """
    usual = sorted(after / before for (before, _), (after, _) in pairwise(filled))
    reach = usual[len(usual) // 2] if usual else 1.0
    width = math.log(high / low) / _BINS
    counts = [0.0] * _BINS
    before = 0.0
    for edge, n in filled:
        begin = math.log(max(before, edge / reach, low) / low) / width
        end = math.log(edge / low) / width
        _spread(counts, min(begin, _BINS), min(end, _BINS), n)
        before = edge
    return [(low * math.exp(at * width), low * math.exp((at + 1) * width), n) for at, n in enumerate(counts)]


def _spread(counts: list[float], begin: float, end: float, n: int) -> None:
    """Add `n` to the bins from `begin` to `end` (places among them), to each by how much of it they cover."""
    first, last = min(int(begin), _BINS - 1), min(int(end), _BINS - 1)
    if first == last:
        counts[last] += n
        return
    for at in range(first, last + 1):
        covered = min(end, at + 1) - max(begin, at)
        counts[at] += n * covered / (end - begin)


def _marks(box: Box, x: Log, marks: Mapping[str, float | None]) -> list[Markup]:
    """A vertical line for each percentile; its label on a line of its own, so that none covers another."""
    bottom, top = box.y
    lines, labels = [], []
    known = [(name, value) for name, value in marks.items() if value is not None]
    for row, (name, value) in enumerate(known):
        place = x.at(value)
        right = place > (box.x[0] + box.x[1]) / 2
        lines.append(tag("line", {"class": "mark", "x1": place, "x2": place, "y1": top, "y2": bottom}))
        labels.append(
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
    return [*lines, *labels]
