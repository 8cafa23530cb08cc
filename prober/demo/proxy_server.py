"""Our TCP proxy as a server of ours, in front of another one on this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from prober.demo.process import Owner, ServerError
from prober.demo.server import HOST, Server
from prober.faults.control_client import Control, ControlError
from prober.faults.state import State


class Proxy(Server):
    """`python -m prober.faults.proxy` in front of `upstream_port`, which may be changed between two starts.

    Conditions (`prober.faults.conditions.changed`) are in force when the call returns; a restart forgets them and
    the counters. `seed` makes it draw the same again, connection by connection. ControlError for what cannot be.
    """

    name: ClassVar[str] = "proxy"

    def __init__(
        self, owner: Owner, directory: Path, upstream_port: int, *, port: int | None = None, seed: int = 0
    ) -> None:
        super().__init__(owner, directory, port)
        self.upstream_port = upstream_port
        self.seed = seed

    def control(self) -> Control:
        """A control connection of its own, to hold conditions for as long as it is open."""
        return Control(self.directory)

    async def state(self) -> State:
        """Its conditions, and the record of what it did."""
        async with self.control() as control:
            return await control.show()

    async def set(self, **changes: Any) -> State:
        """Change the conditions that are named: `await proxy.set(latency=0.05, jitter=0.02)`."""
        async with self.control() as control:
            return await control.set(**changes)

    async def clear(self) -> State:
        """Take all conditions away."""
        async with self.control() as control:
            return await control.clear()

    async def reset(self) -> State:
        """Reset every connection that is open now."""
        async with self.control() as control:
            return await control.reset()

    async def ask(self) -> None:
        """Ask its control, which answers under any condition."""
        try:
            await self.state()
        except ControlError as error:
            raise ServerError(str(error)) from error

    def _command(self) -> Sequence[str | Path]:
        return [
            *(sys.executable, "-m", "prober.faults.proxy"),
            *("--listen", self.address, "--upstream", f"{HOST}:{self.upstream_port}"),
            *("--control", self.directory, "--seed", str(self.seed)),
        ]
