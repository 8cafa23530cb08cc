"""What probes return: immutable values that know their probe, start, duration, outcome and evidence.

All times are seconds. `Instant` carries both clocks; durations come from the monotonic one only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prober.clock import Instant
from prober.outcome import Ask, Claim, Mode, Outcome, Phase, ProbeName, RaceOutcome, Violation, WebhookCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one probe.

    `duration` is around the requests alone, not around our own work. `detail` is a sentence for a person:
    what was expected and what came. `run_id` names the run in the journal, in marks and in headers.
    """

    probe: ProbeName
    run_id: str
    started: Instant
    duration: float
    outcome: Outcome
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the thing probed did what was asked of it."""
        return self.outcome is Outcome.OK

    @property
    def finished_mono(self) -> float:
        """When the answer was there, on the monotonic clock."""
        return self.started.mono + self.duration


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedWebhook:
    """A synthetic message from before it exists until its effect is known and its rows are removed.

    `accepted` is when the 2xx was there; None while the message may or may not have reached the target: then
    its effect proves nothing, and only its rows have to be removed. `lost` says that it was called lost.
    `settled` comes from the journal alone: its effect was seen in an earlier life of this prober, and all that
    is left to do is to remove its rows.
    """

    message_sid: str
    run_id: str
    mode: Mode
    from_number: str
    body: str
    intended: Instant
    accepted: Instant | None = None
    lost: bool = False
    settled: bool = False
    repeated: bool = False  # sent more than once on purpose
    refused: bool = False  # it got a definite no, so nothing can come of it; not kept in the journal
    marked: bool = False  # its mark in the database is known to have been written; not kept in the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookResult(Result):
    """One synthetic webhook: `ok` says that the path works (accepted, or a path check rightly refused)."""

    check: WebhookCheck
    mode: Mode
    code: int | None  # HTTP status; None when there was no whole answer
    accepted: bool  # 2xx: the target has taken responsibility for the message
    message_sid: str
    trace_id: str
    phases: Mapping[Phase, float] = field(default_factory=dict)
    reused: bool = False
    sent: bool = True  # False: nothing left this machine (the claim failed, the target could not be reached)
    retry_after: float | None = None
    tls_not_after: float | None = None  # Unix time at which the certificate ends
    awaited: AwaitedWebhook | None = None  # what may exist in the target because of this run


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request of a check; `sent` in seconds from the first of them, `told` what its answer was read as."""

    check: WebhookCheck
    message_sid: str
    sent: float
    duration: float
    code: int | None
    outcome: Outcome
    told: str
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCheckResult(Result):
    """One run of a check that sends several requests: duplicates, signatures, replays."""

    mode: Mode
    attempts: tuple[Attempt, ...] = ()
    violations: tuple[Violation, ...] = ()
    awaited: tuple[AwaitedWebhook, ...] = ()  # what may exist in the target because of this run


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorAnswer:
    """What one vendor asked and was told; offsets in seconds from the release of the race."""

    vendor_id: str
    sent: float | None  # None: the request was never whole on the wire
    answered: float | None
    claim: Claim
    code: int | None
    outcome: Outcome
    told: str  # the part of the answer that decided, or what came instead; at most 500 characters
    trace_id: str = ""
    ask: Ask = Ask.RACE


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceRows:
    """What the database says of one routing (TARGET: `vendor_routings`, `vendor_responses`)."""

    locked_vendor: str | None
    accepted_vendors: tuple[str, ...]
    routing_exists: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceHistory:
    """Everything that is known of one race, for the judge and as evidence.

    `answers` are in the order of the vendors, first those of the race itself, then what was asked afterwards.
    `rows` were read after the race, `rows_after` after the winner had asked again and a late vendor had asked,
    `second_rows` are those of a second routing of the same order, `held_rows` those of the second heat, which is
    about an order of its own; None where they were not or could not be read. `page_winner` is who the contract's
    status page names, None where there is none or it says nothing.
    """

    answers: tuple[VendorAnswer, ...] = ()
    rows: RaceRows | None = None
    page_winner: str | None = None
    rows_after: RaceRows | None = None
    second_rows: RaceRows | None = None
    held_rows: RaceRows | None = None
    not_held: str = ""  # why there was no second heat, where there should have been one

    def asked(self, ask: Ask) -> tuple[VendorAnswer, ...]:
        """The answers to one kind of accept."""
        return tuple(answer for answer in self.answers if answer.ask is ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceResult(Result):
    """One race with its verdict and everything that led to it."""

    race_outcome: RaceOutcome
    sentence: str
    routing_id: str
    order_id: str
    released: Instant
    orders: tuple[str, ...] = ()  # the ids of every order that this run may have made
    history: RaceHistory = field(default_factory=RaceHistory)
    race_duration: float | None = None  # release to last answer
    spread: float | None = None  # first to last request released
    leftovers: int = 0  # rows that cleaning up did not remove


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisInfo:
    """What `INFO` told. Sizes in bytes, uptime in seconds."""

    run_id: str
    role: str
    uptime: int
    used_memory: int
    evicted_keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisResult(Result):
    """One Redis run: latency of each operation that succeeded, and what was read on the side."""

    operations: Mapping[str, float] = field(default_factory=dict)  # ping, write, read, delete
    info: RedisInfo | None = None
    backlog: Mapping[str, int] | None = None  # by queue; None: not asked in this run
    leftovers: int = 0  # keys of ours that were written and are not known to be gone; they expire by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStats:
    """What the server's own views told; None where the role or the way (a pooler) cannot see it."""

    started_at: float | None = None  # pg_postmaster_start_time, Unix time
    in_recovery: bool | None = None
    replication_lag: float | None = None
    pool_usage: float | None = None  # 0..1
    rollbacks: int | None = None  # pg_stat_database.xact_rollback of our database, since its last reset
    rollbacks_reset: float | None = None  # when those statistics were last reset, Unix time
    datname: str = ""
    longest_transaction: float | None = None
    lock_waiters: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseResult(Result):
    """One database run, direct or through the pooler: latency of each operation that succeeded."""

    operations: Mapping[str, float] = field(default_factory=dict)  # select, write
    stats: DatabaseStats | None = None  # None: not asked in this run


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAnswer:
    """What one health page or route answered."""

    path: str
    code: int | None
    outcome: Outcome
    claims_healthy: bool | None  # what the page says of itself; None for a route, or no answer
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthResult(Result):
    """The health pages and routes of the contract, held against what our own probes saw."""

    pages: tuple[PageAnswer, ...] = ()
    lies: tuple[str, ...] = ()  # paths of pages that claim health while a service is down by our probes
    missing_routes: tuple[str, ...] = ()
    routes_not_asked: tuple[str, ...] = ()  # of which nothing is known by this run
