"""The other end of the proxy's control: what sets, holds and clears conditions, and reads what the proxy did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prober.faults.control import SOCKET
from prober.faults.state import State
from prober.faults.unix_socket import ControlError, JsonLink, NobodyError

__all__ = ["Control", "ControlError", "NobodyError"]

TIMEOUT = 10.0  # seconds for one answer; the proxy answers in a millisecond


class Control(JsonLink):
    """One control connection to the proxy whose socket is in `directory`: an async context manager."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, SOCKET, "proxy", timeout=TIMEOUT)

    async def show(self) -> State:
        """Read the conditions and the counters."""
        return await self._state({"do": "show"})

    async def set(self, **changes: Any) -> State:
        """Change the conditions that are named (`prober.faults.conditions.changed`); the others stay."""
        return await self._state({"do": "set", "conditions": changes})

    async def hold(self, **changes: Any) -> State:
        """As `set`, and all conditions are cleared when this connection ends, however that comes."""
        return await self._state({"do": "set", "conditions": changes, "hold": True})

    async def clear(self) -> State:
        """Take all conditions away, whoever set or holds them."""
        return await self._state({"do": "clear"})

    async def reset(self) -> State:
        """Reset every connection that is open now."""
        return await self._state({"do": "reset"})

    async def _state(self, request: dict[str, Any]) -> State:
        return State.from_json(await self.ask(request))
