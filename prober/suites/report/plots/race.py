"""Races: a strip with the outcome of each, and the timeline of one, vendor by vendor."""

from __future__ import annotations

import math

from prober.outcome import RaceOutcome
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, both
from prober.suites.report.plots.timeline import accepts_timeline
from prober.suites.report.wording import seconds
from prober.suites.results_race import Race, RaceDetail

_CELL, _GAP = 16, 3


def strip(detail: RaceDetail) -> Markup:
    """One cell a race, in their order: one winner, a violation (crossed), or no verdict (hollow)."""
    if not detail.races:
        return NOTHING
    races = detail.races

    def draw(box: Box) -> Markup:
        a_row = _a_row(box)
        return join([_cell(box, n % a_row, n // a_row, race) for n, race in enumerate(races)])

    def tall(width: int) -> int:
        return math.ceil(len(races) / _a_row(Box(width, 0, 4, 4))) * (_CELL + _GAP) + 8

    held = sum(1 for race in races if race.outcome.is_violation)
    unjudged = sum(1 for race in races if not race.outcome.is_judged)
    description = (
        f"{len(races)} races: {held} with a violation, {unjudged} without a verdict, the others one winner."
    )
    keys = (
        Key("won", RaceOutcome.ONE_WINNER.value.replace("_", " ")),
        Key("violated", "violation"),
        Key("unjudged", "no verdict"),
    )
    return both("Every race", description, keys, draw, tall, sides=(4, 4))


def _a_row(box: Box) -> int:
    return max(1, (box.width - box.left - box.right) // (_CELL + _GAP))


def _cell(box: Box, column: int, row: int, race: Race) -> Markup:
    x, y = box.left + column * (_CELL + _GAP), 4 + row * (_CELL + _GAP)
    kind = "violated" if race.outcome.is_violation else "won" if race.outcome.is_judged else "unjudged"
    said = tag("title", None, text(f"race {race.index}: {race.outcome}, {seconds(race.seconds)}"))
    parts = [
        tag("rect", {"class": f"fill {kind}", "x": x, "y": y, "width": _CELL, "height": _CELL, "rx": 2}, said)
    ]
    if race.outcome.is_violation:
        a, b = 4, _CELL - 4
        cross = f"M{x + a},{y + a}L{x + b},{y + b}M{x + b},{y + a}L{x + a},{y + b}"
        parts.append(tag("path", {"class": "cross", "d": cross}))
    return join(parts)


def timeline(race: Race) -> Markup:
    """One race: a row for each accept, from when it left to its answer, with what it was told."""
    return accepts_timeline(
        f"Race {race.index}: {race.outcome}, {seconds(race.seconds)}", race.outcome, race.answers
    )


def worth_a_look(detail: RaceDetail, most: int = 20) -> tuple[Race, ...]:
    """The races whose timelines are shown: violations, then the slowest; every violation where these are few."""
    violated = [race for race in detail.races if race.outcome.is_violation]
    timed = [race for race in detail.races if race.seconds is not None and not race.outcome.is_violation]
    slowest = sorted(timed, key=lambda race: -(race.seconds or 0.0))[:1]
    return (*violated[:most], *slowest)
