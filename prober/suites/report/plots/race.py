"""Races: a strip with the outcome of each, and the timeline of one, vendor by vendor."""

from __future__ import annotations

import math
from collections.abc import Mapping

from prober.outcome import Ask, Claim, RaceOutcome
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, axes, both, margins
from prober.suites.report.plots.scales import Linear
from prober.suites.report.wording import seconds
from prober.suites.results_race import Asked, Race, RaceDetail

ROW = 15  # pixels of a vendor
MOST_ROWS = 60
_CELL, _GAP = 16, 3
_LONGEST_NAME = 10
_WON_ROOM = 38  # pixels right of the last answer, for the word

_WON = Key("won", "told that it won")
_LOST = Key("lost", "told that it lost")
_NEITHER = Key("failed", "no clear answer")
_CLAIMS: Mapping[Claim, Key] = {Claim.WON: _WON, Claim.ALREADY_WON: _WON, Claim.LOST: _LOST}
_ASKS: Mapping[Ask, str] = {
    Ask.RACE: "",
    Ask.AGAIN: "again ",
    Ask.LATE: "late ",
    Ask.SECOND: "2nd route ",
    Ask.HELD: "2nd heat ",
}


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
    rows = [one for one in race.answers if one.sent_at is not None][:MOST_ROWS]
    if not rows:
        return NOTHING
    begin = min(0.0, *(one.sent_at or 0.0 for one in rows))
    end = max(one.answered_at or one.sent_at or 0.0 for one in rows)
    left_out = len(race.answers) - len(rows)
    names = short_names(tuple(dict.fromkeys(one.vendor for one in rows)))
    labels = {(one.ask, one.vendor): f"{_ASKS[one.ask]}{names[one.vendor]}" for one in rows}

    def draw(box: Box) -> Markup:
        x = Linear(begin, max(end, begin + 1e-6), *box.x, most=4 if box.narrow else 8)
        y = Linear(0.0, 1.0, *box.y, most=1)
        drawn = [_row(box, x, n, one, labels[one.ask, one.vendor]) for n, one in enumerate(rows)]
        return join([axes(box, x, y, _from_release, lambda _: ""), *drawn])

    told = ", ".join(f"{_who(one)} {one.claim}" for one in rows if one.claim is not Claim.LOST) or "nobody won"
    description = f"Outcome {race.outcome}. Of {len(rows)} accepts: {told}; the others lost."
    name = f"Race {race.index}: {race.outcome}, {seconds(race.seconds)}" + (
        f" ({left_out} accepts without a time or not shown)" if left_out else ""
    )
    height = len(rows) * ROW + 52
    left, _ = margins(labels.values())
    return both(name, description, (_WON, _LOST, _NEITHER), draw, height, sides=(left, _WON_ROOM))


def _row(box: Box, x: Linear, n: int, one: Asked, name: str) -> Markup:
    middle = box.top + n * ROW + ROW / 2
    key = _CLAIMS.get(one.claim, _NEITHER)
    sent = x.at(one.sent_at or 0.0)
    answered = x.at(one.answered_at) if one.answered_at is not None else box.x[1]
    when = f"sent {_from_release(one.sent_at or 0.0)}, answered {seconds(one.answered_at)}"
    said = tag("title", None, text(f"{_who(one)}: {when}, {one.claim}"))
    parts = [
        tag(
            "rect",
            {
                "class": f"fill {key.kind}{'' if one.answered_at is not None else ' open'}",
                "x": sent,
                "y": middle - 4,
                "width": max(2.0, answered - sent),
                "height": 8,
                "rx": 2,
            },
            said,
        ),
        tag("text", {"class": "tick", "x": box.left - 6, "y": middle + 4, "text-anchor": "end"}, text(name)),
    ]
    if key is _WON:
        parts.append(tag("text", {"class": "wonlabel", "x": answered + 5, "y": middle + 4}, text("won")))
    return join(parts)


def _who(one: Asked) -> str:
    return f"{_ASKS[one.ask]}{one.vendor}"


def short_names(vendors: tuple[str, ...]) -> dict[str, str]:
    """What tells vendors apart: their names without what all share, and at most ten characters of them."""
    first, last = min(vendors), max(vendors)
    shared = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    # Digits belong together: of v-10 and v-11 the names are 10 and 11.
    while shared and all(vendor[shared - 1].isdigit() for vendor in vendors):
        shared -= 1
    return {
        vendor: left
        if len(left := vendor[shared:] or vendor) <= _LONGEST_NAME
        else f"…{left[1 - _LONGEST_NAME :]}"
        for vendor in vendors
    }


def _from_release(moment: float) -> str:
    return "0" if moment == 0 else seconds(moment)


def worth_a_look(detail: RaceDetail, most: int = 20) -> tuple[Race, ...]:
    """The races whose timelines are shown: violations, then the slowest; every violation where these are few."""
    violated = [race for race in detail.races if race.outcome.is_violation]
    timed = [race for race in detail.races if race.seconds is not None and not race.outcome.is_violation]
    slowest = sorted(timed, key=lambda race: -(race.seconds or 0.0))[:1]
    return (*violated[:most], *slowest)
