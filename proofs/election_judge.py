"""What the records of an election prove: who held the lease when, who wrote when, what was done to whom. Pure.

All times are Unix time of the one machine on which all of it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

# Requests that one replica has in flight at most: a race's accepts, the duplicates', and one of each other probe.
IN_FLIGHT = 16


class Trouble(StrEnum):
    """What was done to a replica."""

    KILL = "killed"
    FREEZE = "frozen"
    SILENCE = "cut off, silently"
    REFUSE = "cut off, refused"


@dataclass(frozen=True)
class Passing:
    """The lease went to `instance` under `fence`."""

    at: float
    fence: int
    instance: str


@dataclass(frozen=True)
class Fault:
    """A replica was in trouble from `began` until it was well again at `ended`."""

    instance: str
    kind: Trouble
    began: float
    ended: float
    led: bool  # whether it held the lease when that began


@dataclass(frozen=True)
class Request:
    """A request that a replica marked with its fencing number, when the target had read all of it."""

    instance: str
    fence: int
    at: float


@dataclass(frozen=True)
class RowWritten:
    """A write of a replica in the database, and who held the lease in that very transaction."""

    what: str
    instance: str
    holder: str
    at: float


@dataclass(frozen=True)
class Sample:
    """`prober_leader` of a replica, asked at `asked` and answered at `answered`."""

    instance: str
    leads: bool
    asked: float
    answered: float


@dataclass(frozen=True)
class Handover:
    """A holder was lost, and another one wrote again."""

    fault: Fault
    taken: float | None  # seconds from the loss until the lease was taken
    wrote: float | None  # until the first write under the new number


def read_mark(mark: str, at: float) -> Request | None:
    """A request by its header `instance/run;fence=7`; None for one that is no write."""
    name, _, fence = mark.partition(";fence=")
    return Request(name.partition("/")[0], int(fence), at) if fence else None


def late(requests: Iterable[Request], passings: Sequence[Passing]) -> list[Request]:
    """The requests that came when the lease had passed to another already."""
    passed = {before.fence: after.at for before, after in pairwise(passings)}
    return [each for each in requests if each.at > passed.get(each.fence, float("inf"))]


def excused(request: Request, faults: Iterable[Fault], passings: Sequence[Passing]) -> Fault | None:
    """The freeze that struck between the check and the sending of a late request; None if there was none."""
    passed = next(after.at for before, after in pairwise(passings) if before.fence == request.fence)
    return next(
        (
            fault
            for fault in faults
            if fault.kind is Trouble.FREEZE
            and fault.instance == request.instance
            and fault.began < passed
            and request.at >= fault.ended
        ),
        None,
    )


def strangers(requests: Iterable[Request], passings: Sequence[Passing]) -> list[Request]:
    """Requests under a number that another replica holds or nobody has held yet."""
    known = {passing.fence: passing for passing in passings}
    return [
        each
        for each in requests
        if each.fence not in known or known[each.fence].instance != each.instance or each.at < known[each.fence].at
    ]


def foreign(rows: Iterable[RowWritten]) -> list[RowWritten]:
    """Rows that were written by a replica while another one held the lease."""
    return [row for row in rows if row.holder != row.instance]


def both_lead(samples: Sequence[Sample], passings: Sequence[Passing]) -> list[tuple[Sample, Sample]]:
    """Pairs of replicas that led at one time by their own metrics.

    One led before and after the other was seen to lead, and has not taken the lease anew in between.
    """
    taken = [(passing.at, passing.instance) for passing in passings]
    found = []
    for number, first in enumerate(samples):
        again = next((s for s in samples[number + 1 :] if s.instance == first.instance), None)
        if again is None or not (first.leads and again.leads):
            continue
        if any(first.asked <= at <= again.answered and who == first.instance for at, who in taken):
            continue
        found += [
            (first, other)
            for other in samples[number + 1 :]
            if other.instance != first.instance
            and other.leads
            and first.answered < other.asked
            and other.answered < again.asked
        ]
    return found


def handovers(
    faults: Sequence[Fault],
    passings: Sequence[Passing],
    requests: Sequence[Request],
    replicas: Sequence[str],
    term: float,
) -> list[Handover]:
    """What followed each loss of a holder: the next taking, by whomever.

    Only where another replica was well all the while, and not where the holder itself was back in time.
    """
    found = []
    for fault in faults:
        if not fault.led or not any(_well(name, fault, faults, term) for name in replicas):
            continue
        held = max((p.fence for p in passings if p.at <= fault.began), default=0)
        passing = next((p for p in passings if p.fence > held), None)
        wrote = None
        if passing is not None:
            wrote = min((r.at for r in requests if r.fence >= passing.fence), default=None)
        found.append(
            Handover(
                fault,
                None if passing is None else passing.at - fault.began,
                None if wrote is None else wrote - fault.began,
            )
        )
    return [handover for handover in found if not _kept(handover, term)]


def _well(name: str, loss: Fault, faults: Iterable[Fault], term: float) -> bool:
    """Whether this replica was in no trouble for two terms from the loss of another."""
    began, ended = loss.began, loss.began + 2 * term
    return name != loss.instance and not any(
        fault.instance == name and fault.began < ended and fault.ended > began for fault in faults
    )


def _kept(handover: Handover, term: float) -> bool:
    """Whether the holder was back before it lost the lease: then nobody had to take it."""
    fault = handover.fault
    back = fault.ended - fault.began
    return fault.kind is not Trouble.KILL and back < term and (handover.taken is None or handover.taken > 2 * term)
