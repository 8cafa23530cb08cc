"""The shape of every fault driver: one fault of one service, made, undone, and seen to be undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from prober.outcome import DriverKind, FaultKind, Service


class FaultError(Exception):
    """A fault could not be made, or not be undone; the text says what was expected, what came, what to do."""


class GoneError(FaultError):
    """Who made a fault has ended, and the fault with it: nothing is left to undo. The text says who."""


class Driver(Protocol):
    """One fault. Every method may raise FaultError and nothing else."""

    kind: DriverKind
    fault: FaultKind
    service: Service

    @property
    def sentence(self) -> str:
        """What is done, for people: "SIGKILL to the demo's redis"."""
        ...

    @property
    def how(self) -> Mapping[str, Any]:
        """What another process needs to undo it (JSON; no secrets), as `prober.faults.known` reads it."""
        ...

    async def inject(self) -> None:
        """Make the fault; in force on return."""
        ...

    async def undo(self) -> None:
        """Undo it, whether or not it was made, and whoever made it; may be called again after it failed."""
        ...

    async def check_undone(self) -> None:
        """Look, by another way than that of `undo`, whether it is undone; FaultError while it is not.

        GoneError where nothing can be looked at any more, since it all has ended.
        """
        ...
