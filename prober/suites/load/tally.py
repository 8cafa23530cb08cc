"""What one generator counts while it sends: by kind, by second, and the latency of every accepted message."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from prober.outcome import Outcome

# Microseconds; an hour fits many times.
LONGEST = 2**32 - 1


class Slot:
    """One stretch of time. `micros` are latencies of accepted messages, in microseconds."""

    __slots__ = ("accepted", "begins_at", "failed", "micros", "rejected", "sent")

    def __init__(self, begins_at: float) -> None:
        self.begins_at = begins_at  # seconds since the start
        self.sent = 0
        self.accepted = 0
        self.rejected = 0
        self.failed = 0
        self.micros = array("I")


@dataclass(slots=True)
class Tally:
    """All that was counted. `ordinals` are those of accepted messages.

    `late` is how late (microseconds) messages of an open loop left behind their schedule, `lags` how late the
    event loop was for a timer.
    """

    slots: list[Slot] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)  # a sentence for each kind that is not accepted
    ordinals: array[int] = field(default_factory=lambda: array("Q"))
    unsent: int = 0
    late: array[int] = field(default_factory=lambda: array("I"))
    lags: array[int] = field(default_factory=lambda: array("I"))

    @property
    def sent(self) -> int:
        """Messages that were sent, or could not be for want of a connection."""
        return sum(slot.sent for slot in self.slots)

    @property
    def accepted(self) -> int:
        """Messages that the contract calls accepted."""
        return sum(slot.accepted for slot in self.slots)

    def add(self, other: Tally) -> None:
        """Add what another generator counted in the same stretches of time."""
        for index, slot in enumerate(other.slots):
            if index == len(self.slots):
                self.slots.append(Slot(slot.begins_at))
            mine = self.slots[index]
            mine.sent += slot.sent
            mine.accepted += slot.accepted
            mine.rejected += slot.rejected
            mine.failed += slot.failed
            mine.micros.extend(slot.micros)
        self.rejected += other.rejected
        self.failed += other.failed
        self.details = {**other.details, **self.details}
        self.unsent += other.unsent
        self.late.extend(other.late)
        self.lags.extend(other.lags)


def kind_of(status: int) -> tuple[str, bool]:
    """The name of a status that is not accepted, and whether it is a failure rather than a refusal."""
    if status == 429:
        return Outcome.RATE_LIMITED.value, False
    if status >= 500:
        return Outcome.SERVER_ERROR.value, True
    if 300 <= status < 400:
        return Outcome.REDIRECT.value, False
    return str(status), False


def micros(seconds: float) -> int:
    """Seconds in whole microseconds, as a tally keeps them."""
    return min(max(int(seconds * 1e6), 0), LONGEST)
