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
class StoredLatency:
    """How long one run took; not `good`: it says nothing of how fast the target is."""

    seq: int
    at_wall: float
    seconds: float | None
    good: bool


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
    """One violation. Whether it pages is `prober.judge.violations`' to say."""

    seq: int
    id: str
    kind: str
    first_wall: float
    last_wall: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAcknowledgement:
    """A violation, or a kind of them (`what`), is known from `at_wall` until `until_wall`."""

    what: str
    at_wall: float
    until_wall: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSuite:
    """One run of a suite, without its detail. `summary`: environment, measures, verdicts, notes, violations."""

    seq: int
    run_id: str
    suite: str
    scenario: str
    started_wall: float
    ended_wall: float
    duration: float
    ending: str
    verdict: str | None
    sentence: str
    summary: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Totals since the journal began, by name; retention does not lower them. `marks` is how many are left."""

    violations: Mapping[str, int]
    settlements: Mapping[str, int]
    marks: int
