"""What is read from the journal: rows as immutable values, times in Unix seconds, lengths in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """One run of a probe. `specifics` are the fields of its kind of result."""

    seq: int
    probe: str
    run_id: str
    started_wall: float
    duration: float
    outcome: str
    detail: str
    specifics: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutage:
    """One outage; `ended_wall` and `duration` are None while it lasts."""

    seq: int
    id: str
    probe: str
    began_wall: float
    ended_wall: float | None
    duration: float | None
    uncertainty: float | None
    cause: str
    detail: str
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRace:
    """One race. `evidence` is the whole RaceResult, and only there when one race was asked for."""

    seq: int
    id: str
    released_wall: float
    outcome: str
    violation: bool
    sentence: str
    routing_id: str
    order_id: str
    race_duration: float | None
    evidence: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWebhook:
    """One accepted message and what became of it; times are None for what never came."""

    seq: int
    message_sid: str
    run_id: str
    mode: str | None
    body: str | None
    from_number: str | None
    intended_wall: float | None
    accepted_wall: float | None
    followed: bool
    settlement: str | None
    settled_wall: float | None
    delay: float | None
    effects: int | None
    sentence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredViolation:
    """One violation, with the acknowledgement of it or of its kind, if there ever was one."""

    seq: int
    id: str
    kind: str
    first_wall: float
    last_wall: float
    sentence: str
    acknowledged_until: float | None
    acknowledged_because: str | None

    def is_known(self, now_wall: float) -> bool:
        """Whether somebody has acknowledged it: shown, not paging."""
        return self.acknowledged_until is not None and self.acknowledged_until > now_wall

    def is_open(self, now_wall: float, violation_hold: float) -> bool:
        """Whether it pages."""
        return self.last_wall >= now_wall - violation_hold and not self.is_known(now_wall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Totals since the journal began, by name; retention does not lower them. `marks` is how many are left."""

    violations: Mapping[str, int]
    settlements: Mapping[str, int]
    marks: int
