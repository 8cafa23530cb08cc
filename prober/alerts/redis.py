"""Alerts on Redis: down, slow to come back, queues that grow, slow operations, evicted keys."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.outages import outage, recovery, restarted
from prober.alerts.promql import COUNT, held, increase, of, over, p99_by_operation, slower, worse
from prober.alerts.thresholds import budget, edge
from prober.guide.advice import recommendations
from prober.guide.advice.redis import COMMAND_TIMEOUT, FALLBACK_QUEUE, REDIS_BREAKER, WORKERS
from prober.guide.breaking_points import Edge
from prober.outcome import Dashboard, Measure, ProbeName, Service, Suite
from prober.web.catalogue.stores import REDIS_BACKLOG, REDIS_EVICTED, REDIS_OPERATION, REDIS_RECOVERY

_REDIS = Suite.REDIS_FAILURE
_BACKLOG = Look("every queue", of(REDIS_BACKLOG))
_SLOW = budget(Measure.QUEUE_P99)


def _backlog(name: str, limit: Edge, severity: Severity, pending: str) -> Alert:
    return Alert(
        name=name,
        expr=f"{over('max', held(of(REDIS_BACKLOG)), 'queue')} {worse(limit)}",
        severity=severity,
        subject=Subject.REDIS,
        keeps=("queue",),
        pending=pending,
        summary=f"{{{{ $value | humanize }}}} jobs wait in {{{{ $labels.queue }}}} ({limit.point.verdict})",
        description=(
            "{{ $value | humanize }} jobs of the queue {{ $labels.queue }} are due and wait; "
            f"{limit.point.verdict} is {limit.comparison} {limit.value:g} (guide: {limit.point.row}, "
            f"{limit.point.action}). Jobs that are delayed on purpose are not counted."
        ),
        dashboard=Dashboard.REDIS,
        runbook=Runbook(
            means=(
                f"A queue holds {limit.comparison} {limit.value:g} jobs that are due: {limit.point.verdict} by "
                f"the guide's row `{limit.point.row}` ({limit.point.action}). Counted are `wait`, `prioritized`, "
                "`paused` and what is overdue in `delayed`."
            ),
            look=(
                _BACKLOG,
                Look("growing or shrinking, jobs a second", 'deriv(redis_queue_backlog{job="prober"}[10m])'),
                Look(
                    "delay of a message's effect",
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        '(rate(whatsapp_webhook_processing_seconds_bucket{job="prober"}[10m])))'
                    ),
                ),
            ),
            causes=(
                "Workers are stuck, gone, or paused (`bull:QUEUE:meta` has `paused`).",
                "More comes in than is worked off: a peak, or workers too few.",
                "Each job waits for something slow: the database, Twilio.",
            ),
            do=("If nothing is worked off at all (`QueueNotDraining`), restart the workers; else add some.",),
            advice=recommendations(limit.point),
            false_alarms=("A nightly job that puts thousands in at once and is through within minutes.",),
        ),
    )


ALERTS: tuple[Alert, ...] = (
    outage(
        "RedisOutage",
        ProbeName.REDIS,
        Subject.REDIS,
        Dashboard.REDIS,
        what="Redis",
        means=(
            "Redis does not answer, refuses writes, or cannot be reached. Queues stand still; as deployed "
            "webhooks still get their 200, and races go on. The guide watches `up` of an exporter, which says "
            "that the exporter lives; this is what our own ping, write, read and delete say."
        ),
        look=(Look("memory before it went", 'redis_memory_used_bytes{job="prober"}'),),
        causes=(
            "The process is gone: out of memory (kernel log), a crash, a deployment.",
            "It is frozen or swapping: `timeout` and not `refused`.",
            (
                "It reads its data after a start (`loading`), or cannot save its snapshot (`misconf`: the disk "
                "is full)."
            ),
            "It became a replica (`readonly`): a failover that the address does not follow.",
        ),
        do=(
            "Start it again, or fail over. It is back when three probes in a row are good.",
            "Afterwards see the backlog drain: `redis_queue_backlog`; and whether messages were lost.",
        ),
        advice=(FALLBACK_QUEUE, REDIS_BREAKER, COMMAND_TIMEOUT),
        false_alarms=("A password or ACL that changed is no outage: it makes `ProbeWithoutSuccess`.",),
    ),
    recovery(
        "RedisRecoveryLong",
        REDIS_RECOVERY,
        edge(_REDIS, Measure.RECOVERY_TIME, "> 30s"),
        Severity.CRITICAL,
        Subject.REDIS,
        Dashboard.REDIS,
        what="Redis",
        paged_as="RedisOutage",
    ),
    _backlog("QueueBacklogElevated", edge(_REDIS, Measure.BACKLOG, "100-1000"), Severity.WARNING, "2m"),
    _backlog("QueueBacklogHigh", edge(_REDIS, Measure.BACKLOG, "> 1000"), Severity.CRITICAL, "30s"),
    Alert(
        name="QueueNotDraining",
        expr=(
            f"{over('max', held(of(REDIS_BACKLOG)), 'queue')} >= 3\n"
            f"and {over('min', f'min_over_time({of(REDIS_BACKLOG)}[5m])', 'queue')} >= 1\n"
            f"and {over('min', f'delta({of(REDIS_BACKLOG)}[5m])', 'queue')} > 0"
        ),
        severity=Severity.WARNING,
        subject=Subject.REDIS,
        keeps=("queue",),
        pending="2m",
        summary="{{ $labels.queue }} only grows: {{ $value | humanize }} jobs",
        description=(
            "The queue {{ $labels.queue }} has not been empty once in 5 minutes and is longer than 5 minutes "
            "ago: {{ $value | humanize }} jobs wait. Nothing, or too little, is worked off."
        ),
        dashboard=Dashboard.REDIS,
        runbook=Runbook(
            means=(
                "A queue grows without a break. With few customers that is long before it has 100 jobs (the "
                "guide's warning)."
            ),
            look=(_BACKLOG, Look("lost messages", 'prober_open_violations{job="prober",kind="lost_message"}')),
            causes=(
                "Workers hang or are gone.",
                "The queue is paused.",
                "One job blocks all (a lock, a call without a timeout).",
            ),
            do=("Restart the workers. See in their log which job was the last.",),
            advice=(WORKERS,),
            false_alarms=("A steady peak that is just being met: it shrinks again within minutes.",),
        ),
    ),
    Alert(
        name="RedisOperationsSlow",
        expr=slower(REDIS_OPERATION, _SLOW),
        severity=Severity.WARNING,
        subject=Subject.REDIS,
        keeps=("operation",),
        pending="5m",
        summary="Redis {{ $labels.operation }}: p99 {{ $value | humanizeDuration }}",
        description=(
            "99 % of our {{ $labels.operation }} operations of the last 5 minutes took up to {{ $value | "
            f"humanizeDuration }}}}; the guide's budget for a queue operation is < {_SLOW * 1000:g} ms."
        ),
        dashboard=Dashboard.REDIS,
        runbook=Runbook(
            means=(
                "The probe's own operations on one small key are slower than the guide's budget "
                f"({_SLOW * 1000:g} ms, p99)."
            ),
            look=(
                Look("by operation", p99_by_operation(REDIS_OPERATION)),
                Look("what Redis itself calls slow", "redis-cli SLOWLOG GET 10"),
            ),
            causes=(
                "A long command (KEYS, a big Lua script) blocks all others.",
                "Saving to a slow disk; swapping.",
                "The network.",
            ),
            do=("`redis-cli --latency` on the host itself tells the server from the network.",),
            advice=(COMMAND_TIMEOUT,),
            false_alarms=("A prober short of CPU: `ProberLoopLagging`.",),
        ),
    ),
    Alert(
        name="RedisEvicting",
        expr=f"{over('max', increase(of(REDIS_EVICTED), '10m'))} > 0",
        severity=Severity.WARNING,
        subject=Subject.REDIS,
        at_once="a key that is evicted is gone; there is nothing to wait for",
        summary=f"Redis evicts keys: {COUNT} in 10 minutes",
        description=(
            f"Keys evicted in the last 10 minutes for want of memory: {COUNT}. Jobs of the queues are keys: what "
            "is evicted is lost."
        ),
        dashboard=Dashboard.REDIS,
        runbook=Runbook(
            means=(
                "Redis is at `maxmemory` with a policy that throws keys away. BullMQ needs `maxmemory-policy "
                "noeviction`."
            ),
            look=(
                Look("memory", 'redis_memory_used_bytes{job="prober"}'),
                Look("the policy", "redis-cli CONFIG GET maxmemory-policy"),
            ),
            causes=(
                "Finished jobs are kept for ever (`removeOnComplete` is not set).",
                "A cache shares the instance with the queues.",
            ),
            do=("Set `noeviction`, remove finished jobs, give the cache an instance of its own.",),
            false_alarms=("None: with queues in it nothing may be evicted.",),
        ),
    ),
    restarted("RedisRestarted", Service.REDIS, Subject.REDIS, Dashboard.REDIS, what="Redis"),
)
