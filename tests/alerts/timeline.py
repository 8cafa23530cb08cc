"""Series of a made-up prober over time, as promtool's unit tests write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from prober.web.metric import Metric

ABSENT = "_"
STALE = "stale"


class Part(Enum):
    """What a stretch of time is like."""

    OK = auto()
    BAD = auto()
    BELOW = auto()  # as bad as it may be without an alert
    GAP = auto()  # scrapes fail
    NAN = auto()
    RESTART = auto()  # one scrape fails, and counters begin anew


@dataclass(frozen=True)
class Stretch:
    part: Part
    steps: int


@dataclass(frozen=True)
class Gauge:
    """A gauge and its values; None: absent. `kept` is as the restart of a prober leaves it."""

    series: str
    ok: float | None
    bad: float | None
    below: float | None = None

    def values(self, stretches: Sequence[Stretch], step: int) -> str:
        parts, last = [], self.ok
        for stretch in stretches:
            match stretch.part:
                case Part.GAP | Part.RESTART:
                    parts.append(_repeat(STALE if last is not None else ABSENT, stretch.steps))
                case Part.NAN:
                    parts.append(_repeat("NaN", stretch.steps))
                case _:
                    before, last = last, self._of(stretch.part)
                    # A gauge that goes away is marked stale at the first scrape without it.
                    if last is None and before is not None:
                        parts.append(_repeat(STALE, 1))
                        parts.append(_repeat(ABSENT, stretch.steps - 1))
                    else:
                        parts.append(_repeat(_value(last), stretch.steps))
        return " ".join(part for part in parts if part)

    def _of(self, part: Part) -> float | None:
        return {Part.OK: self.ok, Part.BAD: self.bad, Part.BELOW: self.below}[part]


@dataclass(frozen=True)
class Moment:
    """A gauge that holds a time of day (Unix seconds): `ok`, `bad`, `below` are how long ago, in seconds.

    `grows`: it stands still while it is bad, so that the age grows with the test.
    """

    series: str
    ok: float
    bad: float
    below: float

    def values(self, stretches: Sequence[Stretch], step: int) -> str:
        parts, now = [], 0
        for stretch in stretches:
            match stretch.part:
                case Part.GAP | Part.RESTART:
                    parts.append(_repeat(STALE, stretch.steps))
                case Part.NAN:
                    parts.append(_repeat("NaN", stretch.steps))
                case _:
                    ago = {Part.OK: self.ok, Part.BAD: self.bad, Part.BELOW: self.below}[stretch.part]
                    parts.append(_line(now * step - ago, step, stretch.steps))
            now += stretch.steps
        return " ".join(parts)


@dataclass(frozen=True)
class Counter:
    """A counter and what each step adds to it."""

    series: str
    ok: float
    bad: float
    below: float = 0.0

    def values(self, stretches: Sequence[Stretch], step: int) -> str:
        parts, value = [], 0.0
        for stretch in stretches:
            match stretch.part:
                case Part.GAP:
                    parts.append(_repeat(STALE, stretch.steps))
                    value += self.bad * stretch.steps
                case Part.RESTART:
                    parts.append(_repeat(STALE, stretch.steps))
                    value = 0.0
                case Part.NAN:
                    parts.append(_repeat("NaN", stretch.steps))
                case _:
                    add = {Part.OK: self.ok, Part.BAD: self.bad, Part.BELOW: self.below}[stretch.part]
                    parts.append(_line(value + add, add, stretch.steps))
                    value += add * stretch.steps
        return " ".join(parts)


Series = Gauge | Moment | Counter
Observed = Mapping[float, float]  # value → how many of it each step


def histogram(
    metric: Metric,
    ok: Observed,
    bad: Observed,
    below: Observed,
    labels: str = "",
    edges: Sequence[float] = (),
) -> tuple[Counter, ...]:
    """The series of a histogram into which each step puts so many of each value; its buckets, or some of them."""
    found = []
    for edge in (*(edges or metric.buckets), None):
        name = "+Inf" if edge is None else str(float(edge))
        counts = [sum(n for v, n in seen.items() if edge is None or v <= edge) for seen in (ok, bad, below)]
        found.append(Counter(f"{metric.name}_bucket{{{_joined(labels, _eq('le', name))}}}", *counts))
    for suffix, weigh in (("_count", False), ("_sum", True)):
        sums = [sum(n * (value if weigh else 1) for value, n in seen.items()) for seen in (ok, bad, below)]
        found.append(Counter(f"{metric.name}{suffix}{{{labels}}}", *sums))
    return tuple(found)


def input_series(
    series: Sequence[Series], stretches: Sequence[Stretch], step: int, target: str
) -> list[dict[str, str]]:
    """promtool's `input_series`; `target` is the labels of the scrape."""
    found = []
    for each in series:
        name, _, rest = each.series.partition("{")
        own = "" if "instance=" in rest or "job=" in rest else target
        labels = _joined(own, rest.removesuffix("}"))
        found.append({"series": f"{name}{{{labels}}}", "values": each.values(stretches, step)})
    return found


def _eq(label: str, value: str) -> str:
    return f'{label}="{value}"'


def _joined(*parts: str) -> str:
    return ",".join(part for part in parts if part)


def _value(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.12g}"


def _repeat(value: str, times: int) -> str:
    if times <= 0:
        return ""
    return f"{value}x{times - 1}" if times > 1 and value[-1].isdigit() else " ".join([value] * times)


def _line(first: float, add: float, times: int) -> str:
    """`times` samples, each `add` more than the one before."""
    sign = "-" if add < 0 else "+"
    return f"{first:.12g}{sign}{abs(add):.12g}x{times - 1}"
