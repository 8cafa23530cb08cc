"""Turning events into metrics: what each kind of event counts, sets, starts and ends."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import prober
from prober.clock import Instant, boottime
from prober.event import (
    CapHit,
    Event,
    EventsDropped,
    JournalFailed,
    Leading,
    Leftovers,
    LoopLag,
    Outage,
    OutageChanged,
    ProbeRan,
    ProbeSkipped,
    Reloaded,
    ServiceRestarted,
    Started,
    SuiteFinished,
    SuiteRunning,
    SuiteSkipped,
    ViolationFound,
    ViolationsStand,
    WebhookSettled,
    WinRate,
    WritesRestricted,
)
from prober.judge.outage import INCONCLUSIVE
from prober.outcome import RACE_VIOLATIONS, OutageState, ProbeName, Settlement, Violation
from prober.result import Result
from prober.web.catalogue import delivery, probing, stores
from prober.web.labels import OUTAGE_PROBES, SampleResult
from prober.web.metric import Metric
from prober.web.outages import OutageHistory
from prober.web.results import ResultRecorder
from prober.web.series import Series
from prober.web.suites import SuiteRecorder

_RECOVERY_TIME = {
    ProbeName.REDIS: stores.REDIS_RECOVERY,
    ProbeName.DATABASE: stores.DATABASE_RECOVERY,
}
_RACE_KINDS = frozenset(Violation(outcome.value) for outcome in RACE_VIOLATIONS)


class Metrics:
    """All metrics of one prober. `clock` is monotonic seconds, `lease_clock` those of CLOCK_BOOTTIME; both are
    asked at scrapes only.

    `record` takes events in the order in which they were sent. A reload adds what is new, removes the gauges of
    what is watched no longer, and sets nothing back.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        lease_clock: Callable[[], float] = boottime,
    ) -> None:
        self.series = Series(clock)
        self._lease_clock = lease_clock
        self.series.put(probing.BUILD_INFO, 1, prober.__version__, platform.python_version())
        self._results = ResultRecorder(self.series)
        self._suites = SuiteRecorder(self.series)
        self._outages: dict[ProbeName, OutageHistory] = {}
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            Started: self._begun,
            Reloaded: self._reloaded,
            ProbeRan: self._probe_ran,
            ProbeSkipped: self._probe_skipped,
            CapHit: self._cap_hit,
            WritesRestricted: self._writes_restricted,
            OutageChanged: self._outage_changed,
            ServiceRestarted: self._service_restarted,
            WebhookSettled: self._webhook_settled,
            WinRate: self._win_rate,
            ViolationFound: self._violation_found,
            ViolationsStand: self._violations_stand,
            Leading: self._leading,
            LoopLag: self._loop_lag,
            JournalFailed: self._journal_failed,
            Leftovers: self._leftovers,
            EventsDropped: self._events_dropped,
            SuiteFinished: self._suites.finished,
            SuiteRunning: self._suites.running,
            SuiteSkipped: self._suites.skipped,
        }

    def record(self, event: Event) -> None:
        """Take one event into account."""
        self._handlers[type(event)](event)

    def _begun(self, event: Started) -> None:
        self._started(event)
        self._suites.begin(event.suites)
        self._config_in_force(event.at)

    def _reloaded(self, event: Reloaded) -> None:
        if event.now is None:
            self.series.put(probing.RELOAD_OK, 0)
            return
        self._results.moved(event.elsewhere)
        self._started(event.now)
        self._config_in_force(event.at)

    def _config_in_force(self, at: Instant) -> None:
        self.series.put(probing.RELOAD_OK, 1)
        self.series.put(probing.RELOAD_OK_AT, at.wall)

    def _started(self, event: Started) -> None:
        series = self.series
        series.begin(event)
        self._results.begin(event)
        for probe, timeout in event.probes.items():
            series.put(probing.PROBE_TIMEOUT, timeout, probe)
        for kind, count in event.violations.items():
            self._raise_to(_counter_of(kind), count, kind)
        for kind, wall in event.last_violations.items():
            series.put(probing.LAST_VIOLATION, wall, kind)
        if ProbeName.WEBHOOK in event.probes:
            self._raise_to(delivery.WEBHOOK_LOST, event.lost)
            self._raise_to(delivery.WEBHOOK_LATE, event.late)
        for probe in OUTAGE_PROBES:
            if probe not in event.probes:
                continue
            history = self._outages.get(probe)
            if history is None:
                remembered = [outage for outage in event.recent_outages if outage.probe is probe]
                history = OutageHistory.restored(remembered, event.recovery_hold)
            self._know_outages(probe, replace(history, hold=event.recovery_hold))

    def _know_outages(self, probe: ProbeName, history: OutageHistory) -> None:
        self._outages[probe] = history
        self.series.compute(probing.OUTAGE, probe, by=history.under_way)
        self.series.compute(probing.OUTAGE_AGE, probe, by=history.age)
        if probe in _RECOVERY_TIME:
            self.series.compute(_RECOVERY_TIME[probe], by=history.recovery_time)

    def _raise_to(self, counter: Metric, count: int, *labels: str) -> None:
        """Restore a counter from the journal; a second start must not count everything twice."""
        missing = count - self.series.count(counter, *labels)
        if missing > 0:
            self.series.add(counter, *labels, amount=missing)

    def _probe_ran(self, event: ProbeRan) -> None:
        series, result, fresh_until = self.series, event.result, event.fresh_until
        probe = result.probe
        series.add(probing.PROBE_RUNS, probe, result.outcome)
        if event.sampled:
            series.add(probing.PROBE_SAMPLES, probe, _sample(result))
        series.put(probing.PROBE_SUCCESS, result.ok, probe, fresh_until=fresh_until)
        series.put(probing.PROBE_DURATION, result.duration, probe, fresh_until=fresh_until)
        if result.ok:
            series.put(probing.PROBE_LAST_SUCCESS, result.started.wall, probe)
        if event.lateness is not None:
            series.observe(probing.PROBE_LATENESS, event.lateness, probe)
        if probe in self._outages:
            self._know_outages(probe, self._outages[probe].seen(fresh_until))
        details = event.details_fresh_until
        self._results.record(result, fresh_until if details is None else details)

    def _probe_skipped(self, event: ProbeSkipped) -> None:
        self.series.add(probing.PROBE_SKIPPED, event.probe, event.reason, amount=event.count)

    def _cap_hit(self, _: CapHit) -> None:
        self.series.add(probing.RATE_CAP_HITS)

    def _writes_restricted(self, event: WritesRestricted) -> None:
        self.series.put(probing.PAUSED, event.paused)
        self.series.put(probing.MAINTENANCE, event.maintenance)

    def _outage_changed(self, event: OutageChanged) -> None:
        history = self._outages.get(event.probe)
        if history is None:
            return
        self._know_outages(event.probe, history.changed(event))
        if event.state is OutageState.UP and event.outage is not None:
            self._outage_ended(event.outage)

    def _outage_ended(self, outage: Outage) -> None:
        if outage.duration is not None:
            self.series.observe(probing.OUTAGE_DURATION, outage.duration, outage.probe)

    def _service_restarted(self, event: ServiceRestarted) -> None:
        self.series.add(probing.RESTARTS, event.service)

    def _webhook_settled(self, event: WebhookSettled) -> None:
        series = self.series
        series.add(delivery.WEBHOOK_SETTLED, event.settlement)
        if event.delay is not None:
            series.observe(delivery.WEBHOOK_PROCESSING, event.delay)
        if event.settlement is Settlement.LOST:
            series.add(delivery.WEBHOOK_LOST)
        elif event.settlement is Settlement.LATE:
            series.add(delivery.WEBHOOK_LATE)

    def _win_rate(self, event: WinRate) -> None:
        series, fresh_until = self.series, event.fresh_until
        series.put(delivery.WIN_RATE, event.value, fresh_until=fresh_until)
        series.put(delivery.WIN_RATE_RACES, event.judged, "judged", fresh_until=fresh_until)
        series.put(delivery.WIN_RATE_RACES, event.unjudged, "unjudged", fresh_until=fresh_until)

    def _violation_found(self, event: ViolationFound) -> None:
        self.series.add(_counter_of(event.kind), event.kind)
        self.series.put(probing.LAST_VIOLATION, event.at.wall, event.kind)

    def _violations_stand(self, event: ViolationsStand) -> None:
        for kind in Violation:
            self.series.put(probing.OPEN_VIOLATIONS, event.open.get(kind, 0), kind)
            self.series.put(probing.KNOWN_VIOLATIONS, event.known.get(kind, 0), kind)

    def _leading(self, event: Leading) -> None:
        # A prober that is frozen tells nothing of the end of its lease, and must not pass for the one that writes.
        self.series.compute(
            probing.LEADER, by=lambda _: float(event.leading and self._lease_clock() < event.until)
        )

    def _loop_lag(self, event: LoopLag) -> None:
        self.series.observe(probing.LOOP_LAG, event.seconds)

    def _journal_failed(self, event: JournalFailed) -> None:
        self.series.add(probing.JOURNAL_FAILURES, event.reason)

    def _leftovers(self, event: Leftovers) -> None:
        for kind, count in event.counts.items():
            self.series.put(probing.LEFTOVERS, count, kind)

    def _events_dropped(self, event: EventsDropped) -> None:
        self.series.add(probing.EVENTS_DROPPED, amount=event.count)


def _sample(result: Result) -> SampleResult:
    if result.ok:
        return SampleResult.GOOD
    return SampleResult.UNKNOWN if result.outcome in INCONCLUSIVE else SampleResult.BAD


def _counter_of(kind: Violation) -> Metric:
    """Say which counter a violation belongs to: the webhook's or the races'."""
    return delivery.RACE_CONDITIONS if kind in _RACE_KINDS else delivery.WEBHOOK_VIOLATIONS
