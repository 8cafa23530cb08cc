"""Faults of the servers of a `prober demo`, by its control socket: killed, stopped, frozen, as long as we hold.

The demo itself undoes a fault when the connection that made it ends, so also when its maker is killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prober.faults.driver import FaultError, GoneError
from prober.faults.unix_socket import ControlError, JsonLink, NobodyError
from prober.outcome import DriverKind, FaultKind, Service

SOCKET = "demo.sock"
OWNED_FAULTS = (FaultKind.STOP, FaultKind.KILL, FaultKind.FREEZE)
# A server that recovers from a crash on a busy machine takes its time (seconds).
TIMEOUT = 60.0
_DOES = {FaultKind.STOP: "orderly stop of", FaultKind.KILL: "SIGKILL to", FaultKind.FREEZE: "SIGSTOP to"}


def demo_link(directory: Path) -> JsonLink:
    """A control connection to the demo in `directory`."""
    return JsonLink(directory, SOCKET, "demo", timeout=TIMEOUT)


class DemoFault:
    """One fault of one server of a demo."""

    kind = DriverKind.DEMO

    def __init__(self, fault: FaultKind, service: Service, directory: Path) -> None:
        self.fault = fault
        self.service = service
        self._directory = directory
        self._held: JsonLink | None = None

    @property
    def sentence(self) -> str:
        """What is done."""
        return f"{_DOES[self.fault]} the {self.service} of the demo in {self._directory}"

    @property
    def how(self) -> Mapping[str, Any]:
        """Where the demo is."""
        return {"directory": str(self._directory)}

    async def inject(self) -> None:
        """Make it, held by a connection of ours."""
        link = demo_link(self._directory)
        try:
            await link.__aenter__()
            self._held = link
            await link.ask({"do": "inject", "service": self.service, "fault": self.fault})
        except ControlError as error:
            raise FaultError(str(error)) from None

    async def undo(self) -> None:
        """Have it undone; there is nothing to undo in a demo that has ended."""
        with suppress(NobodyError):
            try:
                async with demo_link(self._directory) as link:
                    await link.ask({"do": "undo", "service": self.service})
            except NobodyError:
                raise
            except ControlError as error:
                raise FaultError(str(error)) from None
        if self._held is not None:
            self._held.close()
            self._held = None

    async def check_undone(self) -> None:
        """Ask whether the server runs."""
        try:
            async with demo_link(self._directory) as link:
                state = (await link.ask({"do": "show"}))["services"][self.service]
        except NobodyError:
            raise GoneError(f"the demo in {self._directory} has ended, and its {self.service} with it") from None
        except ControlError as error:
            raise FaultError(str(error)) from None
        if not state["running"] or state["fault"] is not None:
            raise FaultError(
                f"the {self.service} of the demo in {self._directory} is still under a fault: {state}"
            )
