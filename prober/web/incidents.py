"""The documents of `/api/v1/incidents`, `/api/v1/races` and `/api/v1/races/{id}`, and what may be asked. Pure.

Moments are Unix seconds, lengths seconds. What is not known is null, never 0. Lists are newest first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prober.judge.violations import fate
from prober.outcome import ProbeName, Violation
from prober.publish.evidence import Evidence, suspensions
from prober.publish.journal.incidents import IncidentsAsked, cursor_of, read_cursor
from prober.publish.journal.reader import Reader
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredViolation
from prober.web.paging import MOST, USUAL, BadQueryError, choice, known_only, number

T = TypeVar("T")

OUTAGE, VIOLATION = "outage", "violation"


@dataclass(frozen=True, slots=True)
class Incident:
    """An outage, or a violation with what it is now; `reason` is that of its acknowledgement."""

    stored: StoredOutage | StoredViolation
    standing: str | None = None
    reason: str = ""


def asked_incidents(query: Mapping[str, str]) -> IncidentsAsked:
    """Read the parameters `type`, `probe`, `kind`, `since`, `limit` and `before`. Raises BadQueryError."""
    known_only(query, ("type", "probe", "kind", "since", "limit", "before"))
    which = choice(query, "type", (OUTAGE, VIOLATION))
    probe = choice(query, "probe", tuple(ProbeName))
    kind = choice(query, "kind", tuple(Violation))
    if probe is not None and (kind is not None or which == VIOLATION):
        raise BadQueryError("probe: expected for outages alone; violations have a kind")
    if kind is not None and which == OUTAGE:
        raise BadQueryError("kind: expected for violations alone; outages have a probe")
    return IncidentsAsked(
        outages=which != VIOLATION and kind is None,
        violations=which != OUTAGE and probe is None,
        probe=probe,
        kind=kind,
        since=_since(query.get("since")),
        limit=number(query, "limit", MOST) or USUAL,
        before=_read("before", query.get("before"), read_cursor),
    )


def find_incidents(reader: Reader, asked: IncidentsAsked, hold: float, now_wall: float) -> tuple[Incident, ...]:
    """Ask for a page of incidents. `hold` (seconds) is how long a violation stays open. Raises UnreadableError."""
    found = reader.incidents(asked)
    violations = [one for one in found if isinstance(one, StoredViolation)]
    names = {name for one in violations for name in (one.id, one.kind)}
    acknowledged = reader.acknowledgements(*names) if names else ()

    def told(one: StoredOutage | StoredViolation) -> Incident:
        if isinstance(one, StoredOutage):
            return Incident(one)
        own = [ack for ack in acknowledged if ack.what in (one.id, one.kind)]
        its = fate(one.last_wall, suspensions(own), hold)
        return Incident(one, str(its.standing(now_wall)), its.reason)

    return tuple(told(one) for one in found)


def incidents_document(page: Sequence[Incident], limit: int) -> dict[str, object]:
    """One page; `next` is the `before` of the page after it, null at the end."""
    return {"incidents": [_incident(one) for one in page], "next": next_incidents(page, limit)}


def next_incidents(page: Sequence[Incident], limit: int) -> str | None:
    """The cursor of the page after this one; None where this is the last."""
    return str(cursor_of(page[-1].stored)) if page and len(page) == limit else None


def races_document(page: Sequence[StoredRace], limit: int) -> dict[str, object]:
    """One page of races without their evidence; `next` as above."""
    return {
        "races": [_race(one) for one in page],
        "next": page[-1].seq if page and len(page) == limit else None,
    }


def race_document(evidence: Evidence) -> dict[str, object]:
    """One race with all that proves its outcome, and the violations that came of it."""
    document = evidence.document()
    race = evidence.race
    stored = {} if race is None else {**_race(race), "evidence": race.evidence}
    return {"race": stored, "violations": document["violations"]}


def _incident(one: Incident) -> dict[str, object]:
    match one.stored:
        case StoredOutage() as outage:
            return {
                "type": OUTAGE,
                "id": outage.id,
                "probe": outage.probe,
                "cause": outage.cause,
                "detail": outage.detail,
                "began": outage.began_wall,
                "ended": outage.ended_wall,
                "seconds": outage.duration,
                "uncertainty_seconds": outage.uncertainty,
                "failed_runs": outage.failures,
            }
        case violation:
            return {
                "type": VIOLATION,
                "id": violation.id,
                "kind": violation.kind,
                "first_seen": violation.first_wall,
                "last_seen": violation.last_wall,
                "sentence": violation.sentence,
                "standing": one.standing,
                "reason": one.reason,
            }


def _race(race: StoredRace) -> dict[str, object]:
    return {
        "id": race.id,
        "released": race.released_wall,
        "outcome": race.outcome,
        "violation": race.violation,
        "sentence": race.sentence,
        "routing_id": race.routing_id,
        "order_id": race.order_id,
        "race_seconds": race.race_duration,
    }


def _since(text: str | None) -> float:
    if text is None:
        return -math.inf
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not math.isfinite(moment):
        raise BadQueryError(f"since: expected Unix seconds, found {text[:100]!r}")
    return moment


def _read(name: str, text: str | None, read: Callable[[str], T]) -> T | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise BadQueryError(f"{name}: expected the `next` of the page before, found {text[:100]!r}") from None
