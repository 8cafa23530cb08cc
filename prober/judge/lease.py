"""Who may write: one replica's view of the lease, a pure state machine.

Facts with their times go in (what was asked, when it was sent, what came back), out come what to ask next and
until when a write may begin. All times are seconds of CLOCK_BOOTTIME of the machine that asks; no clocks of two
machines are ever compared, only lengths that each of them counted:

- the holder may begin a write until `term` after it *sent* its last renewal, less a margin for clocks that run at
  different rates;
- another takes the lease once it has *seen* it without a renewal for a whole term (its own or the holder's,
  whichever is longer), by comparing and setting that very state; the sight came after the renewal, so the one ends
  before the other may begin, however long messages take and whoever is frozen in between.

Each taking raises the fencing number, which the server compares in every write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

NEVER = float("-inf")

# How much clocks may differ in rate, as a share of the term; quartz differs by a ten-thousandth.
DRIFT = 0.05
# Shares of the term: from one renewal or look to the next, the longest that one may take, the wait after a fault.
PACE = 1 / 3
ATTEMPT = 1 / 4
RETRY = 1 / 15


class Asking(Enum):
    """What is asked of the lease's row; each is one statement."""

    LOOK = auto()  # read it
    TAKE = auto()  # take it: from nobody, from ourselves, or as it was `seen`
    RENEW = auto()  # extend it, as long as it is ours under our number


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The lease as the server has it. `stamp` is another after each renewal; `term` in seconds."""

    holder: str
    fence: int
    term: float
    stamp: int
    free: bool = False  # given back by its holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What one replica knows. `holder` is its id of this life; `fence` the last number it held, 0 for none.

    `seen` is what the row was when last looked at (None: there was none, or it was not `looked` at since something
    changed), `seen_since` when the first look that found it so was answered.
    """

    holder: str
    term: float
    fence: int = 0
    until: float = NEVER  # a write may begin before this
    looked: bool = False
    seen: Row | None = None
    seen_since: float = NEVER
    ask_at: float = NEVER

    def holds(self, now: float) -> bool:
        """Whether a write may begin at this moment."""
        return now < self.until


def next_asking(lease: Lease, now: float) -> Asking:
    """What to ask now."""
    if lease.holds(now):
        return Asking.RENEW
    if not lease.looked:
        return Asking.LOOK
    return Asking.TAKE if now >= _takeable_at(lease) else Asking.LOOK


def patience(lease: Lease, now: float) -> float:
    """How long an answer may take (seconds): one that comes after the lease has lapsed is of no use."""
    longest = lease.term * ATTEMPT
    return min(longest, lease.until - now) if lease.holds(now) else longest


def answered(lease: Lease, asked: Asking, row: Row | None, *, sent: float, now: float) -> Lease:
    """Take in an answer. `row`: what was read; what was taken or renewed, None where that was refused.

    `sent` is a moment before the statement was sent.
    """
    if asked is Asking.LOOK:
        return _looked(lease, row, now)
    if row is None:
        # Somebody else was faster, or has taken it: look who.
        return replace(lease, until=NEVER, looked=False, seen=None, seen_since=NEVER, ask_at=now)
    return replace(
        lease,
        fence=row.fence,
        until=sent + lease.term * (1 - DRIFT),
        looked=False,
        seen=None,
        seen_since=NEVER,
        ask_at=sent + lease.term * PACE,
    )


def failed(lease: Lease, now: float) -> Lease:
    """Take in that no answer came. What was asked may have been done all the same; a look will tell."""
    return replace(lease, ask_at=now + lease.term * RETRY)


def given_back(lease: Lease) -> Lease:
    """Hold it no longer: to be called before the server is told."""
    return replace(lease, until=NEVER, looked=False, seen=None, seen_since=NEVER)


def _looked(lease: Lease, row: Row | None, now: float) -> Lease:
    same = lease.looked and row == lease.seen
    found = replace(lease, looked=True, seen=row, seen_since=lease.seen_since if same else now)
    takeable = _takeable_at(found)
    return replace(found, ask_at=now if now >= takeable else min(now + lease.term * PACE, takeable))


def _takeable_at(lease: Lease) -> float:
    """From when on the row may be taken, going by what was seen of it."""
    row = lease.seen
    if row is None or row.free or row.holder == lease.holder:
        return NEVER
    return lease.seen_since + max(lease.term, row.term)
