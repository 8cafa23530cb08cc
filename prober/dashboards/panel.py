"""What a dashboard says, before Grafana's own form of it: panels with question, queries, what is good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from prober import outcome

WIDTH = 24  # columns of Grafana's grid


Place = outcome.Dashboard  # which alerts and runbooks name as well


class Look(StrEnum):
    """How a panel shows its series."""

    STAT = "stat"  # the last value, coloured by its thresholds
    LINES = "timeseries"
    BARS = "bars"  # time series of counts
    STATES = "state-timeline"


class Unit(StrEnum):
    """Grafana's names of the units in use."""

    SECONDS = "s"
    RATIO = "percentunit"
    COUNT = "short"
    PER_SECOND = "reqps"
    BYTES = "bytes"
    STATE = "none"  # a number that has words


class Color(StrEnum):
    """Grafana's names of the colours in use; red is never mere decoration."""

    GREEN = "green"
    ORANGE = "orange"
    RED = "red"
    DARK_RED = "dark-red"
    BLUE = "blue"
    PURPLE = "purple"
    GREY = "text"


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on (inclusive; None: from the bottom) the colour is this one."""

    value: float | None
    color: Color


@dataclass(frozen=True, slots=True)
class Word:
    """What a value that is a state is called."""

    text: str
    color: Color


@dataclass(frozen=True, slots=True)
class Query:
    """One expression. `unseen` says why a demo has no series of it, where that is so; then it must have none."""

    expr: str
    legend: str
    unseen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. `good` says what good looks like; sizes are in units of the grid."""

    title: str
    question: str
    good: str
    look: Look
    unit: Unit
    queries: tuple[Query, ...]
    width: int
    height: int = 7
    steps: tuple[Step, ...] = ()
    words: dict[int, Word] = field(default_factory=dict)
    more: Place | None = None  # where a click leads
    bottom: float | None = 0.0  # of the axis
    top: float | None = None

    @property
    def description(self) -> str:
        """What Grafana shows at the panel's corner."""
        return f"{self.question}\n\nGood: {self.good}"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it; without a title there is no heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard."""

    place: Place
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels in their order."""
        for row in self.rows:
            yield from row.panels


@dataclass(frozen=True, slots=True)
class Band:
    """Panels that stand side by side, from `top` on."""

    top: int
    panels: tuple[Panel, ...]

    @property
    def height(self) -> int:
        """The height of the tallest."""
        return max(panel.height for panel in self.panels)


def bands(row: Row, top: int) -> tuple[Band, ...]:
    """The row's panels, from left to right, as many side by side as the grid is wide."""
    found: list[Band] = []
    beside: list[Panel] = []
    for panel in row.panels:
        if beside and _wide(beside) + panel.width > WIDTH:
            found.append(Band(top, tuple(beside)))
            top += found[-1].height
            beside = []
        beside.append(panel)
    return (*found, Band(top, tuple(beside)))


def _wide(panels: Iterable[Panel]) -> int:
    return sum(panel.width for panel in panels)
