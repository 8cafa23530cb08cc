"""Notices that the place of a drill has gone: the target and what nobody broke, and not the fault alone.

A drill waits long for a service that it has broken to come back. Where everything around it has ended too, there
is nothing to wait for, and nothing that was measured since says anything of the target.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from prober.http1 import Endpoint
from prober.outcome import Service

AFTER = 5.0  # seconds without a break
LOOK_EVERY = 0.5  # seconds
CONNECT_TIMEOUT = 1.0  # seconds
# What cannot be undone in this time (seconds) once all is gone is left to the guardian and the ledger.
PATIENCE = 5.0


@dataclass(slots=True)
class Absence:
    """Since when all of it is gone (CLOCK_MONOTONIC). Pure."""

    since: float | None = None

    def seen(self, at: float, *, target: bool, others: bool) -> bool:
        """One look: whether the target is gone, and all services that nobody broke; whether that is for good."""
        if not (target and others):
            self.since = None
            return False
        self.since = at if self.since is None else self.since
        return at - self.since >= AFTER


class Vanishing:
    """Looks until all has gone, and says so once."""

    def __init__(
        self,
        endpoint: Endpoint,
        others: Iterable[Service],
        others_down: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        """`others` are the services that nobody breaks; `say` is told the sentence when all has gone."""
        self._endpoint = endpoint
        self._others = tuple(others)
        self._others_down = others_down
        self._say = say
        self.gone = ""  # the sentence, once it has

    async def forever(self) -> None:
        """Look until cancelled, or until it has gone."""
        absence = Absence()
        while not self.gone:
            others = self._others_down()
            target = others and not await listens(self._endpoint.host, self._endpoint.port)
            if absence.seen(time.monotonic(), target=target, others=others):
                self.gone = self._sentence()
                self._say(self.gone)
            await asyncio.sleep(LOOK_EVERY)
        await asyncio.Event().wait()

    def _sentence(self) -> str:
        where, names = f"{self._endpoint.host}:{self._endpoint.port}", " and ".join(self._others)
        return (
            f"the place of this drill has gone: nobody has listened at {where} for {AFTER:g} s, and {names}, "
            "which this drill did not break, does not answer either"
        )


async def listens(host: str, port: int) -> bool:
    """Whether a connection can be made."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # also a timeout
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
