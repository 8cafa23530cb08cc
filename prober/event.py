"""What is published: every fact that metrics, journal, log and pages are made of, as immutable values.

The prober process makes events, the web process (another process, so that a scrape can never delay a
probe in flight) turns them into metrics. Events are picklable and self-contained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from prober.clock import Instant
from prober.outcome import (
    Ending,
    Measure,
    OutageState,
    Outcome,
    ProbeName,
    Service,
    Settlement,
    SkipReason,
    Standing,
    Suite,
    SuiteSkip,
    Verdict,
    Violation,
)
from prober.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One outage of one probe's service (SPEC 2).

    `began` is the moment the connection closed, or the first failing probe was sent. `ended` is the answer of
    the first of the good probes in a row; None while it lasts. `uncertainty` is the gap between the last
    bad and the first good probe: the service came back somewhere in it.
    """

    id: str
    probe: ProbeName
    began: Instant
    cause: Outcome
    detail: str
    ended: Instant | None = None
    uncertainty: float | None = None
    failures: int = 1

    @property
    def duration(self) -> float | None:
        """Length in seconds, monotonic; None while it lasts."""
        return None if self.ended is None else self.ended.mono - self.began.mono


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFinished:
    """The results of one run of a suite, without their detail; in the journal before this event exists.

    `measures` has what was measured, `verdicts` what the guide says of it; times are Unix time, `duration`
    seconds.
    """

    run_id: str
    suite: Suite
    scenario: str
    started_wall: float
    ended_wall: float
    duration: float
    ending: Ending
    verdict: Verdict | None
    sentence: str
    environment: str
    measures: Mapping[Measure, float] = field(default_factory=dict)
    verdicts: Mapping[Measure, Verdict] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    violations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRunning:
    """Which suite runs with our data_dir, from now on; None: none does, or one that did not say which."""

    at: Instant
    suite: Suite | None
    scenario: str = ""
    run_id: str = ""
    began_wall: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSkipped:
    """A suite that the calendar asked for was not run."""

    suite: Suite
    scenario: str
    reason: SuiteSkip
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The daemon began: all that the web process has to know before the first result."""

    instance: str
    at: Instant
    environment: str
    probes: Mapping[ProbeName, float]  # the probes that run → their timeout
    queues: tuple[str, ...]
    datname: str | None
    recovery_hold: float
    pages: tuple[str, ...] = ()  # paths of the health pages that the health probe asks
    routes: tuple[str, ...] = ()  # names of the routes, as in `HealthResult.missing_routes`
    leftover_kinds: tuple[str, ...] = ()  # the keys that `Leftovers.counts` can have
    # from the journal, so that counters of what matters survive a restart
    violations: Mapping[Violation, int] = field(default_factory=dict)
    last_violations: Mapping[Violation, float] = field(default_factory=dict)  # Unix time of the last of each
    lost: int = 0
    late: int = 0
    suites: tuple[SuiteFinished, ...] = ()  # the last of each scenario
    recent_outages: tuple[Outage, ...] = ()  # that ended within `recovery_hold`, and those under way
    violation_hold: float = 4 * 3600.0  # a violation stays open this long after it was last seen, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """The config was read again: `now` is what runs by it, or None where it was refused for `problems`.

    `asked` are the numbers of the requests that this answers, `changed` the keys that have another value now.
    """

    at: Instant
    asked: tuple[int, ...] = ()
    now: Started | None = None
    changed: tuple[str, ...] = ()
    elsewhere: tuple[ProbeName, ...] = ()  # that ask another server than before
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRan:
    """A probe returned. Gauges made of the result are absent after `fresh_until` (monotonic).

    What is read on the side and less often (INFO, backlog, server statistics) is absent after
    `details_fresh_until`; None: as the rest.
    """

    result: Result
    lateness: float | None  # start behind schedule, seconds; None for a run that was not on the schedule
    fresh_until: float
    details_fresh_until: float | None = None
    sampled: bool = False  # the one run of its interval that counts for an error rate, whatever the pace is


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSkipped:
    """Runs of a probe that did not happen."""

    probe: ProbeName
    reason: SkipReason
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CapHit:
    """Our own limits on requests to the target were reached, and what would have been more was not sent."""

    probe: ProbeName
    detail: str = ""  # of a fault of ours; else the run was skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class WritesRestricted:
    """Whether writes to the target are held back, and for what; published at the start and at each change."""

    at: Instant
    paused: bool
    maintenance: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageChanged:
    """The state machine moved. `outage` is the one it is about; on `UP` it has ended."""

    probe: ProbeName
    state: OutageState
    at: Instant
    outage: Outage | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestarted:
    """A service has another identity than before (run_id, postmaster start time)."""

    service: Service
    at: Instant
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettled:
    """The wait for the effect of an accepted webhook ended, or a late effect corrected it."""

    message_sid: str
    run_id: str
    settlement: Settlement
    at: Instant
    delay: float | None  # answer to effect, seconds; None when there was no effect
    effects: int  # how often the message had its effect; more than one is a violation
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """The share of the judged races in the window with exactly one consistent winner; None: no verdict.

    Absent from the metrics after `fresh_until` (monotonic): races that have stopped say nothing of today.
    """

    value: float | None
    judged: int
    unjudged: int
    fresh_until: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationFound:
    """Something a correct system never does; in the journal before this event exists."""

    id: str
    kind: Violation
    at: Instant
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingViolation:
    """A violation that is open or known, until `until_wall` (Unix time) if nothing else happens.

    `reason` is that of the acknowledgement, also of one that has ended.
    """

    found: ViolationFound
    standing: Standing
    until_wall: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationsStand:
    """How many violations are open and how many known, by kind; a kind that is left out has none.

    `newest` are some of each kind, newest first.
    """

    at: Instant
    open: Mapping[Violation, int]
    known: Mapping[Violation, int]
    newest: tuple[StandingViolation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """Whether this prober is the one that writes; sent at each change, and while it does at each renewal.

    `holder`: the instance that writes in its place, as far as was seen; sent too when that becomes another.

    A write may begin before `until` (seconds of CLOCK_BOOTTIME), also if nothing more is ever heard of it.
    `fence`: the number that its writes carry, None without it. `sentence` is empty where nothing has changed.
    """

    leading: bool
    at: Instant
    until: float = math.inf
    fence: int | None = None
    holder: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLag:
    """How late a timer of the prober's event loop fired, seconds."""

    seconds: float
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFailed:
    """The journal could not be written or read; probing goes on without it."""

    reason: str  # one of JOURNAL_FAILURES
    detail: str


JOURNAL_FAILURES = ("corrupt", "schema", "full", "io", "dropped")  # schema: a newer prober's, or not a journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Synthetic things that should be gone and are not, by kind."""

    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped:
    """Ordinary results that never reached the web process, because it did not read for too long."""

    count: int


Event = (
    Started
    | Reloaded
    | ProbeRan
    | ProbeSkipped
    | CapHit
    | WritesRestricted
    | OutageChanged
    | ServiceRestarted
    | WebhookSettled
    | WinRate
    | ViolationFound
    | ViolationsStand
    | Leading
    | LoopLag
    | JournalFailed
    | Leftovers
    | EventsDropped
    | SuiteFinished
    | SuiteRunning
    | SuiteSkipped
)

__all__ = [
    "JOURNAL_FAILURES",
    "CapHit",
    "Event",
    "EventsDropped",
    "JournalFailed",
    "Leading",
    "Leftovers",
    "LoopLag",
    "Outage",
    "OutageChanged",
    "ProbeRan",
    "ProbeSkipped",
    "Reloaded",
    "ServiceRestarted",
    "StandingViolation",
    "Started",
    "SuiteFinished",
    "SuiteRunning",
    "SuiteSkipped",
    "ViolationFound",
    "ViolationsStand",
    "WebhookSettled",
    "WinRate",
    "WritesRestricted",
]
