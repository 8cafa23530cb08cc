"""Faults on the way to a service, by our TCP proxy there: refused, slow, frozen, for as long as we hold.

The proxy itself clears its conditions when the connection that set them ends, so also when its maker is killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prober.faults.conditions import CLEAR
from prober.faults.control_client import Control, ControlError, NobodyError
from prober.faults.driver import FaultError, GoneError
from prober.outcome import DriverKind, FaultKind, Service

PROXY_FAULTS = (FaultKind.REFUSE, FaultKind.SLOW, FaultKind.FREEZE)


class ProxyFault:
    """One fault at one proxy. `conditions` are what `prober.faults.conditions.changed` takes."""

    kind = DriverKind.PROXY

    def __init__(
        self,
        fault: FaultKind,
        service: Service,
        directory: Path,
        conditions: Mapping[str, Any],
    ) -> None:
        self.fault = fault
        self.service = service
        self._directory = directory
        self._conditions = conditions
        self._held: Control | None = None

    @property
    def sentence(self) -> str:
        """What is done."""
        answers = self._conditions.get("down")
        what = "connections refused" if self.fault is FaultKind.REFUSE else "nothing let through"
        if answers is not None:
            what = f"answers {answers['latency'] * 1000:g} ± {answers['jitter'] * 1000:g} ms late"
        return f"{what} on the way to {self.service}, by the proxy in {self._directory}"

    @property
    def how(self) -> Mapping[str, Any]:
        """Where the proxy is."""
        return {"directory": str(self._directory)}

    async def inject(self) -> None:
        """Set the conditions, held by a connection of ours."""
        control = Control(self._directory)
        try:
            await control.__aenter__()
            self._held = control
            await control.hold(**self._conditions)
        except ControlError as error:
            raise FaultError(str(error)) from None

    async def undo(self) -> None:
        """Clear the conditions; those of a proxy that has ended went with it."""
        with suppress(NobodyError):
            try:
                async with Control(self._directory) as control:
                    await control.clear()
            except NobodyError:
                raise
            except ControlError as error:
                raise FaultError(str(error)) from None
        if self._held is not None:
            self._held.close()
            self._held = None

    async def check_undone(self) -> None:
        """Read the proxy's conditions."""
        try:
            async with Control(self._directory) as control:
                state = await control.show()
        except NobodyError:
            raise GoneError(f"the proxy in {self._directory} has ended, and the fault with it") from None
        except ControlError as error:
            raise FaultError(str(error)) from None
        if state.conditions != CLEAR:
            raise FaultError(f"the proxy at {self._directory} is not clear: {state.conditions}")


def conditions_of(fault: FaultKind, *, latency: float, jitter: float) -> dict[str, Any]:
    """What the proxy is told; latency and jitter in seconds, of each piece of an answer."""
    if fault is FaultKind.SLOW:
        return {"down": {"latency": latency, "jitter": jitter}}  # requests come at once, answers late
    return {fault.value: True}
