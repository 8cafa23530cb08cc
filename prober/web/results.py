"""Turning the results of probes into updates of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from prober.event import Started
from prober.outcome import Ask, Claim, Outcome, ProbeName
from prober.result import (
    DatabaseResult,
    HealthResult,
    RaceResult,
    RedisInfo,
    RedisResult,
    WebhookCheckResult,
    WebhookResult,
)
from prober.web.catalogue import delivery, probing, stores
from prober.web.cumulative import Cumulative
from prober.web.labels import (
    CODES,
    HTTP_OUTCOMES,
    NO_CODE,
    REDIS_OUTCOMES,
    Operation,
    Role,
    Source,
)
from prober.web.metric import OTHER
from prober.web.series import Series

_DEFINITE = frozenset({Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED})
_POOLED = {"select": Operation.POOLED_SELECT, "write": Operation.POOLED_WRITE}


class ResultRecorder:
    """Updates `series` by results; it remembers only the totals of servers that counters follow."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._pages: tuple[str, ...] = ()
        self._routes: tuple[str, ...] = ()
        self._rollbacks = Cumulative()
        self._evicted = Cumulative()
        self._recorders: dict[type[Any], Callable[[Any, float], None]] = {
            WebhookResult: self._webhook,
            WebhookCheckResult: self._checks,
            RaceResult: self._race,
            RedisResult: self._redis,
            DatabaseResult: self._database,
            HealthResult: self._health,
        }

    def begin(self, started: Started) -> None:
        """Learn which pages and routes there are."""
        self._pages, self._routes = started.pages, started.routes

    def moved(self, probes: Collection[ProbeName]) -> None:
        """Take the next totals of these probes for those of another server."""
        if ProbeName.REDIS in probes:
            self._evicted = Cumulative()
        if ProbeName.DATABASE in probes:
            self._rollbacks = Cumulative()

    def record(self, result: object, fresh_until: float) -> None:
        """Take one result into account; gauges of its details end at `fresh_until` (monotonic)."""
        recorder = self._recorders.get(type(result))
        if recorder is not None:
            recorder(result, fresh_until)

    def _webhook(self, result: WebhookResult, fresh_until: float) -> None:
        series, source = self._series, Source.PROBE
        failed = result.outcome in HTTP_OUTCOMES
        # What could not even connect was a try as well, or errors could outnumber requests.
        if result.sent or failed:
            series.add(
                delivery.WEBHOOK_REQUESTS, source, result.check, _code(result.code), trace_id=result.trace_id
            )
        if failed:
            series.add(delivery.WEBHOOK_ERRORS, source, result.outcome)
        if result.accepted or result.outcome is Outcome.TIMEOUT:
            series.observe(delivery.WEBHOOK_DURATION, result.duration, source, trace_id=result.trace_id)
            for phase, seconds in result.phases.items():
                series.observe(delivery.WEBHOOK_PHASE, seconds, phase)
        if result.tls_not_after is not None:
            series.put(delivery.TLS_NOT_AFTER, result.tls_not_after, fresh_until=fresh_until)

    def _checks(self, result: WebhookCheckResult, _fresh_until: float) -> None:
        for attempt in result.attempts:
            self._series.add(
                delivery.WEBHOOK_REQUESTS,
                Source.PROBE,
                attempt.check,
                _code(attempt.code),
                trace_id=attempt.trace_id,
            )
            if attempt.outcome in HTTP_OUTCOMES:
                self._series.add(delivery.WEBHOOK_ERRORS, Source.PROBE, attempt.outcome)

    def _race(self, result: RaceResult, _fresh_until: float) -> None:
        series = self._series
        series.add(delivery.RACE_OUTCOMES, result.race_outcome)
        if result.spread is not None:
            series.observe(delivery.RACE_SPREAD, result.spread)
        if result.race_outcome.is_judged:
            series.add(delivery.RACES)
            if result.race_duration is not None:
                series.observe(delivery.RACE_DURATION, result.race_duration)
        for answer in result.history.asked(Ask.RACE):
            if answer.sent is not None and answer.answered is not None and answer.claim in _DEFINITE:
                series.observe(delivery.RESPONSE_TIME, answer.answered - answer.sent, trace_id=answer.trace_id)

    def _redis(self, result: RedisResult, fresh_until: float) -> None:
        series = self._series
        if result.outcome in REDIS_OUTCOMES:
            series.add(stores.REDIS_ERRORS, result.outcome)
        for operation, seconds in result.operations.items():
            series.observe(stores.REDIS_OPERATION, seconds, operation)
        if result.info is not None:
            self._redis_info(result.info, fresh_until)
        if result.backlog is not None:
            for queue, jobs in result.backlog.items():
                series.put(stores.REDIS_BACKLOG, jobs, queue, fresh_until=fresh_until)

    def _redis_info(self, info: RedisInfo, fresh_until: float) -> None:
        series = self._series
        series.put(stores.REDIS_MEMORY, info.used_memory, fresh_until=fresh_until)
        for role in Role:
            series.put(stores.REDIS_ROLE, role is Role.of(info.role), role, fresh_until=fresh_until)
        self._evicted, risen = self._evicted.read(info.evicted_keys, info.run_id)
        series.add(stores.REDIS_EVICTED, amount=risen)

    def _database(self, result: DatabaseResult, fresh_until: float) -> None:
        series = self._series
        pooled = result.probe is ProbeName.DATABASE_POOLED
        for operation, seconds in result.operations.items():
            label = _POOLED.get(operation, OTHER) if pooled else operation
            series.observe(stores.DATABASE_OPERATION, seconds, label)
        stats = result.stats
        if stats is None or pooled:
            return
        for metric, value in (
            (stores.POOL_USAGE, stats.pool_usage),
            (stores.LONGEST_TRANSACTION, stats.longest_transaction),
            (stores.LOCK_WAITERS, stats.lock_waiters),
            (stores.REPLICATION_LAG, stats.replication_lag),
            (stores.IN_RECOVERY, stats.in_recovery),
        ):
            series.put(metric, value, fresh_until=fresh_until)
        if stats.rollbacks is not None:
            self._rollbacks, risen = self._rollbacks.read(stats.rollbacks, stats.rollbacks_reset)
            series.add(stores.ROLLBACKS, stats.datname, amount=risen)

    def _health(self, result: HealthResult, fresh_until: float) -> None:
        asked = {answer.path for answer in result.pages}
        for page in self._pages:
            if page in asked:
                self._series.put(probing.HEALTH_LIES, page in result.lies, page, fresh_until=fresh_until)
        # With no answer at all nothing is known of any route; a route that is missing did answer.
        if result.missing_routes or any(answer.code is not None for answer in result.pages):
            for route in self._routes:
                if route in result.routes_not_asked:
                    continue
                missing = route in result.missing_routes
                self._series.put(probing.ROUTES_MISSING, missing, route, fresh_until=fresh_until)


def _code(code: int | None) -> str:
    if code is None:
        return NO_CODE
    return str(code) if code in CODES else OTHER
