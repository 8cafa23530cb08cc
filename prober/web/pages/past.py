"""What the journal has: incidents, races and suites as tables, newest first, and the last day as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prober.outcome import ProbeName
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredSuite
from prober.publish.printable import utc
from prober.suites.report.markup import NOTHING, Attribute, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, axes, both, margins
from prober.suites.report.plots.scales import Linear
from prober.suites.report.plots.series import Line, lines
from prober.suites.report.wording import count, seconds
from prober.web.day import DRAWN, Day, Grid, Percentiles, Stretch, spanned
from prober.web.incidents import Incident
from prober.web.pages.layout import badge, figure, link, moment, paragraph, section, table
from prober.web.pages.now import lasted, shortened

_PLOT = 150  # pixels
_ROW = 22
_ON_FRONT = 90  # characters of a race's verdict
_LEAST_SHOWN = 120.0  # seconds
_LEAST = 3.0  # an outage of a moment must be seen
_TITLES = {
    ProbeName.WEBHOOK: "Webhook answers",
    ProbeName.RACE: "Races, from the release to the last answer",
    ProbeName.REDIS: "Redis",
    ProbeName.DATABASE: "Database",
    ProbeName.DATABASE_POOLED: "Database through the pooler",
}
_WATCHED = (ProbeName.WEBHOOK, ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED)


def incidents_table(incidents: Sequence[Incident]) -> Markup:
    """Outages with their exact lengths, violations with what they are now."""
    if not incidents:
        return paragraph(text("None."))
    columns = ("What", "Began", "Length, standing", "Said", "Evidence")
    return table("Incidents", columns, [_incident(one) for one in incidents])


def _incident(one: Incident) -> Sequence[Markup]:
    match one.stored:
        case StoredOutage() as outage:
            over = outage.ended_wall is not None
            standing = (
                text(lasted(outage.duration, outage.uncertainty)) if over else badge("under way", "critical")
            )
            said = f"{outage.cause}: {outage.detail}" if outage.detail else outage.cause
            return (
                text(f"{outage.probe} down"),
                moment(outage.began_wall),
                standing,
                text(shortened(said)),
                link(text("evidence"), "incidents", outage.id),
            )
        case violation:
            kind = "critical" if one.standing == "open" else "none"
            why = tag("small", None, text(one.reason)) if one.reason else NOTHING
            return (
                text(violation.kind.replace("_", " ")),
                moment(violation.first_wall),
                join([badge(one.standing or "", kind), why]),
                text(shortened(violation.sentence)),
                link(text("evidence"), "incidents", violation.id),
            )


def races_table(races: Sequence[StoredRace], *, whole: bool = True) -> Markup:
    """Races with their verdicts in a sentence, as far as it goes where not the `whole` is wanted."""
    if not races:
        return paragraph(text("None."))
    columns = ("Released", "Outcome", "Took", "Verdict", "Evidence")
    return table("Races", columns, [_race(one, whole) for one in races])


def _race(race: StoredRace, whole: bool) -> Sequence[Markup]:
    return (
        moment(race.released_wall),
        outcome_badge(race.outcome, violation=race.violation),
        figure("" if race.race_duration is None else seconds(race.race_duration)),
        text(race.sentence if whole else shortened(race.sentence, _ON_FRONT)),
        link(text("timeline"), "races", race.id),
    )


def outcome_badge(outcome: str, *, violation: bool) -> Markup:
    """The outcome of a race: good, a violation, or no verdict."""
    kind = "critical" if violation else "good" if outcome == "one_winner" else "none"
    return badge(outcome.replace("_", " "), kind)


def suites_table(suites: Sequence[StoredSuite]) -> Markup:
    """Runs of suites with their verdicts."""
    if not suites:
        return paragraph(text("None has been run."))
    columns = ("Suite", "Ended", "Took", "Verdict", "In a sentence")
    return table("Suites", columns, [_suite(one) for one in suites])


def _suite(one: StoredSuite) -> Sequence[Markup]:
    ending = "" if one.ending == "complete" else f"{one.ending}: "
    return (
        text(f"{one.suite} {one.scenario}"),
        moment(one.ended_wall),
        figure(seconds(one.duration)),
        badge(one.verdict or "no verdict", one.verdict or "none"),
        text(f"{ending}{one.sentence}"),
    )


def day_section(day: Day, now: float, probes: Mapping[str, object]) -> Markup:
    """The last day, or as much as is known of it: when what was down, and how long good runs took."""
    watched = [name for name in DRAWN if name in probes]
    span = _Span(day.shown(now), now, day.known(now), day.outages(now))
    drawn = [_outages(span, [name for name in watched if name in _WATCHED])]
    drawn += [_latency(span, name) for name in watched]
    still = NOTHING if day.complete else paragraph(text("The journal is still being read."), kind="soft")
    return section("day", f"The last {span.words}", still, *drawn)


@dataclass(frozen=True, slots=True)
class _Span:
    """What is drawn: a stretch of time that ends now, counted back in hours or minutes."""

    grid: Grid
    now: float
    known: float  # seconds
    outages: Sequence[Stretch]

    @property
    def in_hours(self) -> bool:
        return self.grid.span > 3600

    @property
    def words(self) -> str:
        return spanned(self.known).words

    @property
    def begin(self) -> float:
        """Where the x axis begins: not long before the first that is known."""
        return self.at(self.now - max(self.known, _LEAST_SHOWN))

    def at(self, wall: float) -> float:
        """A moment as the x axis counts."""
        return (wall - self.now) / (3600 if self.in_hours else 60)

    def slots(self, probe: ProbeName) -> list[tuple[float, Percentiles | None]]:
        """The slots that are drawn: when each began, and what was measured in it."""
        return [one for one in self.grid.slots(probe, self.now) if self.at(one[0] + self.grid.slot) > self.begin]

    def holds(self, outage: Stretch) -> bool:
        """Whether any of it is drawn."""
        return self.at(outage.ended or self.now) >= self.begin

    def say(self, at: float) -> str:
        return "now" if at == 0 else f"{at:g} {'h' if self.in_hours else 'min'}"


def _latency(span: _Span, probe: ProbeName) -> Markup:
    half = span.grid.slot / 2
    slots = [(min(0.0, span.at(at + half)), found) for at, found in span.slots(probe)]
    whole = span.grid.whole(probe, span.now)
    if whole is None:
        return NOTHING
    by = "quarters of an hour" if span.in_hours else "minutes"
    return lines(
        _TITLES[probe],
        f"p50 {seconds(whole.p50)} and p99 {seconds(whole.p99)} of {count(whole.count)} good runs in the last "
        f"{span.words}, drawn by {by}.",
        (
            Line(Key("first", "p50"), [(at, None if one is None else one.p50) for at, one in slots]),
            Line(Key("second", "p99"), [(at, None if one is None else one.p99) for at, one in slots]),
        ),
        seconds,
        begin=span.begin,
        until=0.0,
        say_x=span.say,
        height=_PLOT,
    )


def _outages(span: _Span, probes: Sequence[ProbeName]) -> Markup:
    if not probes:
        return NOTHING
    said = [f"{name} {sum(1 for one in span.outages if one.probe == name and span.holds(one))}" for name in probes]

    def draw(box: Box) -> Markup:
        x = Linear(span.begin, 0.0, *box.x, most=5 if box.narrow else 10)
        y = Linear(0.0, 1.0, *box.y, most=1)
        rows = [_outage_row(box, x, n, name, span) for n, name in enumerate(probes)]
        return join([axes(box, x, y, span.say, lambda _: ""), *rows])

    description = f"Outages in the last {span.words}: {', '.join(said)}."
    keys = (Key("won", "good runs"), Key("failed", "down"))
    return both("Up and down", description, keys, draw, len(probes) * _ROW + 46, sides=margins(probes))


def _outage_row(box: Box, x: Linear, n: int, name: ProbeName, span: _Span) -> Markup:
    """Green where there were good runs, red over it, higher and never too small to be seen, where it was down."""
    top = box.top + n * _ROW
    place: dict[str, Attribute] = {
        "class": "tick",
        "x": box.left - 6,
        "y": top + _ROW / 2 + 4,
        "text-anchor": "end",
    }
    parts = [tag("text", place, text(name))]
    for begin, end in _stretches(span, name):
        left, right = x.at(span.at(begin)), x.at(span.at(end))
        size: dict[str, float] = {"x": left, "y": top + 6, "width": max(1.0, right - left), "height": _ROW - 12}
        parts.append(tag("rect", {"class": "fill won", **size}))
    for one in span.outages:
        if one.probe == name and span.holds(one):
            left = min(x.at(span.at(one.began)), box.x[1] - _LEAST)
            right = x.at(0.0 if one.ended is None else span.at(one.ended))
            size = {"x": left, "y": top + 2, "width": max(_LEAST, right - left), "height": _ROW - 4}
            parts.append(tag("rect", {"class": "fill failed", **size}, tag("title", None, text(_told(one)))))
    return join(parts)


def _stretches(span: _Span, name: ProbeName) -> list[tuple[float, float]]:
    """From when to when there were good runs, slot by slot without a gap."""
    found: list[tuple[float, float]] = []
    for begin, measured in span.slots(name):
        end = min(begin + span.grid.slot, span.now)
        if measured is None:
            continue
        if found and found[-1][1] == begin:
            found[-1] = (found[-1][0], end)
        else:
            found.append((max(begin, span.now - span.known), end))
    return found


def _told(one: Stretch) -> str:
    how_long = "" if one.seconds is None else f", {lasted(one.seconds, None)}"
    return f"{one.probe} down since {utc(one.began)}{how_long}"
