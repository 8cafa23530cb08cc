"""What a drill measured beyond the figures that are judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prober.suites.part import Part


class Injection(Part):
    """One fault: what was done, by which driver, when (seconds since the start), and whether it was undone."""

    fault: str
    driver: str
    sentence: str
    began_at: float
    undone_at: float | None
    checked: bool  # whether it was seen from outside that it is undone


class PhaseFigures(Part):
    """Traffic of one phase, by when its requests were sent."""

    name: Literal["before", "during", "after"]
    begins_at: float
    ends_at: float
    sent: int
    accepted: int
    rejected: Mapping[str, int]  # 429 is no error of the endpoint, and counts in neither rate
    failed: Mapping[str, int]
    success_rate: float | None  # accepted and not lost, of what was sent: an answer alone is no success
    error_rate: float | None
    degraded_slow: int  # accepted, but slower than the guide's critical edge
    degraded_late: int  # accepted, but the effect came late, or only once the fault was undone
    p50: float | None
    p99: float | None
    lost: int = 0  # accepted, and the effect never came


class DrillSlot(Part):
    """One second of a drill."""

    begins_at: float
    sent: int
    accepted: int
    failed: int
    p99: float | None
    backlog: int | None


class Followed(Part):
    """What became of the accepted messages, each followed to its end."""

    accepted: int
    in_time: int
    late: int
    lost: int
    repeated: int
    not_known: int


class Backlog(Part):
    """The largest backlog over the queues; None where Redis could not be asked."""

    before: int | None
    largest: int | None
    drained_seconds: float | None  # from the fault's end until it was as before


class Recovery(Part):
    """How long it took to come back after the fault was undone, and the outages as they were measured."""

    # The service itself, from the fault's end to its first good answer; None where it never failed by our probes.
    service_seconds: float | None
    service_outage_seconds: float | None  # from the first failure to the first of several good answers
    uncertainty: float | None
    webhook_seconds: float | None  # the webhook path, from the fault's end to an accepted message with an effect


class Rollbacks(Part):
    """Transactions that the drill's own traffic began and that did not commit."""

    transactions: int
    rolled_back: int
    sentence: str  # how they were counted


class DrillDetail(Part):
    """One drill."""

    kind: Literal["drill"] = "drill"
    service: Literal["redis", "database"]
    rate: float  # messages a second
    injections: tuple[Injection, ...]
    phases: tuple[PhaseFigures, ...]
    series: tuple[DrillSlot, ...]
    followed: Followed | None
    backlog: Backlog
    recovery: Recovery
    rollbacks: Rollbacks | None
