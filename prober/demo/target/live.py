"""The one mutable place of a worker process: the state of faults and switches that is in force now."""

from __future__ import annotations

from prober.demo.target.faults import State


class Live:
    """Read at every use, so that a change holds from the moment it is set."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state
