"""The evidence of one race, message, outage or violation: drawn, in tables, and as `prober evidence` has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prober.outcome import Ask, Claim, Standing
from prober.publish.evidence import Evidence, ViolationRecord
from prober.publish.evidence_text import render
from prober.publish.journal.stored import StoredRace
from prober.suites.report.markup import NOTHING, Markup, join, lines, tag, text
from prober.suites.report.plots.timeline import accepts_timeline, from_release
from prober.suites.report.wording import seconds
from prober.web.pages.layout import badge, facts, figure, moment, paragraph, section, table
from prober.web.pages.past import outcome_badge

_ASKS: Mapping[Ask, str] = {
    Ask.RACE: "race",
    Ask.AGAIN: "the winner again",
    Ask.LATE: "a late vendor",
    Ask.SECOND: "a second routing",
    Ask.HELD: "second heat",
}
_CLAIMS: Mapping[Claim, str] = {Claim.WON: "good", Claim.ALREADY_WON: "good", Claim.LOST: "none"}
_ROWS = {
    "rows": "after the race",
    "rows_after": "once the winner had asked again and a late vendor had asked",
    "second_rows": "of the second routing of the order",
    "held_rows": "of the second heat, on an order of its own",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One accept as the journal has it; offsets in seconds from the release of its heat."""

    vendor: str
    ask: Ask
    sent_at: float | None
    answered_at: float | None
    claim: Claim
    code: int | None
    outcome: str
    said: str


def race_content(race: StoredRace, evidence: Evidence, now_wall: float) -> tuple[Markup, ...]:
    """What proves the outcome of a race."""
    document = race.evidence or {}
    history = document.get("history")
    known = history if isinstance(history, Mapping) else {}
    told = tuple(accepts(known.get("answers")))
    first = tuple(one for one in told if one.ask is not Ask.HELD)
    held = tuple(one for one in told if one.ask is Ask.HELD)
    spread = document.get("spread")
    return (
        tag("h1", None, text("Race "), outcome_badge(race.outcome, violation=race.violation)),
        paragraph(text(race.sentence), kind="lead"),
        facts(
            (
                ("Released", moment(race.released_wall)),
                ("Lasted", text("" if race.race_duration is None else seconds(race.race_duration))),
                ("Sent within", text(seconds(spread) if isinstance(spread, float) else "")),
                ("Routing", tag("code", None, text(race.routing_id))),
                ("Order", tag("code", None, text(race.order_id))),
                ("Run", tag("code", None, text(race.id))),
            )
        ),
        *_violations(evidence.violations, now_wall),
        section(
            "timeline",
            "Who asked when, and was answered when",
            accepts_timeline("The race, from its release", race.outcome, first),
            accepts_timeline("The second heat, from its release", race.outcome, held),
            _answers(told) if told else paragraph(text("Nothing was sent.")),
        ),
        section("rows", "What the database says", *_rows(known)),
        _as_text(evidence, now_wall),
    )


def incident_content(evidence: Evidence, wanted: str, now_wall: float) -> tuple[Markup, ...]:
    """What there is of an outage, a message or a violation whose race is gone."""
    kind = "Outage" if evidence.outage is not None else "Message" if evidence.webhook is not None else "Incident"
    return (
        tag("h1", None, text(f"{kind} "), tag("code", None, text(wanted))),
        *_violations(evidence.violations, now_wall),
        _as_text(evidence, now_wall),
    )


def accepts(answers: object) -> Iterator[Told]:
    """Read the answers of a race out of its evidence; one that is of another form is left to the text below."""
    for one in answers if isinstance(answers, Sequence) else ():
        try:
            yield Told(
                vendor=str(one["vendor_id"]),
                ask=Ask(one.get("ask", Ask.RACE)),
                sent_at=_moment(one["sent"]),
                answered_at=_moment(one["answered"]),
                claim=Claim(one["claim"]),
                code=one["code"] if isinstance(one["code"], int) else None,
                outcome=str(one["outcome"]),
                said=str(one["told"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            continue


def _moment(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _answers(told: Sequence[Told]) -> Markup:
    columns = ("Vendor", "Asked", "Sent", "Answered", "Status", "Told", "The answer")
    return table("Every accept and its answer", columns, [_answer(one) for one in told])


def _answer(one: Told) -> Sequence[Markup]:
    code = "no whole answer" if one.code is None else str(one.code)
    return (
        text(one.vendor),
        text(_ASKS[one.ask]),
        figure("never" if one.sent_at is None else from_release(one.sent_at)),
        figure("never" if one.answered_at is None else from_release(one.answered_at)),
        text(code if one.outcome == "ok" else f"{code} ({one.outcome})"),
        badge(one.claim.replace("_", " "), _CLAIMS.get(one.claim, "warning")),
        tag("code", None, text(one.said)),
    )


def _rows(history: Mapping[str, object]) -> Iterator[Markup]:
    rows = [(when, found) for name, when in _ROWS.items() if isinstance(found := history.get(name), Mapping)]
    if not rows:
        yield paragraph(text("Not known: the rows could not be read."))
        return
    yield table("Rows", ("Read", "Locked for", "Accepted by"), [_row(when, found) for when, found in rows])
    page = history.get("page_winner")
    if isinstance(page, str):
        yield paragraph(text(f"The status page names {page}."))
    not_held = history.get("not_held")
    if isinstance(not_held, str) and not_held:
        yield paragraph(text(f"No second heat: {not_held}."), kind="soft")


def _row(when: str, found: Mapping[str, object]) -> Sequence[Markup]:
    if found.get("routing_exists") is False:
        return text(when), text("there is no such routing"), NOTHING
    locked, accepted = found.get("locked_vendor"), found.get("accepted_vendors")
    names = [str(one) for one in accepted] if isinstance(accepted, list) else []
    return text(when), text(str(locked or "nobody")), text(", ".join(names) or "nobody")


def _violations(records: Sequence[ViolationRecord], now_wall: float) -> Iterator[Markup]:
    for record in records:
        stored, its = record.stored, record.fate
        standing = its.standing(now_wall)
        until = {
            Standing.OPEN: ("open until", its.open_until),
            Standing.KNOWN: ("known until", its.known_until),
            Standing.OVER: ("over since", its.open_until),
        }[standing]
        yield tag(
            "div",
            {"class": "alarm" if standing is Standing.OPEN else "note"},
            paragraph(tag("strong", None, text(stored.kind)), text(f": {stored.sentence}")),
            paragraph(text(f"{until[0]} "), moment(until[1]), text(f" · {its.reason}" if its.reason else "")),
            paragraph(text("Seen "), moment(stored.last_wall), text(" · "), tag("code", None, text(stored.id))),
        )


def _as_text(evidence: Evidence, now_wall: float) -> Markup:
    said = tag("pre", {"tabindex": "0"}, tag("code", None, lines(render(evidence, now_wall))))
    return section("text", "To paste into a ticket", join([said]))
