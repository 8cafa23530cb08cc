"""What the proxy tells of itself: its conditions, and the honest record of what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from prober.faults.conditions import CLEAR, Conditions, changed
from prober.faults.plan import Direction


@dataclass
class Counters:
    """Since the proxy started; `open` alone is of now."""

    connections: int = 0  # accepted
    open: int = 0
    resets: int = 0  # connections that it ended by an RST of its own
    stalls: int = 0  # connections that it left without an answer for good
    resets_passed: int = 0  # connections that one side reset, and the other was told so
    upstream_failures: int = 0  # connections reset because the upstream could not be connected
    bytes_up: int = 0  # written to the upstream
    bytes_down: int = 0  # written to clients

    def passed(self, direction: Direction, size: int) -> None:
        """Count bytes."""
        if direction is Direction.UP:
            self.bytes_up += size
        else:
            self.bytes_down += size


@dataclass(frozen=True)
class State:
    """How it stands at `at` (seconds of CLOCK_MONOTONIC); after a change, since when that is in force."""

    at: float
    conditions: Conditions
    counters: Counters
    held: bool  # the conditions end with the control connection that set them

    def as_json(self) -> dict[str, Any]:
        """The form that `from_json` reads."""
        return {
            "at": self.at,
            "conditions": self.conditions.as_json(),
            "counters": asdict(self.counters),
            "held": self.held,
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(
            at=given["at"],
            conditions=changed(CLEAR, given["conditions"]),
            counters=Counters(**given["counters"]),
            held=given["held"],
        )
