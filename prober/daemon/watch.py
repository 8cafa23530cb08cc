"""One probe under watch: schedule → run → outage → publish. The main path of the daemon, top to bottom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from prober.cap import Demand
from prober.clock import Instant, now
from prober.daemon.reactions import Reactions
from prober.event import CapHit, Event, OutageChanged, ProbeRan, ProbeSkipped, ServiceRestarted
from prober.gate import NO_PERMIT, Gate, OverspentError, Permit
from prober.judge import backoff, outage
from prober.judge.backoff import RECOVERY_PROBES, Backoff
from prober.judge.outage import Observation, Tracking
from prober.outcome import Outcome, ProbeName, Service, SkipReason
from prober.probes.base import Permission, Probe, Run, Successor, Tripwire
from prober.probes.synthetic import new_run_id
from prober.result import DatabaseResult, RedisResult, Result
from prober.schedule import Cadence, Start, Timing

log = structlog.get_logger()

# A probe bounds itself: its timeout, and what it does beside (a claim, making and removing an order). One that
# does not come back this long (seconds) after its timeout has a fault of ours.
PATIENCE = 30.0
# A tripwire that cannot be opened is tried again at this pace; the probe itself sees the outage meanwhile.
TRIPWIRE_RETRY = 1.0
# A gauge is absent after this many intervals without a new measurement.
FRESH_INTERVALS = 3
# A run waits this long (seconds) for its permit, or one interval if that is less; then it is skipped.
PATIENCE_FOR_PERMIT = 1.0

SERVICE_OF = {ProbeName.REDIS: Service.REDIS, ProbeName.DATABASE: Service.DATABASE}

Publish = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A probe with what belongs to it. `tracking` is None for probes that have no outage of their own.

    `demand` is what one run may ask over HTTP; a run of a `divisible` one leaves out what the target wants
    nothing of. One that `only_writes` has nothing to do while writes are held back, and none runs while a
    service that it `needs` is down.
    """

    probe: Probe
    timing: Timing
    tracking: Tracking | None = None
    tripwire: Tripwire | None = None
    details_interval: float | None = None
    demand: Demand = field(default_factory=Demand)
    divisible: bool = False
    only_writes: bool = False
    needs: frozenset[ProbeName] = frozenset()


class Watch:
    """Keeps one probe running and its outage tracked; `reactions` carries on what each result means."""

    def __init__(
        self,
        watched: Watched,
        *,
        recovery_successes: int,
        publish: Publish,
        reactions: Reactions,
        gate: Gate,
        permission: Permission,
        down: Callable[[], Mapping[ProbeName, object]],
        offset: float = 0.0,
    ) -> None:
        self.name = watched.probe.name
        self.tracking = watched.tracking
        self._watched = watched
        self._recovery_successes = recovery_successes
        self._publish = publish
        self._reactions = reactions
        self._gate = gate
        self._permission = permission
        self._down = down
        self._backoff = Backoff()
        self._ordinal = 0
        self._sample_due = 0.0  # monotonic
        self._identity: str | None = None
        self._cadence = Cadence(watched.timing, self._turn, offset=offset)
        self._under_way = asyncio.Lock()
        self._stopped = False
        self._tasks: asyncio.TaskGroup | None = None
        self._holding: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Start no more runs; `forever` returns when the one under way has ended."""
        self._stopped = True
        self._cadence.stop()

    def relax(self) -> None:
        """The target is well again: ask at the normal pace from the next turn on."""
        self._backoff = Backoff()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stopped

    def leave(self) -> Tracking | None:
        """Stop for good: whatever the run under way finds says nothing of an outage; how far that was seen."""
        tracking, self.tracking = self.tracking, None
        self.stop()
        return tracking

    def exchange(self, watched: Watched, *, recovery_successes: int, elsewhere: bool = False) -> None:
        """Go on with another probe of the same name: its schedule, its outage and what it counts stay.

        A run under way ends with the probe before, and its result counts. `elsewhere`: it asks another server,
        which is therefore not the old one restarted.
        """
        before, self._watched = self._watched, watched
        self._recovery_successes = recovery_successes
        if elsewhere:
            self._identity = None
        if watched.timing.interval != before.timing.interval:
            self._backoff = Backoff()  # how many turns are left out goes by the interval
        self._succeed(before.probe)
        self._cadence.retime(watched.timing)
        if self._tasks is not None:
            self._tasks.create_task(self._retire(before.probe))
            self._hold_tripwire(self._tasks)

    async def forever(self) -> None:
        """Probe on schedule, and hold the tripwire, until stopped (or cancelled)."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._hold_tripwire(self._tasks)
                await self._cadence.forever()
                if self._holding is not None:
                    self._holding.cancel()
        finally:
            self._tasks = None
            await self._watched.probe.close()

    def _hold_tripwire(self, tasks: asyncio.TaskGroup) -> None:
        if self._holding is not None:
            self._holding.cancel()
        tripwire = self._watched.tripwire
        self._holding = None if tripwire is None else tasks.create_task(self._hold(tripwire))

    async def _retire(self, probe: Probe) -> None:
        """Close a probe that was exchanged, once its last run has ended."""
        async with self._under_way:
            self._succeed(probe)
            await probe.close()

    def _succeed(self, before: Probe) -> None:
        if isinstance(self._watched.probe, Successor):
            self._watched.probe.succeed(before)

    async def _turn(self, start: Start) -> bool:
        """One turn of the schedule; says whether the next run is urgent."""
        if start.skipped:
            self._publish(ProbeSkipped(probe=self.name, reason=SkipReason.OVERRUN, count=start.skipped))
        result = self._not_now() or await self._permitted_run(start.urgent)
        if isinstance(result, SkipReason):
            return self._skip(result)
        self._track(result)
        result = self._reactions.enriched(result)
        if self.name not in RECOVERY_PROBES:
            trouble = backoff.in_trouble(result, self._down())
            self._backoff = backoff.after_run(
                self._backoff, trouble=trouble, interval=self._watched.timing.interval
            )
        self._publish(
            ProbeRan(
                result=result,
                lateness=start.lateness,
                fresh_until=self._fresh_until(result),
                sampled=self._sampled(start, result),
            )
        )
        # After it was published: so the evidence is in the journal before the violation that it proves.
        await self._reactions.react(result)
        return self._urgent

    def _sampled(self, start: Start, result: Result) -> bool:
        """Whether this run stands for its interval: all on the grid, and one an interval of an outage's many."""
        began = result.started.mono
        if start.lateness is None and began < self._sample_due:
            return False
        self._sample_due = began + self._watched.timing.interval
        return True

    @property
    def _urgent(self) -> bool:
        return self.tracking is not None and self.tracking.urgent

    def _skip(self, reason: SkipReason) -> bool:
        """Leave this turn out; says whether the next one is urgent."""
        self._publish(ProbeSkipped(probe=self.name, reason=reason))
        if reason is SkipReason.CAP:
            self._publish(CapHit(probe=self.name))
        return reason is SkipReason.CAP and self._urgent

    def _held_back(self) -> SkipReason | None:
        return self._permission.refusal() if self._watched.only_writes else None

    def _not_now(self) -> SkipReason | None:
        """Why this turn is left out, before anybody is asked."""
        if (refused := self._held_back()) is not None:
            return refused
        if self._watched.needs & self._down().keys():
            return SkipReason.DEPENDENCY_DOWN
        self._backoff, due = backoff.turn(self._backoff)
        return None if due else SkipReason.BACKOFF

    async def _permitted_run(self, urgent: bool) -> Result | SkipReason:
        """Run as soon as the caps allow it, or say why not."""
        while True:
            watched = self._watched
            permit = await self._permitted()
            if isinstance(permit, SkipReason):
                return permit
            try:
                async with self._under_way:
                    # Exchanged by a reload while the permit was waited for: the next probe may want another one.
                    if self._watched is not watched:
                        continue
                    # Asked again: a pause may have begun while the permit was waited for.
                    if (refused := self._held_back()) is not None:
                        return refused
                    return await self._run(urgent, permit)
            finally:
                permit.close()

    async def _permitted(self) -> Permit | SkipReason:
        """The permit for this run, as soon as the caps allow it."""
        demand = self._watched.demand
        if not demand.total:
            return NO_PERMIT
        if self._watched.divisible:
            demand = demand.without(frozenset(self._gate.held_off))
            if not demand.total:
                return SkipReason.RATE_LIMITED
        patience = min(PATIENCE_FOR_PERMIT, self._watched.timing.interval)
        return await self._gate.permit(demand, patience=patience)

    async def _run(self, urgent: bool, permit: Permit) -> Result:
        started = now()
        run = Run(
            id=new_run_id(started.wall),
            started=started,
            timeout=self._watched.timing.timeout,
            ordinal=self._ordinal,
            urgent=urgent,
            permit=permit,
        )
        self._ordinal += 1
        try:
            async with asyncio.timeout(run.timeout + PATIENCE):
                return await self._watched.probe.run(run)
        except TimeoutError:
            outcome, detail = Outcome.TIMEOUT, f"the probe did not come back within {run.timeout:g} s"
        except OverspentError as error:
            self._publish(CapHit(probe=self.name, detail=str(error)))
            outcome, detail = Outcome.NOT_KNOWN, f"a fault in the prober itself: {error}"
        except Exception as error:
            # A fault of ours must neither end the watch nor pass for the target's.
            log.exception("probe failed inside the prober", probe=self.name, run=run.id)
            outcome, detail = Outcome.NOT_KNOWN, f"a fault in the prober itself: {type(error).__name__}"
        return Result(
            probe=self.name,
            run_id=run.id,
            started=started,
            duration=time.monotonic() - started.mono,
            outcome=outcome,
            detail=detail,
        )

    def _track(self, result: Result) -> None:
        restarted = self._restarted(result)
        if self.tracking is None:
            return
        seen = Observation(
            sent=result.started,
            answered=result.started.later(result.finished_mono),
            outcome=result.outcome,
            detail=result.detail,
            restarted=restarted,
        )
        self.tracking, changes = outage.observe(self.tracking, seen, recovery_successes=self._recovery_successes)
        self._changed(changes)

    def _restarted(self, result: Result) -> bool:
        """Notice a server with another identity than before."""
        identity, service = _identity(result), SERVICE_OF.get(self.name)
        if identity is None or service is None:
            return False
        before, self._identity = self._identity, identity
        if before is None or before == identity:
            return False
        self._publish(ServiceRestarted(service=service, at=result.started, detail=f"was {before}, is {identity}"))
        return True

    async def _hold(self, tripwire: Tripwire) -> None:
        while True:
            began = time.monotonic()
            try:
                at = await tripwire.hold()
            except ConnectionError:
                await asyncio.sleep(TRIPWIRE_RETRY)
                continue
            except Exception:
                # A fault of ours: without its tripwire a probe still sees every outage, only later.
                log.exception("tripwire failed inside the prober", probe=self.name)
                await asyncio.sleep(TRIPWIRE_RETRY)
                continue
            self._closed(at)
            # Something may close every connection as soon as it is open: that must not become a flood of them.
            lasted = at.mono - began >= TRIPWIRE_RETRY
            await asyncio.sleep(self._watched.timing.down_interval or 0.0 if lasted else TRIPWIRE_RETRY)

    def _closed(self, at: Instant) -> None:
        if self.tracking is None:
            return
        self.tracking, changes = outage.connection_closed(self.tracking, at)
        self._changed(changes)
        self._cadence.wake()

    def _changed(self, changes: tuple[OutageChanged, ...]) -> None:
        for change in changes:
            self._publish(change)

    def _fresh_until(self, result: Result) -> float:
        pace = self._watched.timing.interval
        if _has_details(result) and self._watched.details_interval is not None:
            pace = max(pace, self._watched.details_interval)
        pace *= self._backoff.fold
        return result.finished_mono + FRESH_INTERVALS * pace + self._watched.timing.timeout


def _identity(result: Result) -> str | None:
    if isinstance(result, RedisResult) and result.info is not None:
        return result.info.run_id
    if isinstance(result, DatabaseResult) and result.stats is not None and result.stats.started_at is not None:
        return f"{result.stats.started_at:.6f}"
    return None


def _has_details(result: Result) -> bool:
    if isinstance(result, RedisResult):
        return result.backlog is not None
    return isinstance(result, DatabaseResult) and result.stats is not None
