"""docs/guide-coverage.md: every line of the guide that asks for a metric, an alert, a threshold or a scenario, and
what answers it, and why where it differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prober.alerts.declarations import BY_NAME
from prober.guide.breaking_points import BAD, GUIDE, BreakingPoint
from prober.guide.budgets import BUDGETS
from prober.guide.decisions import TREE, Question
from prober.guide.targets import TARGETS, Target
from prober.outcome import Measure, Suite, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """What answers one line of the guide."""

    line: str  # as the guide writes it
    by: str  # Markdown
    differs: str = ""  # and why


KEY_METRICS: Mapping[Suite, tuple[Answer, ...]] = {
    Suite.WEBHOOK_LOAD: (
        Answer("Requests per second (RPS)", "`prober load`: `requests_per_second`, of accepted requests"),
        Answer(
            "Response time distribution (p50, p95, p99)",
            "`prober load`: HDR percentiles; continuously `whatsapp_webhook_duration_seconds`",
        ),
        Answer(
            "Error rate",
            '`prober load`: `error_rate`; continuously `prober_probe_samples_total{probe="webhook"}`',
            "a 429 is no error, and an outage, in which ten times as many are sent, weighs what it lasted",
        ),
        Answer(
            "Memory usage",
            "`prober load`: the target's memory where the contract names a source",
            "from outside it cannot be seen; without a source it is *not observable*, and not 0",
        ),
    ),
    Suite.VENDOR_RACE: (
        Answer(
            "First vendor win rate (should be ~100%)",
            "`prober race`: `win_rate`; continuously `vendor_routing_win_rate`",
            "races without a verdict are counted apart and are in no rate",
        ),
        Answer(
            "Race conditions detected (should be 0)",
            (
                "`prober race`: `race_condition_rate`; continuously `prober_open_violations`, "
                "`vendor_routing_race_conditions_total`"
            ),
        ),
        Answer(
            "Average race resolution time",
            "`prober race`: `race_time_seconds`; continuously `vendor_routing_race_duration_seconds`",
        ),
    ),
    Suite.REDIS_FAILURE: (
        Answer("Error rate during outage", "`prober drill redis`: `error_rate`"),
        Answer(
            "Queue backlog growth",
            "`prober drill redis`: `queue_backlog`; continuously `redis_queue_backlog`",
            "jobs that are delayed on purpose are no backlog; `prioritized` ones are",
        ),
        Answer(
            "Recovery time",
            "`prober drill redis`: `recovery_time_seconds`; continuously `redis_recovery_time_seconds`",
            "from the closed connection to the first good answer, not from when a start command returned",
        ),
        Answer("Message loss", "`prober drill redis`; continuously `whatsapp_webhook_lost_total`"),
    ),
    Suite.DB_RESTART: (
        Answer(
            "Success rate before/during/after failure",
            "`prober drill db`: `success_rate_during_failure`, `success_rate_after_recovery`",
        ),
        Answer(
            "Recovery time", "`prober drill db`: `recovery_time_seconds`; continuously `db_recovery_time_seconds`"
        ),
        Answer(
            "Transaction rollbacks",
            "`prober drill db`: `rollback_rate`; continuously `db_transaction_rollbacks_total`",
            "a drill counts transactions of its own traffic, since a crashed server forgets its statistics",
        ),
    ),
}

METRICS: tuple[Answer, ...] = (
    Answer("whatsapp_webhook_requests_total", "the same", "label `source`: `probe` or `load`"),
    Answer(
        "whatsapp_webhook_duration_seconds",
        'a histogram; the rules record the guide\'s `{quantile="…"}` from it',
        "quantiles that a process exports cannot be added up over processes",
    ),
    Answer("whatsapp_webhook_errors_total", "the same", "a 429 is none"),
    Answer("vendor_routing_races_total", "the same", "judged races only"),
    Answer("vendor_routing_win_rate", "the same", "absent without a verdict, never 0"),
    Answer("vendor_routing_response_time_seconds", "a histogram"),
    Answer("redis_connection_errors_total", "the same"),
    Answer("redis_queue_backlog", "the same, by `queue`"),
    Answer("redis_recovery_time_seconds", "the same", "grows during an outage, then held for `recovery_hold`"),
    Answer("db_connection_pool_usage", "the same, 0 to 1"),
    Answer("db_recovery_time_seconds", "the same", "grows during an outage, then held for `recovery_hold`"),
    Answer("db_transaction_rollbacks_total", "the same"),
)

ALERTS: tuple[Answer, ...] = (
    Answer(
        'HighWebhookLatency: whatsapp_webhook_duration_seconds{quantile="0.99"} > 2',
        "`HighWebhookLatency`",
        (
            "no such series exists until the rules record it; and at 30 samples in five minutes the p99 is the "
            "slowest answer, so at least three slow ones are wanted"
        ),
    ),
    Answer(
        "LowWebhookThroughput: rate(whatsapp_webhook_requests_total[5m]) < 100",
        "`LowWebhookThroughput`, `ProberBehindSchedule`",
        (
            "a prober sends 0.1 a second, so it would fire for ever: the last load result is judged while it is "
            "fresh, and whether the prober keeps up is an alert of its own"
        ),
    ),
    Answer(
        "RaceConditionDetected: vendor_routing_races_total - vendor_routing_win_rate > 0",
        "`RaceConditionDetected`",
        "a count minus a share is above 0 from the second race on, healthy or not: open violations are counted",
    ),
    Answer(
        'RedisOutage: up{job="redis"} == 0',
        "`RedisOutage`",
        "`up` says that an exporter lives; our own ping, write, read and delete say whether Redis works",
    ),
    Answer(
        "DatabaseRecoveryLong: db_recovery_time_seconds > 30",
        "`DatabaseRecoveryLong`, `DatabaseOutage`",
        "the guide's expression works as it stands; the page for a dead database comes after 10 s "
        "(`DatabaseOutage`), so this one waits until it is up, and wakes nobody again",
    ),
)

# What watches a row while nobody runs a suite; None: nothing can, with the reason.
CONTINUOUS: Mapping[tuple[Suite, Measure], Mapping[str, str]] = {
    (Suite.WEBHOOK_LOAD, Measure.RPS): {
        "100-500": "WebhookThroughputReduced",
        "< 100": "LowWebhookThroughput",
    },
    (Suite.WEBHOOK_LOAD, Measure.LATENCY_P99): {
        "500-2000ms": "WebhookLatencyElevated",
        "> 2000ms": "HighWebhookLatency",
        "> 5000ms": "WebhookQueueSaturation",
    },
    (Suite.WEBHOOK_LOAD, Measure.ERROR_RATE): {
        "0.1-1%": "WebhookErrorRateElevated",
        "1-5%": "WebhookErrorRateHigh",
        "> 5%": "WebhookUnstable",
    },
    (Suite.VENDOR_RACE, Measure.WIN_RATE): {"80-95%": "VendorWinRateLow", "< 80%": "VendorWinRateCritical"},
    (Suite.VENDOR_RACE, Measure.RACE_CONDITIONS): {
        "0-1%": "RaceConditionDetected",
        "> 1%": "RaceConditionDetected",
    },
    (Suite.VENDOR_RACE, Measure.RACE_TIME): {"500-1000ms": "RaceTimeElevated", "> 1000ms": "RaceTimeHigh"},
    (Suite.REDIS_FAILURE, Measure.BACKLOG): {
        "100-1000": "QueueBacklogElevated",
        "> 1000": "QueueBacklogHigh",
    },
    (Suite.REDIS_FAILURE, Measure.RECOVERY_TIME): {"> 30s": "RedisRecoveryLong"},
    (Suite.DB_RESTART, Measure.RECOVERY_TIME): {
        "10-30s": "DatabaseRecoverySlow",
        "> 30s": "DatabaseRecoveryLong",
    },
}

_OF_A_SUITE = {Verdict.WARNING: "SuiteFoundWarning", Verdict.CRITICAL: "SuiteFoundCritical"}

_DIFFERS: Mapping[tuple[Suite, Measure], str] = {
    (Suite.WEBHOOK_LOAD, Measure.RPS): "of the last load result, while it is a week old at most",
    (Suite.WEBHOOK_LOAD, Measure.LATENCY_P99): "with at least three slow answers",
    (
        Suite.WEBHOOK_LOAD,
        Measure.ERROR_RATE,
    ): "with at least three failures, outages that have paged not counted again",
    (Suite.VENDOR_RACE, Measure.WIN_RATE): "from 20 judged races on",
    (Suite.VENDOR_RACE, Measure.RACE_CONDITIONS): "one violation pages, whatever the share",
    (Suite.VENDOR_RACE, Measure.RACE_TIME): "with at least three slow races",
    (
        Suite.REDIS_FAILURE,
        Measure.ERROR_RATE,
    ): "only a drill can tell: while all is well nobody knows what an outage would do",
    (Suite.DB_RESTART, Measure.SUCCESS_DURING): "only a drill can tell",
    (Suite.DB_RESTART, Measure.SUCCESS_AFTER): "only a drill can tell",
}

_TARGETS: Mapping[tuple[Suite, Measure], str] = {
    (Suite.WEBHOOK_LOAD, Measure.RPS): "`prober load`; `WebhookThroughputReduced` (the same edge)",
    (
        Suite.WEBHOOK_LOAD,
        Measure.LATENCY_P95,
    ): "`prober load`; `WebhookP95BudgetBurnsFast`, `WebhookP95BudgetBurnsSlowly`",
    (
        Suite.WEBHOOK_LOAD,
        Measure.LATENCY_P99,
    ): "`prober load`; `WebhookP99BudgetBurnsFast`, `WebhookP99BudgetBurnsSlowly`",
    (
        Suite.WEBHOOK_LOAD,
        Measure.ERROR_RATE,
    ): "`prober load`; `WebhookErrorBudgetBurnsFast`, `WebhookErrorBudgetBurnsSlowly`",
    (
        Suite.VENDOR_RACE,
        Measure.WIN_RATE,
    ): "`prober race`; `RaceConditionDetected`: each race without exactly one winner is a violation",
    (
        Suite.VENDOR_RACE,
        Measure.RACE_TIME,
    ): "`prober race`, met or missed; no alert: the guide's own table calls 100 to 500 ms good",
    (Suite.VENDOR_RACE, Measure.RACE_CONDITIONS): "`prober race`; `RaceConditionDetected`",
    (Suite.REDIS_FAILURE, Measure.ERROR_RATE): "`prober drill redis`; `SuiteFoundWarning` (the same edge)",
    (Suite.REDIS_FAILURE, Measure.BACKLOG): "`prober drill redis`; `QueueBacklogElevated`",
    (
        Suite.REDIS_FAILURE,
        Measure.RECOVERY_TIME,
    ): "`prober drill redis`, met or missed; no alert: the guide's own table calls 5 to 30 s good",
    (Suite.DB_RESTART, Measure.SUCCESS_AFTER): "`prober drill db`, met or missed",
    (Suite.DB_RESTART, Measure.RECOVERY_TIME): "`prober drill db`; `DatabaseRecoverySlow` (the same edge)",
    (
        Suite.DB_RESTART,
        Measure.ROLLBACKS,
    ): "`prober drill db`; `DatabaseRollbacks` watches all rollbacks of the database",
}

_BUDGETS: Mapping[Measure, str] = {
    Measure.RPS: "`prober load`; `LowWebhookThroughput` (100 itself: warning)",
    Measure.DATABASE_P99: "suites; continuously `DatabaseOperationsSlow`",
    Measure.QUEUE_P99: "suites; continuously `RedisOperationsSlow`",
    Measure.CACHE_MISS_P99: "*not measured*: nobody can tell from outside whether an answer came out of a cache",
}

SCENARIOS: Mapping[Suite, tuple[Answer, ...]] = {
    Suite.WEBHOOK_LOAD: (
        Answer("light - 10 concurrent requests", "`prober load light`"),
        Answer("moderate - 50 concurrent requests (default)", "`prober load moderate`"),
        Answer("heavy - 200 concurrent requests", "`prober load heavy`"),
        Answer("stress - 500 concurrent requests", "`prober load stress`"),
    ),
    Suite.VENDOR_RACE: (
        Answer("light - 5 vendors competing 10 times", "`prober race light`"),
        Answer("moderate - 10 vendors competing 50 times (default)", "`prober race moderate`"),
        Answer("heavy - 25 vendors competing 100 times", "`prober race heavy`"),
        Answer("stress - 50 vendors competing 100 times", "`prober race stress`"),
    ),
    Suite.REDIS_FAILURE: (
        Answer(
            "connection - Simulate connection refused (30s)",
            "`prober drill redis connection`",
            "refused, and not dropped packets",
        ),
        Answer(
            "timeout - Simulate high latency (60s)", "`prober drill redis timeout`", "frozen: nothing is answered"
        ),
        Answer("slow - Slow Redis responses (45s)", "`prober drill redis slow`"),
        Answer(
            "crash - Redis crashes and recovers (60s)",
            "`prober drill redis crash`",
            "SIGKILL, from 25 % to 75 % of the time",
        ),
        Answer(
            "recovery - Full restart and recovery (120s)", "`prober drill redis recovery`", "with data to load"
        ),
    ),
    Suite.DB_RESTART: (
        Answer("graceful - Graceful restart (systemctl stop/start)", "`prober drill db graceful`"),
        Answer("crash - Abrupt crash (SIGKILL)", "`prober drill db crash`"),
        Answer("pool - Connection pool exhaustion", "`prober drill db pool`"),
        Answer("slow - Slow queries blocking connections", "`prober drill db slow`"),
        Answer("cascade - Cascading failures", "`prober drill db cascade`"),
    ),
}

_TITLES = {
    Suite.WEBHOOK_LOAD: "Webhook load test",
    Suite.VENDOR_RACE: "Vendor race simulation",
    Suite.REDIS_FAILURE: "Redis failure test",
    Suite.DB_RESTART: "Database restart test",
}

_HEAD = """\
# What the guide asks for, and what answers it

Written by `python -m prober.alerts`; do not edit. Each line of the operators' guide that asks for a metric, an
alert, a threshold or a scenario; what answers it here; and why it differs, where it does. The thresholds are in
[breaking-points.md](breaking-points.md), the metrics in [metrics.md](metrics.md), the alerts in
[runbooks](runbooks/README.md).
"""


def coverage_text() -> str:
    """The page."""
    parts = [_HEAD, "## Alerts", _table(ALERTS), "## Metrics to track", _table(METRICS)]
    parts.append("## Key metrics of the suites")
    for suite, answers in KEY_METRICS.items():
        parts += [f"### {_TITLES[suite]}", _table(answers)]
    parts += ["## Scenarios", *(_table(answers) for answers in SCENARIOS.values())]
    parts += ["## Breaking points", _breaking_points()]
    parts += ["## Production targets", _table(Answer(each.text, target_answer(each)) for each in TARGETS)]
    parts += ["## Budgets", _table(Answer(each.text, _BUDGETS[each.measure]) for each in BUDGETS)]
    parts += ["## Decision tree", _tree()]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def alert_for(point: BreakingPoint) -> str:
    """The alert that watches a bad row; the one on results of suites where nothing else can. LookupError else."""
    continuous = CONTINUOUS.get((point.suite, point.measure))
    return _OF_A_SUITE[point.verdict] if continuous is None else continuous[point.row]


def target_answer(target: Target) -> str:
    """What answers a production target."""
    return _TARGETS[target.suite, target.measure]


def _breaking_points() -> str:
    lines = ["| suite | row | verdict | judged by | alert | differs |", "|---|---|---|---|---|---|"]
    for point in GUIDE:
        alert = _link(alert_for(point)) if point.verdict in BAD else "– (nothing to do)"
        differs = _DIFFERS.get((point.suite, point.measure), "") if point.verdict in BAD else ""
        lines.append(
            f"| {_TITLES[point.suite]} | {point.name} {point.row} | {point.verdict} | `{point.measure}` of the "
            f"suite | {alert} | {differs} |"
        )
    return "\n".join(lines)


def _tree() -> str:
    lines = ["Answered by every suite for its own figures (`prober report`), with the way taken.", ""]
    lines += [f"- {_TITLES[suite]}: {_question(question)}" for suite, question in TREE.items()]
    return "\n".join(lines)


def _question(question: Question) -> str:
    below = [_question(branch.question) for branch in question.branches if branch.question is not None]
    return "; ".join([f"{question.text} (`{question.measure}`)", *below])


def _table(answers: Iterable[Answer]) -> str:
    lines = ["| the guide | answered by | differs, and why |", "|---|---|---|"]
    lines += [f"| {_cell(each.line)} | {_linked(each.by)} | {_cell(each.differs)} |" for each in answers]
    return "\n".join(lines)


def _linked(text: str) -> str:
    """Names of alerts become links."""
    words: Sequence[str] = text.split("`")
    return "".join(
        part if place % 2 == 0 else (_link(part) if part in BY_NAME else f"`{part}`")
        for place, part in enumerate(words)
    ).replace("|", "\\|")


def _link(name: str) -> str:
    return f"[{name}](runbooks/{name}.md)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
