"""docs/api.md: every address of the JSON API, what it may be asked, and what a prober really answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prober.outcome import ProbeName, RaceOutcome, Suite, Violation
from prober.web.paging import MOST, USUAL
from proofs.page import DOCS, head, table

PAGE = DOCS / "api.md"
_SHOWN = 2  # entries of a list

_LIMIT = ("limit", f"how many entries at most: 1 to {MOST}, {USUAL} if it is not given")
_BEFORE = ("before", "go on after a page: the `next` of that page")


def _words(words: object) -> str:
    return ", ".join(f"`{word}`" for word in words)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Address:
    """One address: `asked` is a path with which it was really asked."""

    path: str
    title: str
    meaning: str
    parameters: Mapping[str, str] = field(default_factory=dict)


ADDRESSES = (
    Address(
        "/api/v1/status",
        "What the prober knows now",
        "The last run of each probe, outages under way and the last that ended, what pages, the win rate while it "
        "is fresh, losses, suites, who writes and what holds writes back. `prober status` and the page at `/` are "
        "made of it. A run that is `stale` says nothing of now; a probe that has not run is null. `failing_since` "
        "is when the first of the bad runs began that the last one ends, null after a good one. `held_back` names "
        "probes that may not run now: `paused`, `maintenance`, or `not_leader` where another replica runs them. "
        "`unanswered_races` counts races up to the last in which no vendor got a sure answer, null where the last "
        "had one.",
    ),
    Address(
        "/api/v1/incidents",
        "Outages and violations",
        "Newest first, by when they began. `seconds` is the exact length by the monotonic clock, null while it "
        "lasts; the service came back within `uncertainty_seconds` before the end. `standing` is `open` (it "
        "pages), `known` (acknowledged, with the `reason`) or `over`.",
        {
            "type": "`outage` or `violation`",
            "probe": f"outages of one probe: {_words(ProbeName)}",
            "kind": f"violations of one kind: {_words(Violation)}",
            "since": "Unix seconds: only what began then or later",
            **dict((_LIMIT, _BEFORE)),
        },
    ),
    Address(
        "/api/v1/races",
        "Races",
        "Newest first, without their evidence. `race_seconds` is from the release to the last answer.",
        {"outcome": f"of one outcome: {_words(RaceOutcome)}", **dict((_LIMIT, _BEFORE))},
    ),
    Address(
        "/api/v1/races/{id}",
        "One race with its evidence",
        "By the id of its run or of its routing. `evidence` is all that was seen: each accept with when it was "
        "sent and answered (seconds from the release of its heat), what it was told and read as; the rows; and "
        "the violations that came of it.",
    ),
    Address(
        "/api/v1/suites",
        "Results of suites",
        "Newest first, without their detail, which is in their results files ([results.md](results.md)).",
        {"suite": f"of one suite: {_words(Suite)}", **dict((_LIMIT, _BEFORE))},
    ),
)

_INTRODUCTION = """\
Read-only, on the address of `listen`; TLS and passwords as in `web_config`. Moments are Unix seconds, lengths are
seconds on the monotonic clock. What is not known is null, never 0. Lists go newest first; their `next` is the
`before` of the page after, null at the end, and a page stays where it is while new entries come.

A request that cannot be meant gets an error in JSON: 400 for a parameter that is none or a value it cannot have,
404 for an id that the journal does not have, 405 for another method than GET or HEAD, 503 while the journal cannot
be read or nothing has been said yet.

The answers below are those of a demo in which a fault was planted and Redis was killed; long lists are cut to
their first entries."""


def render(answers: Mapping[str, tuple[str, Any]], refused: tuple[str, Any]) -> str:
    """The page, from what was asked and answered for each path, and one bad request."""
    parts = [head("The JSON API", "make pictures", _INTRODUCTION)]
    for address in ADDRESSES:
        asked, answer = answers[address.path]
        parts.append(f"## `GET {address.path}`\n\n**{address.title}.** {address.meaning}\n")
        if address.parameters:
            rows = [(f"`{name}`", meaning) for name, meaning in address.parameters.items()]
            parts.append(f"{table(('parameter', 'meaning'), rows)}\n")
        parts.append(_exchange(asked, answer))
    parts.append("## An error\n")
    parts.append(_exchange(*refused))
    return "\n".join(parts)


def _exchange(asked: str, answer: Any) -> str:
    return f"```sh\ncurl http://127.0.0.1:9877{asked}\n```\n```json\n{json.dumps(_cut(answer), indent=1)}\n```\n"


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _cut(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_cut(one) for one in value[:_SHOWN]]
    return value
