"""One race as it happened: a row for each accept, from when it left to its answer. Also drawn by the status page.

It takes any values of the right shape, since the web process has journal entries and no pydantic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from prober.outcome import Ask, Claim
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.frame import Box, Key, axes, both, margins
from prober.suites.report.plots.scales import Linear
from prober.suites.report.wording import seconds

ROW = 15  # pixels of a vendor
MOST_ROWS = 60
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


class Accept(Protocol):
    """One accept; times in seconds from the release, None for what never was."""

    @property
    def vendor(self) -> str:
        """Who asked."""
        ...

    @property
    def ask(self) -> Ask:
        """When and why."""
        ...

    @property
    def sent_at(self) -> float | None:
        """When the request left."""
        ...

    @property
    def answered_at(self) -> float | None:
        """When the answer was there."""
        ...

    @property
    def claim(self) -> Claim:
        """What the answer was read as."""
        ...


def accepts_timeline(name: str, outcome: str, accepts: Sequence[Accept]) -> Markup:
    """A figure of these accepts; nothing where none has a time."""
    rows = [one for one in accepts if one.sent_at is not None][:MOST_ROWS]
    if not rows:
        return NOTHING
    begin = min(0.0, *(one.sent_at or 0.0 for one in rows))
    end = max(one.answered_at or one.sent_at or 0.0 for one in rows)
    left_out = len(accepts) - len(rows)
    names = short_names(tuple(dict.fromkeys(one.vendor for one in rows)))
    labels = {(one.ask, one.vendor): _label(one.ask, names[one.vendor]) for one in rows}

    def draw(box: Box) -> Markup:
        x = Linear(begin, max(end, begin + 1e-6), *box.x, most=4 if box.narrow else 8)
        y = Linear(0.0, 1.0, *box.y, most=1)
        drawn = [_row(box, x, n, one, labels[one.ask, one.vendor]) for n, one in enumerate(rows)]
        return join([axes(box, x, y, from_release, lambda _: ""), *drawn])

    told = ", ".join(f"{_who(one)} {one.claim}" for one in rows if one.claim is not Claim.LOST) or "nobody won"
    description = f"Outcome {outcome}. Of {len(rows)} accepts: {told}; the others lost."
    name += f" ({left_out} accepts without a time or not shown)" if left_out else ""
    height = len(rows) * ROW + 52
    left, _ = margins(labels.values())
    return both(name, description, (_WON, _LOST, _NEITHER), draw, height, sides=(left, _WON_ROOM))


def _row(box: Box, x: Linear, n: int, one: Accept, name: str) -> Markup:
    middle = box.top + n * ROW + ROW / 2
    key = _CLAIMS.get(one.claim, _NEITHER)
    sent = x.at(one.sent_at or 0.0)
    answered = x.at(one.answered_at) if one.answered_at is not None else box.x[1]
    when = f"sent {from_release(one.sent_at or 0.0)}, answered {seconds(one.answered_at)}"
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


def _label(ask: Ask, name: str) -> str:
    """Who asked and when; the vendor that comes late may be named so."""
    return name if _ASKS[ask] == f"{name} " else f"{_ASKS[ask]}{name}"


def _who(one: Accept) -> str:
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


def from_release(moment: float) -> str:
    """A moment of a race, as the time since its release."""
    return "0" if moment == 0 else seconds(moment)
