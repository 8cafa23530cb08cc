"""The labels in use and the closed sets of their values, made of the enums that the whole program shares."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from prober.event import JOURNAL_FAILURES, Started
from prober.outcome import (
    RACE_VIOLATIONS,
    WEBHOOK_VIOLATIONS,
    Leftover,
    Measure,
    Outcome,
    Phase,
    ProbeName,
    RaceOutcome,
    Service,
    Settlement,
    SkipReason,
    Suite,
    SuiteSkip,
    Violation,
    WebhookCheck,
)
from prober.suites.scenarios import SCENARIOS
from prober.web.metric import OTHER, Label

HTTP_OUTCOMES = (
    Outcome.DNS,
    Outcome.REFUSED,
    Outcome.UNREACHABLE,
    Outcome.TLS,
    Outcome.TIMEOUT,
    Outcome.RESET,
    Outcome.CLOSED,
    Outcome.GARBAGE,
    Outcome.TOO_LARGE,
    Outcome.SERVER_ERROR,
    Outcome.REDIRECT,
    Outcome.UNEXPECTED_STATUS,
    Outcome.ERROR,
)
_SERVER_OUTCOMES = (
    Outcome.DNS,
    Outcome.REFUSED,
    Outcome.UNREACHABLE,
    Outcome.TLS,
    Outcome.TIMEOUT,
    Outcome.RESET,
    Outcome.CLOSED,
    Outcome.GARBAGE,
    Outcome.AUTH,
    Outcome.DENIED,
    Outcome.TOO_MANY_CONNECTIONS,
    Outcome.READONLY,
    Outcome.ERROR,
)
REDIS_OUTCOMES = (
    *_SERVER_OUTCOMES,
    Outcome.TOO_LARGE,
    Outcome.OOM,
    Outcome.MISCONF,
    Outcome.LOADING,
    Outcome.WRONG_VALUE,
)
_DATABASE_OUTCOMES = (*_SERVER_OUTCOMES, Outcome.STARTING, Outcome.SHUTDOWN, Outcome.MISSING_SCHEMA)
_OURS = (Outcome.SETUP_FAILED, Outcome.NOT_KNOWN)

OUTCOMES_OF: dict[ProbeName, tuple[Outcome, ...]] = {
    ProbeName.WEBHOOK: (
        Outcome.OK,
        *HTTP_OUTCOMES,
        Outcome.RATE_LIMITED,
        Outcome.FORGED_ACCEPTED,
        *_OURS,
    ),
    **dict.fromkeys(
        (ProbeName.WEBHOOK_DUPLICATE, ProbeName.WEBHOOK_SIGNATURE, ProbeName.WEBHOOK_REPLAY),
        (Outcome.OK, *HTTP_OUTCOMES, Outcome.RATE_LIMITED, Outcome.VIOLATION, *_OURS),
    ),
    ProbeName.RACE: (Outcome.OK, *HTTP_OUTCOMES, Outcome.RATE_LIMITED, Outcome.VIOLATION, *_OURS),
    ProbeName.REDIS: (Outcome.OK, *REDIS_OUTCOMES, *_OURS),
    ProbeName.DATABASE: (Outcome.OK, *_DATABASE_OUTCOMES, *_OURS),
    ProbeName.DATABASE_POOLED: (Outcome.OK, *_DATABASE_OUTCOMES, *_OURS),
    ProbeName.HEALTH: (Outcome.OK, *HTTP_OUTCOMES, Outcome.RATE_LIMITED, *_OURS),
}

OUTAGE_PROBES = (ProbeName.WEBHOOK, ProbeName.REDIS, ProbeName.DATABASE, ProbeName.DATABASE_POOLED)

NO_CODE = "none"
CODES = (
    *(200, 201, 202, 204),
    *(301, 302, 307, 308),
    *(400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429),
    *(500, 502, 503, 504),
)


class Source(StrEnum):
    """Who sent the webhooks; the load suite will be the other one."""

    PROBE = "probe"


class Operation(StrEnum):
    """What a database probe does; the pooled way has latencies of its own."""

    SELECT = "select"
    WRITE = "write"
    POOLED_SELECT = "pooled_select"
    POOLED_WRITE = "pooled_write"


class SampleResult(StrEnum):
    """What one run says of an error rate; `unknown` speaks neither for nor against (429, a grant of ours)."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a Redis server is. `INFO` says `slave`, newer words say `replica`: one value for both."""

    MASTER = "master"
    REPLICA = "replica"
    SENTINEL = "sentinel"
    OTHER = "other"

    @classmethod
    def of(cls, told: str) -> Role:
        """Read what the server calls itself."""
        return {"slave": cls.REPLICA, **{role.value: role for role in cls}}.get(told, cls.OTHER)


def _names(members: Iterable[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in members)


def _running(probes: tuple[ProbeName, ...]) -> Label:
    return Label(
        name="probe",
        values=_names(probes),
        known=lambda started: [probe for probe in probes if probe in started.probes],
    )


def _database_operations(started: Started) -> list[str]:
    known: list[str] = []
    if ProbeName.DATABASE in started.probes:
        known += [Operation.SELECT, Operation.WRITE]
    if ProbeName.DATABASE_POOLED in started.probes:
        known += [Operation.POOLED_SELECT, Operation.POOLED_WRITE]
    return known


def _services(started: Started) -> list[str]:
    return [service for service in Service if ProbeName(service.value) in started.probes]


SOURCE = Label(name="source", values=_names(Source))
CHECK = Label(name="check", values=_names(WebhookCheck))
CODE = Label(name="code", values=(NO_CODE, *map(str, CODES), OTHER))
WEBHOOK_REASON = Label(name="reason", values=_names(HTTP_OUTCOMES))
PHASE = Label(name="phase", values=_names(Phase))
SETTLEMENT = Label(name="settlement", values=_names(Settlement))
WEBHOOK_KIND = Label(name="kind", values=_names(WEBHOOK_VIOLATIONS))
RACE_OUTCOME = Label(name="outcome", values=_names(RaceOutcome))
RACE_KIND = Label(name="kind", values=_names(kind for kind in RaceOutcome if kind in RACE_VIOLATIONS))
VERDICT = Label(name="verdict", values=("judged", "unjudged"))
REDIS_REASON = Label(name="reason", values=_names(REDIS_OUTCOMES))
REDIS_OPERATION = Label(name="operation", values=("ping", "write", "read", "delete"))
QUEUE = Label(
    name="queue",
    configured="the queues of the contract and config",
    known=lambda started: started.queues,
)
ROLE = Label(name="role", values=_names(Role))
DATABASE_OPERATION = Label(name="operation", values=_names(Operation), known=_database_operations)
DATNAME = Label(
    name="datname",
    configured="the database that the prober connects to",
    known=lambda started: () if started.datname is None else (started.datname,),
)
PAGE = Label(name="page", configured="the health pages of the contract", known=lambda started: started.pages)
ROUTE = Label(name="route", configured="the routes of the contract", known=lambda started: started.routes)
PROBE = _running(tuple(ProbeName))
OUTAGE_PROBE = _running(OUTAGE_PROBES)
OUTCOME = Label(name="outcome", values=_names(Outcome))
SAMPLE_RESULT = Label(name="result", values=_names(SampleResult))
SKIP_REASON = Label(name="reason", values=_names(SkipReason))
SERVICE = Label(name="service", values=_names(Service), known=_services)
VIOLATION_KIND = Label(name="kind", values=_names(Violation))
LEFTOVER_KIND = Label(
    name="kind",
    values=_names(Leftover),
    known=lambda started: started.leftover_kinds,
)
SUITE = Label(name="suite", values=_names(Suite))
SCENARIO = Label(name="scenario", values=tuple(dict.fromkeys(n for names in SCENARIOS.values() for n in names)))
MEASURE = Label(name="measure", values=_names(Measure))
SUITE_SKIP = Label(name="reason", values=_names(SuiteSkip))
JOURNAL_REASON = Label(name="reason", values=JOURNAL_FAILURES)
