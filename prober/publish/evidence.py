"""Finds what the journal holds of one race, webhook, outage or violation, by any of its ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.judge.violations import Fate, Suspension, fate
from prober.outcome import Violation
from prober.publish.journal.encoding import field_names, plain
from prober.publish.journal.reader import Reader
from prober.publish.journal.stored import (
    StoredAcknowledgement,
    StoredOutage,
    StoredRace,
    StoredResult,
    StoredViolation,
    StoredWebhook,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationRecord:
    """One violation with the acknowledgements of it and of its kind, and what becomes of it."""

    stored: StoredViolation
    acknowledgements: tuple[StoredAcknowledgement, ...]
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is. A webhook may be a message that was followed, the probe's result, or both.

    With nothing but `violations` the journal has outlived what proves them.
    """

    race: StoredRace | None = None
    webhook: StoredWebhook | None = None
    result: StoredResult | None = None
    outage: StoredOutage | None = None
    violations: tuple[ViolationRecord, ...] = ()

    def document(self) -> dict[str, object]:
        """All of it as JSON has it, as it was stored."""
        document: dict[str, object] = {}
        for name in ("race", "webhook", "result", "outage"):
            part = getattr(self, name)
            if part is not None:
                document[name] = _without_cursor(part)
        document["violations"] = [
            {
                **_without_cursor(record.stored),
                "acknowledgements": [plain(one) for one in record.acknowledgements],
                "known_until": plain(record.fate.known_until if record.acknowledgements else None),
                "open_until": record.fate.open_until,
            }
            for record in self.violations
        ]
        return document


def find(reader: Reader, wanted: str, *, violation_hold: float) -> Evidence | None:
    """Look for an id: of a violation, a race's run or routing, a message or its run, an outage; None: unknown.

    Raises UnreadableError.
    """
    named = reader.violation(wanted)
    run_id = wanted if named is None else named.id.removeprefix(f"{named.kind}-")
    race = reader.race(run_id)
    webhook = None if race is not None else reader.webhook(run_id)
    result = None
    if race is not None:
        run_id = race.id
    else:
        run_id = run_id if webhook is None else webhook.run_id
        result = reader.result_of_webhook(run_id)
    outage = reader.outage(wanted) if race is None and webhook is None and result is None else None
    if all(part is None for part in (named, race, webhook, result, outage)):
        return None
    of_run = [reader.violation(f"{kind}-{run_id}") for kind in Violation]
    violations = {one.id: one for one in (named, *of_run) if one is not None}
    return Evidence(
        race=race,
        webhook=webhook,
        result=result,
        outage=outage,
        violations=tuple(_record(reader, one, violation_hold) for one in violations.values()),
    )


def _record(reader: Reader, violation: StoredViolation, hold: float) -> ViolationRecord:
    acknowledgements = reader.acknowledgements(violation.id, violation.kind)
    return ViolationRecord(
        stored=violation,
        acknowledgements=acknowledgements,
        fate=fate(violation.last_wall, suspensions(acknowledgements), hold),
    )


def suspensions(acknowledgements: Sequence[StoredAcknowledgement]) -> list[Suspension]:
    """Acknowledgements as the judge takes them."""
    return [
        Suspension(what=one.what, began=one.at_wall, ends=one.until_wall, reason=one.reason)
        for one in acknowledgements
    ]


def _without_cursor(stored: object) -> dict[str, object]:
    names = field_names(type(stored)) or ()
    return {name: plain(getattr(stored, name)) for name in names if name != "seq"}
