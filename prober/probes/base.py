"""The shape that every probe has: given a run, it returns a result and never raises for what the target does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from prober.clock import Instant
from prober.outcome import ProbeName
from prober.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a probe, as the schedule starts it.

    `timeout` (seconds) bounds what is measured; what a probe does beside it (a claim, making and removing an
    order) has bounds of its own.
    """

    id: str
    started: Instant
    timeout: float
    ordinal: int = 0  # counts the runs of this probe since the daemon began; for what is done every n-th time
    urgent: bool = False  # during an outage: only what tells whether the service is back


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


class Tripwire(Protocol):
    """An idle connection held open beside a probe: its closing tells of a crash at once.

    It costs the server one idle connection and sends nothing while healthy.
    """

    async def hold(self) -> Instant:
        """Open the connection, wait until it closes, and return that moment.

        Raises ConnectionError when it cannot be opened; the caller waits before it tries again.
        """
        ...
