"""What the pages show of the prober now: is it alive, has every probe run, what is up and what is down."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from prober.clock import Instant
from prober.event import (
    Event,
    JournalFailed,
    Leading,
    LoopLag,
    Outage,
    OutageChanged,
    ProbeRan,
    ProbeSkipped,
    Reloaded,
    Started,
    SuiteFinished,
    SuiteRunning,
    ViolationFound,
    ViolationsStand,
    WebhookSettled,
    WinRate,
    WritesRestricted,
)
from prober.outcome import OutageState, ProbeName, RaceOutcome, Settlement, SkipReason, Suite, Violation
from prober.result import RaceResult

# The prober's loop reports several times within this; a stop of the world this long is no small hiccup.
ALIVE_WITHIN = 5.0
RECENT_OUTAGES = 20
VIOLATION_HOLD = 4 * 3600.0  # until the prober has said what it is, as in the config
# By these nobody's fault keeps a probe from running, and nobody knows for how long.
_HELD_BACK = (SkipReason.NOT_LEADER, SkipReason.PAUSED, SkipReason.MAINTENANCE)
_NO_ANSWER = (RaceOutcome.UNAVAILABLE, RaceOutcome.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, of several replicas. `instance` is None where nobody is known to; `since` in Unix seconds."""

    instance: str | None
    ours: bool
    fence: int | None
    since: float | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Races one after the other in which no vendor could be told anything for sure; `since` the first of them."""

    races: int
    since: Instant


class Board:
    """The last of everything. All times that come in or go out are monotonic seconds."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.last_runs: dict[ProbeName, ProbeRan] = {}
        self.left_out: set[ProbeName] = set()  # probes whose turn came, and there was a reason not to run them
        self.held_back: dict[ProbeName, SkipReason] = {}  # why a probe that would write has not run since
        self.failing_since: dict[ProbeName, Instant] = {}  # the first of the bad runs that the last one ends
        self.unanswered: Unanswered | None = None
        self.outages: dict[ProbeName, Outage] = {}
        self.recent_outages: deque[Outage] = deque(maxlen=RECENT_OUTAGES)  # that have ended, the newest last
        self.violations: dict[Violation, int] = {}
        self.stand: ViolationsStand | None = None
        self.win_rate: WinRate | None = None
        self.suites: dict[tuple[Suite, str], SuiteFinished] = {}  # the last run of each scenario
        self.suite_running: SuiteRunning | None = None
        self.journal_trouble: JournalFailed | None = None  # the last there was
        self.raced = 0  # races since we began, with and without a verdict
        self.lost = 0
        self.late = 0
        self.restricted: str | None = None  # why no writes are made at the moment
        self.election: Leading | None = None  # the last word on who writes; None: there is no election
        self.elected_at: Instant | None = None  # when the prober learned of it
        self._ticked: float | None = None

    def record(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case Started():
                self._start(event)
            case Reloaded(now=Started() as started):
                self._reload(started)
            case LoopLag(at=at):
                self._ticked = at.mono
            case WritesRestricted():
                self.restricted = event.sentence if event.paused or event.maintenance else None
            case ProbeRan():
                if self.started is None or event.result.probe in self.started.probes:
                    self._ran(event)
            case ProbeSkipped(reason=reason) if reason is not SkipReason.OVERRUN:
                self.left_out.add(event.probe)
                if reason in _HELD_BACK:
                    self.held_back[event.probe] = reason
            case OutageChanged():
                self._outage(event)
            case _:
                self._take_in(event)

    def _ran(self, event: ProbeRan) -> None:
        result = event.result
        self.last_runs[result.probe] = event
        self.held_back.pop(result.probe, None)
        if result.ok:
            self.failing_since.pop(result.probe, None)
        else:
            self.failing_since.setdefault(result.probe, result.started)
        if isinstance(result, RaceResult):
            self.raced += 1
            if result.race_outcome in _NO_ANSWER:
                before = self.unanswered or Unanswered(0, result.started)
                self.unanswered = Unanswered(before.races + 1, before.since)
            elif result.race_outcome.is_judged:
                self.unanswered = None

    def _take_in(self, event: Event) -> None:
        """What is neither about the prober itself nor about what is up."""
        match event:
            case ViolationFound():
                self.violations[event.kind] = self.violations.get(event.kind, 0) + 1
            case ViolationsStand():
                self.stand = event
            case WinRate():
                self.win_rate = event
            case Leading():
                self._lead(event)
            case SuiteFinished():
                self._suite(event)
            case SuiteRunning():
                self.suite_running = event
            case JournalFailed():
                self.journal_trouble = event
            case WebhookSettled(settlement=settlement):
                self.lost += settlement is Settlement.LOST
                self.late += settlement is Settlement.LATE

    def _lead(self, event: Leading) -> None:
        if event.leading and event.fence is None:
            return  # nobody else could
        before = self.election
        if before is None or (before.fence, before.holder) != (event.fence, event.holder):
            self.elected_at = event.at
        self.election = event

    def writer(self, boot: float) -> Writer | None:
        """Say who writes at this time of CLOCK_BOOTTIME; None without an election."""
        told, at = self.election, self.elected_at
        if told is None or at is None or self.started is None:
            return None
        # A prober that is frozen tells nothing of the end of its lease.
        if told.leading and boot >= told.until:
            return Writer(instance=None, ours=False, fence=None, since=None)
        instance = self.started.instance if told.leading else told.holder or None
        return Writer(
            instance=instance, ours=told.leading, fence=told.fence, since=None if instance is None else at.wall
        )

    def _start(self, event: Started) -> None:
        self.started = event
        self._ticked = event.at.mono
        self.violations = {kind: count for kind, count in event.violations.items() if count}
        self.lost, self.late = event.lost, event.late
        for finished in event.suites:
            self._suite(finished)
        self.outages |= {o.probe: o for o in event.recent_outages if o.ended is None}
        if not self.recent_outages:
            ended = [(o.ended.mono, o) for o in event.recent_outages if o.ended is not None]
            self.recent_outages.extend(o for _, o in sorted(ended, key=lambda one: one[0]))

    def _reload(self, started: Started) -> None:
        self.started = started
        self.last_runs = {probe: run for probe, run in self.last_runs.items() if probe in started.probes}
        self.left_out &= started.probes.keys()
        self.held_back = {probe: why for probe, why in self.held_back.items() if probe in started.probes}
        self.failing_since = {probe: at for probe, at in self.failing_since.items() if probe in started.probes}
        if ProbeName.RACE not in started.probes:
            self.unanswered = None

    def _suite(self, event: SuiteFinished) -> None:
        key = (event.suite, event.scenario)
        before = self.suites.get(key)
        if before is None or before.ended_wall <= event.ended_wall:
            self.suites[key] = event

    def _outage(self, event: OutageChanged) -> None:
        if event.state is not OutageState.UP:
            if event.outage is not None:
                self.outages[event.probe] = event.outage
            return
        self.outages.pop(event.probe, None)
        if event.outage is not None and event.outage.ended is not None:
            self.recent_outages.append(event.outage)

    @property
    def violation_hold(self) -> float:
        """How long a violation stays open after it was last seen, seconds."""
        return VIOLATION_HOLD if self.started is None else self.started.violation_hold

    def trouble(self, now: float) -> str | None:
        """Say in a sentence why the prober is not healthy; None when it is."""
        if self._ticked is None:
            return "the prober process has not started yet"
        silent = now - self._ticked
        if silent > ALIVE_WITHIN:
            return f"the prober's event loop has not ticked for {silent:.1f} s (allowed {ALIVE_WITHIN:g} s)"
        return None

    def ready(self, now: float) -> bool:
        """Whether it is alive and every probe has had its turn."""
        return self.trouble(now) is None and self.not_yet_run() == ()

    def not_yet_run(self) -> tuple[ProbeName, ...] | None:
        """Name the probes that have not run once; None when not even their names are known.

        Not those that were left out for a reason (another replica runs them, a pause, a database that is down):
        one that may not write is ready when it watches.
        """
        if self.started is None:
            return None
        had_their_turn = self.last_runs.keys() | self.left_out
        return tuple(probe for probe in self.started.probes if probe not in had_their_turn)
