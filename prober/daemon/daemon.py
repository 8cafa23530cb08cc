"""The running whole: restores the past, keeps every probe under watch, publishes, and ends in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from prober.clock import Instant, now
from prober.config.model import Config
from prober.config.secrets import Redactor
from prober.contract import Contract
from prober.daemon.assembly import Assembled, Intentions, assemble, database_addresses, witness_address
from prober.daemon.beginning import open_outages, resumed, started
from prober.daemon.derived import covers_of, keep_of, limits_of, race_fresh_for
from prober.daemon.ending import Ending, Stop
from prober.daemon.leadership import leadership_of
from prober.daemon.outlet import Outlet, Sink
from prober.daemon.permission import Paused, permission_of
from prober.daemon.reactions import Reactions
from prober.daemon.reload import Reloader
from prober.daemon.settings import Settings
from prober.daemon.suites.intake import SuiteIntake
from prober.daemon.suites.scheduled import Means, ScheduledSuites, prepare
from prober.daemon.sweep import OrderSweep, OrphanSweep
from prober.daemon.violations import ViolationWatch
from prober.daemon.watch import Watch, Watched
from prober.daemon.watches import Watches
from prober.event import Event, Leading, LoopLag, OutageChanged, Started
from prober.judge.outage import Tracking, given_up
from prober.judge.service_clock import ServiceClock
from prober.judge.win_rate import RaceWindow
from prober.outcome import OutageState, ProbeName
from prober.probes.effects import EffectWatch
from prober.probes.synthetic import Mark
from prober.probes.witness import Witness
from prober.publish.journal.journal import Journal
from prober.publish.journal.restore import Restored
from prober.result import RaceResult
from prober.suites.load.sweeping import sweep_dead_runs
from prober.suites.presence import suite_lives
from prober.web.settings import WebSettings

log = structlog.get_logger()

# The event loop is asked how late it is this often (seconds).
LAG_EVERY = 1.0
# Services without which nothing is processed: while one is down no message can be called lost.
# The pooler is the way that the application takes.
PROCESSING_NEEDS = (ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED)
# Runs under way at the end get this share of `shutdown_timeout` to finish; what they made is undone in the rest.
FINISH_SHARE = 0.5
# Probes start a little apart, so that they do not disturb each other; all within the first second.
STAGGER = 0.1


class Daemon:
    """One prober process, from its start to its end."""

    def __init__(
        self,
        config: Config,
        contract: Contract,
        journal: Journal,
        sink: Sink,
        stop: Stop,
        paused: Paused,
        reloader: Reloader,
        redact: Redactor,
        config_file: Path,
    ) -> None:
        self._config = config
        self._contract = contract
        self._journal = journal
        self._sink = sink
        self._outlet = Outlet(journal, sink)
        self._stop = stop
        self._reloader = reloader
        self._redact = redact
        self._config_file = config_file
        self._began = now()
        self._leadership = leadership_of(config, self._publish)
        self._permission = permission_of(config, paused, self._leadership)
        self._service_clock = ServiceClock(time.monotonic())
        self._watches = Watches(self._watch_of, ended=self._ended, unwatched=self._unwatched)
        self._parts: _Parts | None = None

    async def run(self) -> Ending:
        """Watch until stopped; returns the exit code."""
        config = self._config
        restored = await self._journal.restore(
            now(),
            recovery_hold=config.outages.recovery_hold,
            win_rate_window=config.probes.race.win_rate_window,
        )
        assembled = self.build(config, self._contract)
        reactions = self._reactions(restored)
        self._sink.send(started(config, self._contract, assembled, restored, self._began))
        violations = self._violations(restored)
        effects = self._effects(assembled, reactions, restored)
        sweep = self._sweep(assembled, reactions, restored)
        orphans = self._orphans(assembled, sweep, effects)
        suites = self._suites(assembled, reactions)
        intake = SuiteIntake(config.data_dir, restored.suite_runs, keep=self._outlet.suite, publish=self._publish)
        calendar = self._calendar()
        self._parts = _Parts(reactions, violations, effects, orphans, assembled, suites, calendar)
        for outage in open_outages(assembled, restored):
            if outage.probe in PROCESSING_NEEDS:
                self._service_clock.went_down(outage.probe, outage.began.mono)
        suites.follow(calendar)
        try:
            self._watches.begin([resumed(watched, restored) for watched in assembled.watched])
            await self._watch(violations, effects, sweep, orphans, intake)
        finally:
            calendar.shutdown(wait=False)
            await assembled.close()
            if self._leadership is not None:
                await self._leadership.give_back()
        return self._stop.ending

    async def _watch(
        self,
        violations: ViolationWatch,
        effects: EffectWatch | None,
        sweep: OrderSweep | None,
        orphans: OrphanSweep | None,
        intake: SuiteIntake,
    ) -> None:
        """Run everything until stopped, then give what is in flight its time to finish."""
        others = [
            asyncio.create_task(self._measure_lag(), name="lag"),
            asyncio.create_task(violations.forever(), name="violations"),
            asyncio.create_task(intake.forever(), name="intake"),
            asyncio.create_task(self._reloader.forever(self, self._publish), name="reload"),
            asyncio.create_task(self._permission.tell_changes(self._publish), name="restrictions"),
        ]
        if self._leadership is None:
            self._publish(Leading(leading=True, at=now()))
        else:
            others.append(asyncio.create_task(self._leadership.forever(), name="election"))
        if effects is not None:
            others.append(asyncio.create_task(effects.forever(), name="effects"))
        if sweep is not None:
            others.append(asyncio.create_task(sweep.forever(), name="sweep"))
        if orphans is not None:
            others.append(asyncio.create_task(orphans.forever(), name="orphans"))
        stopped = asyncio.create_task(self._stop.asked.wait())
        done, _ = await asyncio.wait([stopped, *others], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            self._ended(task)
        await self._wind_down(effects)
        for task in [*others, stopped]:
            task.cancel()
        await asyncio.wait([*others, stopped])

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """None of our parts ever returns: this is a fault of ours, and a supervisor has to start us afresh."""
        log.error("a part of the prober ended", part=task.get_name(), error=repr(task.exception()))
        self._stop.fault()

    async def _wind_down(self, effects: EffectWatch | None) -> None:
        """Finish or undo what is in flight, all of it within `shutdown_timeout`."""
        ends = time.monotonic() + self._config.shutdown_timeout
        to_finish = self._config.shutdown_timeout * FINISH_SHARE
        stopping = [] if self._parts is None else [asyncio.create_task(self._parts.suites.stop(to_finish))]
        unfinished = [*await self._watches.stop(to_finish), *stopping]
        # While writes are held back no row may be removed: they stay in the journal, for the next start.
        drains = effects is not None and self._permission.refusal() is None
        settling = [asyncio.create_task(effects.drained())] if effects is not None and drains else []
        # A race that is cut off removes its order on the way out; a message has its rows removed once it is done.
        if ending := [*unfinished, *settling]:
            await asyncio.wait(ending, timeout=max(0.0, ends - time.monotonic()))
        for task in settling:
            task.cancel()

    def build(self, config: Config, contract: Contract) -> Assembled:
        """Make every probe of a config; nothing that runs is touched."""
        prepare(config)
        intend = Intentions(webhook=self._outlet.expect, order=self._outlet.expect_order)
        before = None if self._parts is None else self._parts.assembled
        return assemble(config, contract, intend, self._permission, before=before)

    async def take_up(
        self, config: Config, contract: Contract, assembled: Assembled, elsewhere: Collection[ProbeName]
    ) -> Started:
        """Go on with other settings, in one turn of the event loop; what runs now."""
        parts = self._parts
        if parts is None:
            raise RuntimeError("a reload before the start")
        self._config, self._contract = config, contract
        self._journal.keep(keep_of(config))
        parts.suites.follow(parts.calendar)
        parts.violations.hold_for(config.violations.violation_hold)
        race = config.probes.race
        parts.reactions.exchange(
            window=race.win_rate_window,
            max_unjudged=race.max_unjudged,
            race_fresh_for=race_fresh_for(config),
            covers=covers_of(contract),
        )
        if parts.effects is not None:
            parts.effects.deadline = config.probes.webhook.processing_deadline
        if parts.orphans is not None:
            parts.orphans.limits = parts.orphans.limits.widened(limits_of(config))
        await self._move(parts.assembled.witness, config)
        parts.assembled.gate.routes = assembled.routes
        self._watches.exchange(
            assembled.watched, recovery_successes=config.outages.recovery_successes, elsewhere=elsewhere
        )
        return started(config, contract, assembled, Restored(), self._began)

    async def _move(self, witness: Witness | None, config: Config) -> None:
        """Ask the database, which is the same, by the address and password of now."""
        address = witness_address(config)
        if witness is not None and address is not None and address != witness.address:
            await witness.move(address)
        direct, _ = database_addresses(config.probes.database)
        if self._leadership is not None and direct is not None:
            self._leadership.move(direct)

    def _watch_of(self, watched: Watched, place: int) -> Watch:
        parts = self._parts
        if parts is None:
            raise RuntimeError("a watch before the start")
        return Watch(
            watched,
            recovery_successes=self._config.outages.recovery_successes,
            publish=self._publish,
            reactions=parts.reactions,
            gate=parts.assembled.gate,
            permission=self._permission,
            down=self._down_since,
            offset=place * STAGGER,
        )

    def _unwatched(self, tracking: Tracking) -> None:
        ended, changes = given_up(tracking, now())
        if ended.outage is not None:
            self._outlet.given_up(ended.outage)
        for change in changes:
            self._publish(change)

    def _publish(self, event: Event) -> None:
        if isinstance(event, OutageChanged) and event.probe in PROCESSING_NEEDS:
            if event.state is OutageState.UP:
                self._service_clock.came_up(event.probe, event.at.mono)
            elif event.outage is not None:
                self._service_clock.went_down(event.probe, event.outage.began.mono)
        self._outlet.publish(event)
        if isinstance(event, OutageChanged) and event.probe is ProbeName.WEBHOOK and event.state is OutageState.UP:
            for watch in self._watches:
                watch.relax()

    def _reactions(self, restored: Restored) -> Reactions:
        race = self._config.probes.race
        return Reactions(
            self._outlet,
            self._publish,
            RaceWindow(race.win_rate_window, race.max_unjudged, restored.races),
            race_fresh_for=race_fresh_for(self._config),
            covers=covers_of(self._contract),
            down_since=self._down_since,
        )

    def _effects(self, assembled: Assembled, reactions: Reactions, restored: Restored) -> EffectWatch | None:
        if assembled.marks is None:
            return None
        effects = EffectWatch(
            self._contract.webhook,
            assembled.marks,
            deadline=self._config.probes.webhook.processing_deadline,
            orphan_age=self._config.cleanup.orphan_age,
            service_clock=lambda: self._service_clock.read(time.monotonic()),
            observer=reactions,
            permission=self._permission,
        )
        effects.follow(restored.awaited)
        reactions.effects = effects
        return effects

    def _suites(self, assembled: Assembled, reactions: Reactions) -> ScheduledSuites:
        async def raced(result: RaceResult, suite_run: str) -> None:
            await reactions.cleared(result)
            if result.race_outcome.is_violation:
                await self._outlet.suite_violation(result, suite_run)

        return ScheduledSuites(
            Means(
                settings=lambda: Settings(self._config, self._contract, WebSettings(), self._redact),
                assembled=assembled,
                permission=self._permission,
                publish=self._publish,
                intend=self._outlet.expect_order,
                raced=raced,
                config_file=self._config_file,
            )
        )

    def _sweep(self, assembled: Assembled, reactions: Reactions, restored: Restored) -> OrderSweep | None:
        if assembled.marks is None:
            return None
        sweep = OrderSweep(
            self._contract.race,
            assembled.marks,
            Mark(self._config.instance),
            cleaned=self._outlet.cleaned,
            publish=self._publish,
            permission=self._permission,
        )
        sweep.resume(restored.marks, once_more_after=self._config.probes.webhook.processing_deadline)
        reactions.sweep = sweep
        return sweep

    def _orphans(
        self, assembled: Assembled, sweep: OrderSweep | None, effects: EffectWatch | None
    ) -> OrphanSweep | None:
        if assembled.marks is None or sweep is None or effects is None:
            return None
        witness = assembled.marks.witness
        return OrphanSweep(
            assembled.marks,
            limits_of(self._config),
            self._permission,
            orders=sweep,
            effects=effects,
            loads=lambda: sweep_dead_runs(self._config, self._contract, witness),
            suite_lives=lambda: suite_lives(self._config.data_dir),
        )

    def _violations(self, restored: Restored) -> ViolationWatch:
        violations = ViolationWatch(
            restored,
            hold=self._config.violations.violation_hold,
            read=self._journal.acknowledgements,
            publish=self._publish,
        )
        violations.tell()
        self._outlet.found = violations.found
        return violations

    def _down_since(self) -> Mapping[ProbeName, Instant]:
        """The services that are down now, each with the beginning of its outage."""
        return {
            watch.name: watch.tracking.outage.began
            for watch in self._watches
            if watch.tracking is not None
            and watch.tracking.state is OutageState.DOWN
            and watch.tracking.outage is not None
        }

    def _calendar(self) -> AsyncIOScheduler:
        """What follows the calendar and not the monotonic clock: here, keeping the journal small."""
        scheduler = AsyncIOScheduler(timezone="UTC")
        scheduler.add_job(self._retain, "interval", hours=1)
        scheduler.start()
        return scheduler

    async def _retain(self) -> None:
        await self._journal.retain(time.time())

    async def _measure_lag(self) -> None:
        while True:
            due = time.monotonic() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            at = now()
            self._outlet.publish(LoopLag(seconds=max(0.0, at.mono - due), at=at))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a reload exchanges settings of. Of what was assembled first, gate, witness and marks stay."""

    reactions: Reactions
    violations: ViolationWatch
    effects: EffectWatch | None
    orphans: OrphanSweep | None
    assembled: Assembled
    suites: ScheduledSuites
    calendar: AsyncIOScheduler
