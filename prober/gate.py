"""The one way to the target: whoever wants to send HTTP requests gets a permit here, for all of them at once.

The arithmetic is `prober.cap`. The client (`prober.http1`) opens no connection and sends no request without a
permit that still has one left, so no probe can exceed the caps, whatever its fault.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from prober import cap
from prober.cap import Cap, Demand, Usage
from prober.outcome import RouteFamily, SkipReason

# Timers fire up to a clock tick early: whoever waits looks again no sooner than this.
_LEAST_DELAY = 0.001


class OverspentError(RuntimeError):
    """Code of ours wanted to send more than it has a permit for: a fault of ours, and nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Which family a request target belongs to: the webhook's own path, all below `routing`, and the rest."""

    webhook: str
    routing: str

    def family(self, target: str) -> RouteFamily:
        """The family of a request target as it stands in the request line; case and a last slash do not matter.

        They do not to the target either (Express), so they must not be a way around the webhook's limit.
        """
        path = _plain(target.partition("?")[0])
        if path == _plain(self.webhook):
            return RouteFamily.WEBHOOK
        return RouteFamily.ROUTING if path.startswith(_plain(self.routing)) else RouteFamily.PAGES

    def demand(self, targets: Iterable[str]) -> Demand:
        """What asking each of these request targets once comes to."""
        asked = [self.family(target) for target in targets]
        return Demand(**{family.value: asked.count(family) for family in RouteFamily})


def _plain(path: str) -> str:
    return path.rstrip("/").lower()


class Permit:
    """The right to send so many requests, until it is closed. Only a gate makes one.

    Its places in flight are given back when it is closed and the last request sent under it has ended.
    """

    def __init__(self, demand: Demand, gate: Gate | None, routes: Routes | None = None) -> None:
        self.demand = demand
        self._gate = gate
        self._routes = routes
        self._left = {family: demand.of(family) for family in RouteFamily}
        self._openings = demand.total
        self._under_way = 0
        self._closed = False
        self._returned = False

    def left(self, family: RouteFamily) -> int:
        """How many requests to routes of this family may still be sent."""
        return 0 if self._closed else self._left[family]

    def covers(self, target: str) -> bool:
        """Whether a request to this target may still be sent."""
        return bool(self.left(self._family(target)))

    def open(self) -> None:
        """Count one connection that is about to be opened; one for each request at most, else OverspentError."""
        if self._closed or not self._openings:
            raise OverspentError(f"a connection was asked for, but the permit {self._said()}")
        self._openings -= 1

    def begin(self, request: bytes) -> RouteFamily:
        """Count one request that is about to be sent. OverspentError when it is not covered.

        Each call that returns has to be followed by `end`.
        """
        target = request.split(b" ", 2)[1].decode("latin-1")
        family = self._family(target)
        if not self.left(family):
            raise OverspentError(f"a request to {target} ({family}) was to be sent, but the permit {self._said()}")
        self._left[family] -= 1
        self._under_way += 1
        return family

    def end(self) -> None:
        """A request sent under this permit has ended, one way or the other."""
        self._under_way -= 1
        self._give_back()

    def limited(self, family: RouteFamily, until: float) -> None:
        """The target answered 429 and wants nothing more of this family before `until` (monotonic)."""
        if self._gate is not None:
            self._gate.hold_off(family, until)

    def close(self) -> None:
        """Nothing more will be sent under this permit."""
        self._closed = True
        self._give_back()

    def _family(self, target: str) -> RouteFamily:
        return RouteFamily.PAGES if self._routes is None else self._routes.family(target)

    def _give_back(self) -> None:
        if not self._closed or self._under_way or self._returned:
            return
        self._returned = True
        if self._gate is not None:
            sent = self.demand.webhook - self._left[RouteFamily.WEBHOOK]
            self._gate._taken_back(self.demand, sent)

    def _said(self) -> str:
        if self._closed:
            return "is closed"
        left = ", ".join(f"{n} {family}" for family, n in self._left.items() if n) or "nothing"
        return f"of {self.demand.total} has {left} left"


NO_PERMIT = Permit(Demand(), None)
"""Covers nothing: what a run has that sends no HTTP."""


@dataclass(slots=True, eq=False)
class _Waiter:
    demand: Demand
    routes: Routes
    answer: asyncio.Future[Permit | SkipReason] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Gate:
    """Hands out permits within the cap, first come first served. One gate for everything that asks one target.

    `routes` may be exchanged while it runs: a permit goes by those under which it was asked for.
    """

    def __init__(self, limits: Cap, routes: Routes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.cap = limits
        self.routes = routes
        self._clock = clock
        self._usage = Usage()
        self._waiting: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before: dict[RouteFamily, float] = {}

    @property
    def in_flight(self) -> int:
        """How many requests are granted and not given back."""
        return self._usage.in_flight

    @property
    def held_off(self) -> Mapping[RouteFamily, float]:
        """The families of which the target wants nothing now, and until when (monotonic)."""
        now = self._clock()
        return {family: until for family, until in self._not_before.items() if now < until}

    def hold_off(self, family: RouteFamily, until: float) -> None:
        """Let nothing through to this family before `until`; a shorter wait never replaces a longer one."""
        self._not_before[family] = max(until, self._not_before.get(family, until))

    @contextmanager
    def lent(self, rate: float) -> Iterator[None]:
        """Grant so many requests a second less while somebody else sends them, the webhook's among them."""
        before = self.cap
        webhook = max(0, before.webhook - math.ceil(rate * before.webhook_window))
        self._exchange(replace(before, rate=before.rate - rate, webhook=webhook))
        try:
            yield
        finally:
            self._exchange(before)
            self._serve()

    def at_once(self, demand: Demand) -> Permit | SkipReason:
        """A permit without waiting, or why there is none; nobody who waits already is overtaken."""
        if any(demand.of(family) for family in self.held_off):
            return SkipReason.RATE_LIMITED
        if self._waiting or cap.obstacle(self.cap, self._usage, demand, self._clock()) is not None:
            return SkipReason.CAP
        return self._grant(demand, self.routes)

    async def permit(self, demand: Demand, *, patience: float) -> Permit | SkipReason:
        """A permit for all of `demand`, waiting for it up to `patience` seconds; or why there is none.

        RATE_LIMITED: the target has asked us to wait. CAP: our own limits would have been exceeded; what is more
        than they can ever allow is refused at once.
        """
        found = cap.obstacle(self.cap, self._usage, demand, self._clock())
        if found is not None and found.forever:
            return SkipReason.CAP
        waiter = _Waiter(demand, self.routes)
        self._waiting.append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(patience):
                return await waiter.answer
        except BaseException as error:
            if waiter.answer.done() and not waiter.answer.cancelled():
                granted = waiter.answer.result()
                if isinstance(granted, Permit):
                    granted.close()  # in the moment in which we gave up
            if isinstance(error, TimeoutError):
                return SkipReason.CAP
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self._serve()  # it may have stood before others

    def _exchange(self, limits: Cap) -> None:
        self._usage = cap.exchanged(self.cap, self._usage, limits, self._clock())
        self.cap = limits

    def _grant(self, demand: Demand, routes: Routes) -> Permit:
        self._usage = cap.taken(self.cap, self._usage, demand, self._clock())
        return Permit(demand, self, routes)

    def _taken_back(self, demand: Demand, webhook_sent: int) -> None:
        now = self._clock()
        self._usage = cap.given_back(self.cap, self._usage, demand, webhook_sent=webhook_sent, now=now)
        self._serve()

    def _serve(self) -> None:
        """Grant what can be granted, in order; one who waits for the webhook's share does not keep the others."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        webhook_blocked = False
        soonest = math.inf
        for waiter in list(self._waiting):
            if waiter.answer.done() or (webhook_blocked and waiter.demand.webhook):
                continue
            if any(waiter.demand.of(family) for family in self.held_off):
                self._answer(waiter, SkipReason.RATE_LIMITED)
                continue
            found = cap.obstacle(self.cap, self._usage, waiter.demand, self._clock())
            if found is None:
                self._answer(waiter, self._grant(waiter.demand, waiter.routes))
                continue
            soonest = min(soonest, found.until)
            if found.shared:
                break
            webhook_blocked = True
        if soonest < math.inf:
            delay = max(_LEAST_DELAY, soonest - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._serve)

    def _answer(self, waiter: _Waiter, answer: Permit | SkipReason) -> None:
        self._waiting.remove(waiter)
        waiter.answer.set_result(answer)
