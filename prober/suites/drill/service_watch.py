"""Watches Redis and the database during a drill with the daemon's own probes, pace and outage judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from prober.clock import Instant
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import Intentions, assemble
from prober.daemon.reactions import Reactions
from prober.daemon.watch import Watch
from prober.event import Event, Outage, OutageChanged, ProbeRan, ViolationFound
from prober.judge.service_clock import ServiceClock
from prober.judge.win_rate import RaceWindow
from prober.outcome import OutageState, ProbeName, Service
from prober.probes.base import Unrestricted
from prober.result import AwaitedWebhook, DatabaseResult, RedisResult

PROBE_OF = {Service.REDIS: ProbeName.REDIS, Service.DATABASE: ProbeName.DATABASE}
# Without a direct way the pooler is what can be asked.
WATCHED = frozenset({ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED})


class _NoLedger:
    """A drill keeps no journal."""

    async def expect(self, webhook: AwaitedWebhook) -> None:
        """Nothing."""

    async def forget(self, webhooks: Sequence[AwaitedWebhook]) -> None:
        """Nothing."""

    async def violation(self, found: ViolationFound) -> None:
        """Nothing."""

    async def cleaned(self, order_id: str) -> None:
        """Nothing."""


class ServiceWatch:
    """The outages of both services. `config` is that of the way on which the fault can be seen."""

    def __init__(self, config: Config, contract: Contract, service: Service) -> None:
        self._config = config
        self._assembled = assemble(config, contract, Intentions(webhook=_nothing, order=_nothing), Unrestricted())
        names = {watched.probe.name for watched in self._assembled.watched}
        direct = PROBE_OF[service] in names
        self._service = service
        self._name = PROBE_OF[service] if direct or service is Service.REDIS else ProbeName.DATABASE_POOLED
        self._clock = ServiceClock(time.monotonic())
        self._down: set[ProbeName] = set()
        self._good: set[ProbeName] = set()
        self._last_bad = ""
        self._news = asyncio.Event()
        self._operations: dict[ProbeName, list[tuple[float, float]]] = {}  # when, and how long
        self.outages: list[Outage] = []  # of the service that is broken; those that are over

    @property
    def down(self) -> bool:
        """Whether the service that is broken is in an outage now."""
        return self._name in self._down

    @property
    def others(self) -> frozenset[Service]:
        """The services that are watched beside the one that is broken."""
        names = {watched.probe.name for watched in self._assembled.watched}
        return frozenset(
            service for service, name in PROBE_OF.items() if name in names and service is not self._service
        )

    @property
    def others_down(self) -> bool:
        """Whether there are others, and all of them are in an outage now."""
        return bool(self.others) and all(PROBE_OF[service] in self._down for service in self.others)

    @property
    def trouble(self) -> str:
        """What the last failing probe of any service said."""
        return self._last_bad

    def service_time(self) -> float:
        """Seconds during which no service was down."""
        return self._clock.read(time.monotonic())

    def operations(self, probe: ProbeName, before: float) -> list[float]:
        """How long (seconds) its operations took that were answered rightly, and begun before that instant."""
        return [each for at, each in self._operations.get(probe, ()) if at < before]

    async def forever(self) -> None:
        """Probe until cancelled."""
        reactions = Reactions(
            _NoLedger(), self._publish, RaceWindow(1, 0), race_fresh_for=0.0, covers={}, down_since=dict
        )
        watches = [
            Watch(
                watched,
                recovery_successes=self._config.outages.recovery_successes,
                publish=self._publish,
                reactions=reactions,
                gate=self._assembled.gate,
                permission=Unrestricted(),
                down=dict,
            )
            for watched in self._assembled.watched
            if watched.probe.name in WATCHED
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for watch in watches:
                    group.create_task(watch.forever())
        finally:
            await self._assembled.close()

    async def all_well(self, timeout: float) -> bool:
        """Wait until every probe has had a good answer and none is in an outage; whether that came."""
        wanted = {w.probe.name for w in self._assembled.watched if w.probe.name in WATCHED}
        return await self._until(lambda: wanted <= self._good and not self._down, timeout)

    async def recovered(self, timeout: float) -> bool:
        """Wait until the service that is broken is in no outage; whether that came."""
        return await self._until(lambda: not self.down, timeout)

    async def _until(self, condition: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not condition():
            self._news.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return False
        return True

    def _publish(self, event: Event) -> None:
        if isinstance(event, ProbeRan):
            if isinstance(event.result, RedisResult | DatabaseResult):
                times = self._operations.setdefault(event.result.probe, [])
                times += [(event.result.started.mono, each) for each in event.result.operations.values()]
            if event.result.ok:
                self._good.add(event.result.probe)
            else:
                self._last_bad = f"{event.result.probe}: {event.result.detail or event.result.outcome}"
        elif isinstance(event, OutageChanged):
            self._changed(event)
        self._news.set()

    def _changed(self, event: OutageChanged) -> None:
        if event.state is not OutageState.UP:
            self._down.add(event.probe)
            if event.outage is not None:
                self._clock.went_down(event.probe, event.outage.began.mono)
            return
        self._down.discard(event.probe)
        self._clock.came_up(event.probe, event.at.mono)
        if event.probe is self._name and event.outage is not None:
            self.outages.append(event.outage)


def ended_at(outage: Outage) -> float:
    """When an outage that is over ended (CLOCK_MONOTONIC)."""
    ended: Instant = outage.ended or outage.began
    return ended.mono


async def _nothing(*_: object) -> None:
    """These probes make no messages and no orders."""
