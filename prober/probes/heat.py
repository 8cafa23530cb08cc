"""One heat of a race: a connection for each vendor, all accepts staged, and released at one instant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from prober.clock import Instant, now
from prober.http1 import Client, Connection, Exchange, release_all
from prober.outcome import Ask, Claim, Outcome, SkipReason
from prober.probes.accept import Accept, Accepts
from prober.probes.base import Permission, Run, refusal_under
from prober.result import VendorAnswer

# Long enough for the staged part of every request to have left this process (seconds).
STAGED = 0.002


@dataclass(slots=True, kw_only=True)
class Heat:
    """One order and what came of racing for it. `spread`: first to last accept released, seconds.

    `held_back`: why nobody asked although everything was ready, where no write may begin.
    """

    order_id: str
    routing_id: str
    released: Instant
    answers: tuple[VendorAnswer, ...] = ()
    spread: float | None = None
    held_back: SkipReason | None = None

    @property
    def times(self) -> list[float]:
        """When each vendor that was answered had its answer, seconds from the release."""
        return [answer.answered for answer in self.answers if answer.answered is not None]


class Lanes:
    """The connections of one run, one for each vendor: opened and warmed once, raced on as often as wanted."""

    def __init__(
        self, client: Client, accepts: Accepts, vendors: Sequence[str], run: Run, permission: Permission
    ) -> None:
        self._permission = permission
        self._client = client
        self._accepts = accepts
        self._vendors = vendors
        self._run = run
        self._opened: list[Connection | Exchange] = []

    async def race(self, heat: Heat, ask: Ask) -> None:
        """Let every vendor accept at one instant, and wait for all answers."""
        await (await self.started(heat, ask)).answered()

    async def started(self, heat: Heat, ask: Ask) -> Racing:
        """Let every vendor accept at one instant; without every connection open nobody does."""
        await self._open()
        connections = [each for each in self._opened if isinstance(each, Connection)]
        if len(connections) < len(self._vendors):
            heat.answers = self._not_raced(ask)
            return Racing(self._accepts, heat, [], [], self._run.timeout)
        fence = self._permission.fence
        accepts = [
            self._accepts.make(self._run, heat.order_id, heat.routing_id, vendor, ask, fence)
            for vendor in self._vendors
        ]
        for accept, connection in zip(accepts, connections, strict=True):
            connection.stage(accept.request)
        # What was staged is on the wire once the loop has turned; then nothing stands between the releases.
        await asyncio.sleep(STAGED)
        heat.held_back = refusal_under(self._permission, fence)
        if heat.held_back is not None:
            self.close()
            return Racing(self._accepts, heat, [], [], self._run.timeout)
        heat.released = now()
        heat.spread = max(release_all(connections)) - heat.released.mono
        return Racing(self._accepts, heat, accepts, connections, self._run.timeout)

    def close(self) -> None:
        """Close every connection."""
        for each in self._opened:
            if isinstance(each, Connection):
                each.close()
        self._opened = []

    async def _open(self) -> None:
        """Open and warm what is not open yet, and what the server has closed since."""
        warm_up = self._accepts.warm_up(self._run)

        async def opened(before: Connection | Exchange | None) -> Connection | Exchange:
            if isinstance(before, Connection):
                if before.usable:
                    return before
                before.close()
            connection = await self._client.connect(self._run.permit, timeout=self._run.timeout)
            if warm_up is None or before is not None or isinstance(connection, Exchange):
                return connection
            warmed = await connection.exchange(warm_up, timeout=self._run.timeout)
            if warmed.answer is None or warmed.answer.status == 429:
                connection.close()
                return warmed
            # A server that closes after each answer has been warmed all the same.
            return await opened(connection)

        before: Sequence[Connection | Exchange | None] = self._opened or [None] * len(self._vendors)
        self._opened = list(await asyncio.gather(*(opened(each) for each in before)))

    def _not_raced(self, ask: Ask) -> tuple[VendorAnswer, ...]:
        """Tell why nobody asked: without every connection open there is no common start."""
        answers = []
        for vendor, outcome in zip(self._vendors, self._opened, strict=True):
            claim, why, told = Claim.NO_ANSWER, Outcome.NOT_KNOWN, "connected, but the race did not start"
            if isinstance(outcome, Exchange):
                limited = outcome.answer is not None
                claim = Claim.RATE_LIMITED if limited else Claim.NO_ANSWER
                why, told = outcome.outcome, "429 before the race" if limited else outcome.detail
            answers.append(
                VendorAnswer(
                    vendor_id=vendor,
                    sent=None,
                    answered=None,
                    claim=claim,
                    code=None,
                    outcome=why,
                    told=told,
                    ask=ask,
                )
            )
        return tuple(answers)


class Racing:
    """A heat under way."""

    def __init__(
        self,
        accepts: Accepts,
        heat: Heat,
        staged: Sequence[Accept],
        connections: Sequence[Connection],
        timeout: float,
    ) -> None:
        self._accepts = accepts
        self._heat = heat
        self._staged = staged
        self._answers = asyncio.gather(*(connection.answer(timeout=timeout) for connection in connections))

    async def until(self, seconds: float) -> None:
        """Wait until so long after the release, or until everybody has been answered."""
        left = self._heat.released.mono + seconds - now().mono
        await asyncio.wait([self._answers], timeout=max(0.0, left))

    async def answered(self) -> None:
        """Wait for every answer and write them down."""
        exchanges = await self._answers
        if self._staged:
            released = self._heat.released.mono
            self._heat.answers = tuple(
                self._accepts.read(accept, exchange, released)
                for accept, exchange in zip(self._staged, exchanges, strict=True)
            )
