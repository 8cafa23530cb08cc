"""The shape that every probe has: given a run, it returns a result and never raises for what the target does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from prober.clock import Instant
from prober.gate import NO_PERMIT, Permit
from prober.outcome import ProbeName, SkipReason
from prober.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a probe, as the schedule starts it.

    `timeout` (seconds) bounds what is measured; what a probe does beside it (a claim, making and removing an
    order) has bounds of its own. `permit` covers the HTTP requests that its probe demands.
    """

    id: str
    started: Instant
    timeout: float
    ordinal: int = 0  # counts the runs of this probe since the daemon began; for what is done every n-th time
    urgent: bool = False  # during an outage: only what tells whether the service is back
    permit: Permit = NO_PERMIT


class Permission(Protocol):
    """Whether a write to the target may begin now. Asked right before each write, never once for several.

    A write is whatever changes something in the target: a message, an order, a row, a key, also their removal.
    """

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        """Why none may begin now; None when one may.

        `undo`: it removes what this very run has made, which a pause or a window does not forbid.
        """
        ...

    @property
    def fence(self) -> int | None:
        """The fencing number that writes carry; None where no replicas are elected."""
        ...


class Unrestricted:
    """Permission for one who asks nobody: setting up, and tests."""

    fence: int | None = None

    def refusal(self, *, undo: bool = False) -> SkipReason | None:  # noqa: ARG002 (the shape of Permission)
        """Never."""
        return None


def refusal_under(permission: Permission, fence: int | None) -> SkipReason | None:
    """Why a write that was made ready under this fencing number, and carries it, may not begin now."""
    refused = permission.refusal()
    return SkipReason.NOT_LEADER if refused is None and permission.fence != fence else refused


class Probe(Protocol):
    """One kind of check. `run` is called one at a time; it is the same code for `check` and for `run`.

    `run` returns in bounded time whatever the other side does, and cancels cleanly.
    """

    name: ProbeName

    async def run(self, run: Run) -> Result:
        """Do it once."""
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...


@runtime_checkable
class Successor(Protocol):
    """A probe that does something only now and then, and is to know when the one before it did."""

    def succeed(self, before: Probe) -> None:
        """Take over from a probe of the same name, whose settings were others, when that was done last."""
        ...


class Tripwire(Protocol):
    """An idle connection held open beside a probe: its closing tells of a crash at once.

    It costs the server one idle connection and sends nothing while healthy.
    """

    async def hold(self) -> Instant:
        """Open the connection, wait until it closes, and return that moment.

        Raises ConnectionError when it cannot be opened; the caller waits before it tries again.
        """
        ...
