"""What an accept comes to, as a value: decided by `accepting`, answered by a form, written into the record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What an accept comes to."""

    LOCKED = "locked"
    ALREADY_ACCEPTED = "already_accepted"
    LOST_RACE = "lost_race"  # the lock was taken while this accept was under way
    ALREADY_LOCKED = "already_locked"
    CONFLICT = "conflict"  # this vendor has another routing of the same order
    UNKNOWN_ROUTING = "unknown_routing"
    UNKNOWN_VENDOR = "unknown_vendor"
    NO_RESPONSE_ROW = "no_response_row"  # whatever became of the lock


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one accept. `winner` is the vendor told to have the lock; `why` is for the record."""

    verdict: Verdict
    winner: str | None = None
    why: str = "correct"
    window: float | None = None  # seconds between looking and having written, for the fault double_accept_rare
