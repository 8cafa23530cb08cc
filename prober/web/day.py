"""The last hour and the last day as the pages draw them: how long the probes' good runs took, and every outage.

All moments are Unix seconds. Only counts are kept: a slot of a probe has some hundred bytes, however often it ran.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from prober.event import Event, Outage, OutageChanged, ProbeRan
from prober.outcome import OutageState, Outcome, ProbeName
from prober.result import RaceResult, WebhookResult

# What is drawn, in this order.
DRAWN = (ProbeName.WEBHOOK, ProbeName.RACE, ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED)
_STEP = math.log(1.05)  # a figure is known to within 2.5 %


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of one slot or all of them; seconds."""

    count: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """An outage as it is drawn; `ended` is None while it lasts."""

    probe: str
    began: float
    ended: float | None
    id: str
    seconds: float | None = None  # its length by the monotonic clock


class Grid:
    """Counts of lengths over the last `span` seconds, in slots of `slot` seconds."""

    def __init__(self, span: float, slot: float) -> None:
        self.span = span
        self.slot = slot
        self._slots: dict[ProbeName, dict[int, dict[int, int]]] = {}

    def add(self, probe: ProbeName, at: float, seconds: float) -> None:
        """Count one good run."""
        number = math.floor(at / self.slot)
        slots = self._slots.setdefault(probe, {})
        if number not in slots:
            newest = max(slots, default=number)
            oldest = newest - self.span / self.slot
            if number < oldest:
                return
            for gone in [n for n in slots if n < number - self.span / self.slot]:
                del slots[gone]
        counts = slots.setdefault(number, {})
        bucket = math.floor(math.log(max(seconds, 1e-6)) / _STEP)
        counts[bucket] = counts.get(bucket, 0) + 1

    def slots(self, probe: ProbeName, now: float) -> list[tuple[float, Percentiles | None]]:
        """The beginning of every slot and what was measured in it, oldest first; the last one is not over yet."""
        last = math.floor(now / self.slot)
        found = self._slots.get(probe, {})
        numbers = range(last - round(self.span / self.slot) + 1, last + 1)
        return [(n * self.slot, percentiles(found.get(n, {}))) for n in numbers]

    def whole(self, probe: ProbeName, now: float) -> Percentiles | None:
        """All of it as one."""
        first = math.floor((now - self.span) / self.slot) + 1
        together: dict[int, int] = {}
        for number, counts in self._slots.get(probe, {}).items():
            if number >= first:
                for bucket, count in counts.items():
                    together[bucket] = together.get(bucket, 0) + count
        return percentiles(together)

    def begins(self, now: float) -> float:
        """When the first slot began in which anything was measured; `now` where nothing was."""
        first = math.floor((now - self.span) / self.slot) + 1
        known = [number for slots in self._slots.values() for number in slots if number >= first]
        return min(known, default=now / self.slot) * self.slot


@dataclass(frozen=True, slots=True)
class Spanned:
    """How much of the day is known: in words, as `5 minutes`, and short, as `5 min`."""

    words: str
    short: str


def spanned(seconds: float) -> Spanned:
    """A stretch that ends now: in minutes up to two hours, then in hours; rounded up."""
    minutes = max(1, math.ceil(seconds / 60))
    if minutes < 120:
        return Spanned("hour" if minutes == 60 else _counted(minutes, "minute"), f"{minutes} min")
    hours = math.ceil(minutes / 60)
    return Spanned(_counted(hours, "hour"), f"{hours} h")


def _counted(n: int, unit: str) -> str:
    return unit if n == 1 else f"{n} {unit}s"


class Day:
    """What is known of the last day. All times come in."""

    def __init__(self) -> None:
        self.day = Grid(86_400.0, 900.0)
        self.hour = Grid(3_600.0, 60.0)
        self.up_since: dict[str, float] = {}  # by probe, the end of its last outage, however long ago
        self.complete = False  # whether what the journal has of the day is in
        self.outages_changed = 0  # grows with each change of an outage
        self._outages: dict[str, Stretch] = {}
        self._first = math.inf  # the first good run of all

    def record(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case ProbeRan(result=result) if result.probe in DRAWN:
                took = latency_of(event)
                if took is not None:
                    self.add(result.probe, result.started.wall, took)
            case OutageChanged(outage=outage) if outage is not None:
                self.outage(stretch(outage, over=event.state is OutageState.UP))
            case OutageChanged(state=OutageState.UP):
                self._let_go(str(event.probe), event.at.wall)

    def add(self, probe: ProbeName, at: float, seconds: float) -> None:
        """Count one good run."""
        self._first = min(self._first, at)
        self.day.add(probe, at, seconds)
        self.hour.add(probe, at, seconds)

    def outage(self, known: Stretch) -> None:
        """Take an outage in, or what became of it."""
        self.outages_changed += 1
        self._outages[known.id] = known
        if known.ended is not None:
            self.up_since[known.probe] = max(known.ended, self.up_since.get(known.probe, known.ended))

    def remember(self, known: Stretch) -> None:
        """Take an outage in as the journal has it: what an event has told is newer."""
        if known.id not in self._outages:
            self.outage(known)

    def shown(self, now: float) -> Grid:
        """What tells most: the hour by minutes while nothing is known of the time before it."""
        return self.day if self.day.begins(now) < now - self.hour.span else self.hour

    def known(self, now: float) -> float:
        """How much of what is shown is known, back to the first good run or outage in it; seconds."""
        grid = self.shown(now)
        measured = grid.begins(now)
        # A slot begins before the first run that is in it.
        measured = max(measured, self._first) if measured < now else now
        first = min([measured, *(one.began for one in self.outages(now))])
        return min(grid.span, now - first)

    def outages(self, now: float) -> list[Stretch]:
        """The outages that reach into the last day, newest first."""
        begin = now - self.day.span
        self._outages = {o.id: o for o in self._outages.values() if o.ended is None or o.ended >= begin}
        return sorted(self._outages.values(), key=lambda one: one.began, reverse=True)

    def _let_go(self, probe: str, at: float) -> None:
        """Whatever became of it, nobody looks any longer."""
        for known in [o for o in self._outages.values() if o.probe == probe and o.ended is None]:
            self.outages_changed += 1
            self._outages[known.id] = replace(known, ended=at)


def stretch(outage: Outage, *, over: bool) -> Stretch:
    """An outage of an event."""
    ended = outage.ended.wall if over and outage.ended is not None else None
    return Stretch(
        probe=str(outage.probe), began=outage.began.wall, ended=ended, id=outage.id, seconds=outage.duration
    )


def latency_of(event: ProbeRan) -> float | None:
    """How long the target took, seconds; None where this run says nothing of that."""
    match event.result:
        case RaceResult(race_duration=took):
            return took
        case WebhookResult(accepted=False):
            return None
        case result if result.outcome is Outcome.OK:
            return result.duration
    return None


def percentiles(counts: Mapping[int, int]) -> Percentiles | None:
    """Of counts by bucket; None of nothing."""
    total = sum(counts.values())
    if not total:
        return None
    ordered = sorted(counts.items())
    return Percentiles(total, _quantile(ordered, total, 0.5), _quantile(ordered, total, 0.99))


def _quantile(ordered: Iterable[tuple[int, int]], total: int, q: float) -> float:
    """The smallest figure that at least this share does not exceed."""
    left = math.ceil(q * total)
    value = 0.0
    for bucket, count in ordered:
        value = math.exp((bucket + 0.5) * _STEP)
        left -= count
        if left <= 0:
            break
    return value
