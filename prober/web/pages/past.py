"""What the journal has: incidents, races and suites as tables, newest first, and the last day as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prober.outcome import ProbeName
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredSuite
from prober.publish.printable import utc
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, axes, both, margins
from prober.suites.report.plots.scales import Linear
from prober.suites.report.plots.series import Line, lines
from prober.suites.report.wording import count, seconds
from prober.web.day import DRAWN, SPAN, Day, Stretch
from prober.web.incidents import Incident
from prober.web.pages.layout import badge, link, moment, paragraph, section, table
from prober.web.pages.now import lasted

_PLOT = 150  # pixels
_ROW = 22
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
                text(said),
                link(text("evidence"), "incidents", outage.id),
            )
        case violation:
            kind = "critical" if one.standing == "open" else "none"
            why = tag("small", None, text(one.reason)) if one.reason else NOTHING
            return (
                text(violation.kind),
                moment(violation.first_wall),
                join([badge(one.standing or "", kind), why]),
                text(violation.sentence),
                link(text("evidence"), "incidents", violation.id),
            )


def races_table(races: Sequence[StoredRace]) -> Markup:
    """Races with their verdicts in a sentence."""
    if not races:
        return paragraph(text("None."))
    columns = ("Released", "Outcome", "Took", "Verdict", "Evidence")
    return table("Races", columns, [_race(one) for one in races])


def _race(race: StoredRace) -> Sequence[Markup]:
    return (
        moment(race.released_wall),
        outcome_badge(race.outcome, violation=race.violation),
        text("" if race.race_duration is None else seconds(race.race_duration)),
        text(race.sentence),
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
        text(seconds(one.duration)),
        badge(one.verdict or "no verdict", one.verdict or "none"),
        text(f"{ending}{one.sentence}"),
    )


def day_section(day: Day, now: float, probes: Mapping[str, object]) -> Markup:
    """The last day: when what was down, and how long the probes' good runs took."""
    watched = [name for name in DRAWN if name in probes]
    drawn = [_outages(day, now, [name for name in watched if name in _WATCHED])]
    drawn += [_latency(day, now, name) for name in watched]
    still = NOTHING if day.complete else paragraph(text("The journal is still being read."), kind="soft")
    return section("day", "The last 24 hours", still, *drawn)


def _latency(day: Day, now: float, probe: ProbeName) -> Markup:
    slots = [((at - now) / 3600, found) for at, found in day.slots(probe, now)]
    whole = day.whole(probe, now)
    if whole is None:
        return NOTHING
    return lines(
        _TITLES[probe],
        f"p50 {seconds(whole.p50)} and p99 {seconds(whole.p99)} of {count(whole.count)} runs in 24 hours, "
        "drawn by quarters of an hour.",
        (
            Line(Key("first", "p50"), [(at, None if one is None else one.p50) for at, one in slots]),
            Line(Key("second", "p99"), [(at, None if one is None else one.p99) for at, one in slots]),
        ),
        seconds,
        until=0.0,
        say_x=_hours,
        height=_PLOT,
    )


def _outages(day: Day, now: float, probes: Sequence[ProbeName]) -> Markup:
    if not probes:
        return NOTHING
    found = day.outages(now)
    said = [f"{name} {sum(1 for one in found if one.probe == name)}" for name in probes]
    sides = margins(probes)

    def draw(box: Box) -> Markup:
        x = Linear(-SPAN / 3600, 0.0, *box.x, most=5 if box.narrow else 10)
        y = Linear(0.0, 1.0, *box.y, most=1)
        rows = [_outage_row(box, x, n, name, found, now) for n, name in enumerate(probes)]
        return join([axes(box, x, y, _hours, lambda _: ""), *rows])

    description = f"Outages in the last 24 hours: {', '.join(said)}."
    keys = (Key("won", "no outage known"), Key("failed", "down"))
    return both("Outages", description, keys, draw, len(probes) * _ROW + 46, sides=sides)


def _outage_row(box: Box, x: Linear, n: int, name: str, found: Sequence[Stretch], now: float) -> Markup:
    top = box.top + n * _ROW
    left, right = box.x
    place: dict[str, float] = {"y": top + 4, "height": _ROW - 10, "rx": 2}
    parts = [
        tag(
            "text",
            {"class": "tick", "x": box.left - 6, "y": top + _ROW / 2 + 3, "text-anchor": "end"},
            text(name),
        ),
        tag("rect", {"class": "fill won", "x": left, "width": right - left, **place}),
    ]
    for one in found:
        if one.probe == name:
            begin = x.at((one.began - now) / 3600)
            end = x.at(0.0 if one.ended is None else (one.ended - now) / 3600)
            parts.append(
                tag(
                    "rect",
                    {"class": "fill failed", "x": min(begin, right - 2), "width": max(2.0, end - begin), **place},
                    tag("title", None, text(_told(one))),
                )
            )
    return join(parts)


def _told(one: Stretch) -> str:
    how_long = "" if one.ended is None else f", {lasted(one.ended - one.began, None)}"
    return f"{one.probe} down since {utc(one.began)}{how_long}"


def _hours(at: float) -> str:
    return "now" if at == 0 else f"{at:g} h"
