"""What the vendor race suite measured beyond the figures that are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prober.outcome import Ask, Claim, RaceOutcome
from prober.suites.part import Part


class Asked(Part):
    """One accept: whose, when it left and was answered (seconds since the release), and what it was told."""

    vendor: str
    ask: Ask
    sent_at: float | None
    answered_at: float | None
    claim: Claim
    status: int | None


class Race(Part):
    """One race. `evidence` is all that is known of one without exactly one winner, in the form of the journal."""

    index: int
    run_id: str
    outcome: RaceOutcome
    sentence: str
    seconds: float | None  # release to last answer
    spread: float | None  # between the first and the last release
    answers: tuple[Asked, ...]
    leftovers: int  # rows of ours that cleaning up did not remove; -1: not known
    evidence: Mapping[str, Any] | None = None


class RaceDetail(Part):
    """One race scenario. Races that could not be set up are in `outcomes` and in `races`, never left out."""

    kind: Literal["race"] = "race"
    vendors: int
    wanted: int
    outcomes: Mapping[RaceOutcome, int]
    judged: int
    seconds_min: float | None
    seconds_mean: float | None
    seconds_p95: float | None
    seconds_max: float | None
    answer_p50: float | None
    answer_p99: float | None
    races: tuple[Race, ...]
