"""The closed sets: every name that becomes a label value or a word in a sentence lives here, once."""

from __future__ import annotations

from enum import StrEnum


class ProbeName(StrEnum):
    """The probes; the value of the label `probe`."""

    WEBHOOK = "webhook"
    WEBHOOK_DUPLICATE = "webhook_duplicate"
    WEBHOOK_SIGNATURE = "webhook_signature"
    WEBHOOK_REPLAY = "webhook_replay"
    RACE = "race"
    REDIS = "redis"
    DATABASE = "database"
    DATABASE_POOLED = "database_pooled"
    HEALTH = "health"


class WebhookCheck(StrEnum):
    """What a synthetic webhook asks of the target (SPEC 5); the value of the label `check`."""

    DELIVERY = "delivery"
    PATH = "path"
    DUPLICATE = "duplicate"
    BAD_SIGNATURE = "bad_signature"
    NO_SIGNATURE = "no_signature"
    REPLAY = "replay"


class RouteFamily(StrEnum):
    """The routes of the target that are limited together: what one is told to wait for, all of it waits for."""

    WEBHOOK = "webhook"
    ROUTING = "routing"
    PAGES = "pages"  # health pages, and whatever is neither of the others


class Mode(StrEnum):
    """How far a synthetic webhook goes: `full` is processed, `no_side_effects` claims its id first."""

    FULL = "full"
    NO_SIDE_EFFECTS = "no_side_effects"


class Outcome(StrEnum):
    """How one run of a probe, or one exchange with a server, ended."""

    OK = "ok"
    # the way there
    DNS = "dns"  # the name does not resolve
    REFUSED = "refused"  # nobody listens
    UNREACHABLE = "unreachable"  # no route, network down
    TLS = "tls"  # handshake or certificate
    TIMEOUT = "timeout"  # no whole answer in time, whatever phase it hung in
    RESET = "reset"  # the connection was reset
    CLOSED = "closed"  # the connection was closed before the answer was whole
    # the answer
    GARBAGE = "garbage"  # not HTTP/1.1, RESP or the PostgreSQL protocol, or lengths that lie
    TOO_LARGE = "too_large"  # a header or body over our limits
    SERVER_ERROR = "server_error"  # 5xx
    REDIRECT = "redirect"  # 3xx; never followed
    UNEXPECTED_STATUS = "unexpected_status"  # any other status than the contract allows
    RATE_LIMITED = "rate_limited"  # 429: no error of the endpoint
    FORGED_ACCEPTED = "forged_accepted"  # a badly signed message was taken
    VIOLATION = "violation"  # it was answered, and judged a violation
    # Redis
    OOM = "oom"
    READONLY = "readonly"
    LOADING = "loading"
    MISCONF = "misconf"  # it could not save its snapshot and refuses writes
    WRONG_VALUE = "wrong_value"  # what was read is not what was written
    # Redis and PostgreSQL
    AUTH = "auth"  # wrong user or password
    DENIED = "denied"  # the role or ACL lacks a grant, or another replica is the one that writes
    TOO_MANY_CONNECTIONS = "too_many_connections"
    # PostgreSQL
    STARTING = "starting"  # 57P03: starting up, shutting down or in recovery
    SHUTDOWN = "shutdown"  # 57P01, 57P02
    MISSING_SCHEMA = "missing_schema"  # our own schema is not there
    ERROR = "error"  # an answer we could read that says no, for none of the reasons above
    # ours
    SETUP_FAILED = "setup_failed"  # what the probe needs first could not be made
    NOT_KNOWN = "not_known"  # could not be asked


class RaceOutcome(StrEnum):
    """What the judge says of one race (SPEC 5)."""

    ONE_WINNER = "one_winner"
    MULTIPLE_WINNERS = "multiple_winners"
    PHANTOM_WINNER = "phantom_winner"
    LATE_WINNER = "late_winner"
    NOT_IDEMPOTENT = "not_idempotent"
    SPLIT_ORDER = "split_order"
    NO_WINNER = "no_winner"
    UNAVAILABLE = "unavailable"
    SETUP_FAILED = "setup_failed"
    RATE_LIMITED = "rate_limited"
    UNKNOWN = "unknown"

    @property
    def is_violation(self) -> bool:
        """Whether a correct system never does this, whatever else is broken."""
        return self in RACE_VIOLATIONS

    @property
    def is_judged(self) -> bool:
        """Whether it counts as a race in the win rate."""
        return self is RaceOutcome.ONE_WINNER or self.is_violation


RACE_VIOLATIONS = frozenset(
    {
        RaceOutcome.MULTIPLE_WINNERS,
        RaceOutcome.PHANTOM_WINNER,
        RaceOutcome.LATE_WINNER,
        RaceOutcome.NOT_IDEMPOTENT,
        RaceOutcome.SPLIT_ORDER,
        RaceOutcome.NO_WINNER,
    }
)


class Claim(StrEnum):
    """What one vendor was told by the answer to its accept, as the contract reads it."""

    WON = "won"
    LOST = "lost"
    ALREADY_WON = "already_won"  # the winner asked again
    REFUSED = "refused"  # a definite no that is neither: unknown routing, conflict, missing row
    RATE_LIMITED = "rate_limited"
    FAILED = "failed"  # 5xx
    NO_ANSWER = "no_answer"  # reset, closed, timed out: it may have won
    UNREADABLE = "unreadable"  # an answer that the contract cannot read


class Ask(StrEnum):
    """When in a race a vendor accepted."""

    RACE = "race"  # at the one instant
    AGAIN = "again"  # the winner, once it is known that it won
    LATE = "late"  # a vendor that did not race, once the race is won
    SECOND = "second"  # another vendor, in a second routing of the same order
    HELD = "held"  # in a second heat, on an order whose row was locked until everybody had asked


class Violation(StrEnum):
    """What a correct system never does, whatever else is broken (SPEC 5)."""

    MULTIPLE_WINNERS = "multiple_winners"
    PHANTOM_WINNER = "phantom_winner"
    LATE_WINNER = "late_winner"
    NOT_IDEMPOTENT = "not_idempotent"
    SPLIT_ORDER = "split_order"
    NO_WINNER = "no_winner"
    DUPLICATE_EFFECT = "duplicate_effect"
    FORGED_ACCEPTED = "forged_accepted"
    UNSIGNED_ACCEPTED = "unsigned_accepted"
    REPLAY_ACCEPTED = "replay_accepted"
    LOST_MESSAGE = "lost_message"


class Standing(StrEnum):
    """What a violation that was found is now (SPEC 5)."""

    OPEN = "open"  # it pages
    KNOWN = "known"  # acknowledged: shown, not paging
    OVER = "over"  # `violation_hold` has passed since it was last seen, or since its acknowledgement ended


WEBHOOK_VIOLATIONS = (
    Violation.DUPLICATE_EFFECT,
    Violation.FORGED_ACCEPTED,
    Violation.UNSIGNED_ACCEPTED,
    Violation.REPLAY_ACCEPTED,
    Violation.LOST_MESSAGE,
)


class Phase(StrEnum):
    """Where the time of one HTTP exchange went; the phases add up to the whole."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    WAIT = "wait"
    RECEIVE = "receive"


class OutageState(StrEnum):
    """The states of SPEC 5: `up → failing → down → recovering → up`."""

    UP = "up"
    FAILING = "failing"
    DOWN = "down"
    RECOVERING = "recovering"


class SkipReason(StrEnum):
    """Why a run of a probe did not happen."""

    OVERRUN = "overrun"  # the run before was still under way, or the loop was late by an interval
    RATE_LIMITED = "rate_limited"  # the target asked us to wait (Retry-After)
    DEPENDENCY_DOWN = "dependency_down"  # what it needs is known to be down
    PAUSED = "paused"
    MAINTENANCE = "maintenance"  # a window in which the config wants no writes
    NOT_LEADER = "not_leader"  # another replica holds the lease
    CAP = "cap"  # our own limits on requests to the target would have been exceeded
    BACKOFF = "backoff"  # the target is in trouble: what does not measure its recovery is asked less often


class Settlement(StrEnum):
    """How the wait for a webhook's effect ended."""

    DONE = "done"  # the effect was there in time
    LOST = "lost"  # not there by `processing_deadline`
    LATE = "late"  # there, but after the deadline
    NOT_KNOWN = "not_known"  # the database could not be asked when it mattered


class Leftover(StrEnum):
    """What may be left of ours in the target; the value of the label `kind`, and the kind of a mark."""

    ORDERS = "orders"
    MESSAGES = "messages"
    KEYS = "keys"


class Service(StrEnum):
    """What can be seen to restart; the value of the label `service`."""

    REDIS = "redis"
    DATABASE = "database"


class Ordering(StrEnum):
    """Whether ordering works, as far as a prober knows."""

    WORKS = "works"
    WRONG = "wrong"  # it answers, and a violation is open
    TROUBLE = "trouble"  # something that it needs is down, or the last race had no answer
    BROKEN = "broken"  # the webhook path is down, or no vendor can accept
    UNKNOWN = "unknown"


class StepVerdict(StrEnum):
    """What one step of `prober doctor` came to."""

    OK = "ok"
    HINT = "hint"  # works, and may not be meant
    PROBLEM = "problem"
    ALARM = "alarm"  # a danger to the target: to be mended before anything else
    SKIPPED = "skipped"  # an earlier step failed, or there is nothing to look at


class Suite(StrEnum):
    """The guide's four tests; the value of the label `suite`, and of results files `<suite>-test-results.json`."""

    WEBHOOK_LOAD = "webhook-load"
    VENDOR_RACE = "vendor-race"
    REDIS_FAILURE = "redis-failure"
    DB_RESTART = "db-restart"


class Measure(StrEnum):
    """What a suite measures and the guide judges; the value of the label `measure`. Rates are 0..1."""

    RPS = "requests_per_second"
    LATENCY_P95 = "latency_p95_seconds"
    LATENCY_P99 = "latency_p99_seconds"
    ERROR_RATE = "error_rate"  # of the endpoint under load, and of the service while Redis is away
    WIN_RATE = "win_rate"
    RACE_CONDITIONS = "race_condition_rate"
    RACE_TIME = "race_time_seconds"  # the mean over races
    BACKLOG = "queue_backlog"  # the largest that was seen
    RECOVERY_TIME = "recovery_time_seconds"
    SUCCESS_DURING = "success_rate_during_failure"
    SUCCESS_AFTER = "success_rate_after_recovery"
    ROLLBACKS = "rollback_rate"  # of the transactions that the drill's own traffic began
    DATABASE_P99 = "database_operation_p99_seconds"
    QUEUE_P99 = "queue_operation_p99_seconds"
    CACHE_MISS_P99 = "cache_miss_p99_seconds"
    # Judged by no row: they tell which remedy a drill calls for.
    # Waits: until any answer or until given up, of what was due while the fault lasted.
    TYPICAL_WAIT_DURING = "wait_p50_during_failure_seconds"
    WAIT_DURING = "wait_p99_during_failure_seconds"
    NOT_KEPT_DURING = "not_kept_rate_during_failure"  # refused, or answered 2xx and lost; not those given up on


class Unit(StrEnum):
    """What a measure is counted in."""

    RATE = "ratio"  # 0..1
    SECONDS = "seconds"
    PER_SECOND = "per second"
    JOBS = "jobs"


class Comparison(StrEnum):
    """How a figure is held against an edge; as PromQL and people write it."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


class Verdict(StrEnum):
    """What a row of the guide's tables says of a figure, best first (SPEC 2)."""

    EXCELLENT = "excellent"
    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"


class SuiteSkip(StrEnum):
    """Why a suite that the calendar asked for was not run."""

    PAUSED = "paused"
    MAINTENANCE = "maintenance"
    NOT_LEADER = "not_leader"  # another replica holds the lease, and runs it
    BUSY = "busy"  # another suite was under way
    FAILED = "failed"  # it left no results; the log says why


class Ending(StrEnum):
    """How a scenario ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"  # somebody stopped it: what was measured until then stands
    FAILED = "failed"  # it could not be run to its end; the sentence says why


class FaultKind(StrEnum):
    """What a drill breaks."""

    STOP = "stop"  # an orderly shutdown
    KILL = "kill"  # SIGKILL
    FREEZE = "freeze"  # there, and answers nothing
    REFUSE = "refuse"  # the way there takes no connections
    SLOW = "slow"  # the way there adds latency
    SESSIONS = "sessions"  # sessions of ours, until the server takes no more
    LOCKS = "locks"  # a session of ours locks the tables that the webhook writes
    KEYS = "keys"  # keys of ours, so that a restart has something to load


class DriverKind(StrEnum):
    """By whose hand a fault is made."""

    DEMO = "demo"  # the processes of a `prober demo`, by its control socket
    COMMANDS = "commands"  # commands that the config names
    PROXY = "proxy"  # our TCP proxy on the way to the service
    CLIENT = "client"  # connections of ours to the service itself


class Change(StrEnum):
    """What two runs of a suite say of one figure."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"  # no difference beyond the noise
    ONCE = "once"  # it differs, but a run has one such figure: nothing tells how much of that is chance
    NOT_KNOWN = "not_known"  # one of the two has no such figure, or it says nothing of the target


class Dashboard(StrEnum):
    """The Grafana dashboards; the value is the uid, which links, alerts and runbooks rely on."""

    OVERVIEW = "prober-overview"
    WEBHOOK = "prober-webhook"
    RACES = "prober-races"
    REDIS = "prober-redis"
    DATABASE = "prober-database"
    SUITES = "prober-suites"

    @property
    def word(self) -> str:
        """Its name in links and files."""
        return self.value.removeprefix("prober-")
