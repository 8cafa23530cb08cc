"""A client of the target's control server, for tests and the demo."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import aiohttp

from prober.demo.target.faults import FaultName, Switch
from prober.demo.target.record import Kind


class ControlError(Exception):
    """The control server refused; the text is its reason."""


class ControlClient:
    """An async context manager; `url` is the `control` of the target's ready line."""

    def __init__(self, url: str) -> None:
        self._session = aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=30.0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def ready(self) -> dict[str, Any]:
        """`{ready, url, workers: {index: pid}}`."""
        return await self._ask("GET", "/ready")

    async def workers(self) -> list[int]:
        """Process ids of the workers that run now."""
        found: dict[str, int] = (await self.ready())["workers"]
        return list(found.values())

    async def plant(self, fault: FaultName | str, *, for_seconds: float | None = None, **parameters: Any) -> None:
        """Plant a fault; in force in every process on return."""
        if for_seconds is not None:
            parameters["for_seconds"] = for_seconds
        await self._ask("PUT", f"/faults/{fault}", parameters)

    async def remove(self, fault: FaultName | str) -> None:
        """Remove a fault; gone from every process on return."""
        await self._ask("DELETE", f"/faults/{fault}")

    async def faults(self) -> dict[str, Any]:
        """`{planted, ends_in_seconds, known}`."""
        return await self._ask("GET", "/faults")

    async def switch(self, switch: Switch | str, on: bool) -> None:
        """Turn a switch; in force in every process on return."""
        await self._ask("PUT", f"/switches/{switch}", {"on": on})

    async def switches(self) -> dict[str, bool]:
        """How the switches stand."""
        return await self._ask("GET", "/switches")

    async def record(
        self, kind: Kind | None = None, *, since: float = 0.0, limit: int = 1_000_000
    ) -> list[dict[str, Any]]:
        """Entries after `since` (monotonic seconds), oldest first."""
        query = f"?since={since!r}&limit={limit}" + (f"&kind={kind}" if kind is not None else "")
        entries: list[dict[str, Any]] = (await self._ask("GET", f"/record{query}"))["entries"]
        return entries

    async def summary(self) -> dict[Kind, int]:
        """How many entries of each kind the record has."""
        counts = (await self._ask("GET", "/summary"))["counts"]
        return {kind: counts[kind] for kind in Kind}

    async def reset_record(self) -> None:
        """Begin an empty record."""
        await self._ask("POST", "/record/reset")

    async def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        async with self._session.request(method, path, json=body) as response:
            answer: dict[str, Any] = await response.json()
            if response.status >= 400:
                raise ControlError(answer["error"])
            return answer
