"""The metrics of Redis and PostgreSQL."""

from __future__ import annotations

from prober.outcome import ProbeName
from prober.web import labels as of
from prober.web.metric import Group, Kind, Metric

_REDIS = frozenset({ProbeName.REDIS})
_DATABASE = frozenset({ProbeName.DATABASE})
_DATABASES = frozenset({ProbeName.DATABASE, ProbeName.DATABASE_POOLED})

# The guide's 50, 100 and 200 ms are edges; a healthy operation takes well under a millisecond.
_OPERATION = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

REDIS_ERRORS = Metric(
    name="redis_connection_errors_total",
    kind=Kind.COUNTER,
    group=Group.REDIS,
    help="Runs of the Redis probe that failed, by reason; while Redis is down it runs at `down_interval`.",
    labels=(of.REDIS_REASON,),
    probes=_REDIS,
)
REDIS_BACKLOG = Metric(
    name="redis_queue_backlog",
    kind=Kind.GAUGE,
    group=Group.REDIS,
    help="Jobs that wait and are due: wait, prioritized, paused and overdue delayed.",
    unit="jobs",
    labels=(of.QUEUE,),
    probes=_REDIS,
)
REDIS_RECOVERY = Metric(
    name="redis_recovery_time_seconds",
    kind=Kind.GAUGE,
    group=Group.REDIS,
    help="While Redis is down the time since; then the longest outage of the last `recovery_hold`; then 0.",
    unit="seconds",
    probes=_REDIS,
)
REDIS_OPERATION = Metric(
    name="redis_operation_duration_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.REDIS,
    help="Latency of each Redis operation of the probe that succeeded.",
    unit="seconds",
    labels=(of.REDIS_OPERATION,),
    buckets=_OPERATION,
    probes=_REDIS,
)
REDIS_MEMORY = Metric(
    name="redis_memory_used_bytes",
    kind=Kind.GAUGE,
    group=Group.REDIS,
    help="Memory that Redis uses for its data, as INFO says.",
    unit="bytes",
    probes=_REDIS,
)
REDIS_EVICTED = Metric(
    name="redis_evicted_keys_total",
    kind=Kind.COUNTER,
    group=Group.REDIS,
    help="Keys evicted for want of memory since the prober began; a restart of Redis does not set it back.",
    probes=_REDIS,
)
REDIS_ROLE = Metric(
    name="redis_role",
    kind=Kind.GAUGE,
    group=Group.REDIS,
    help="1 for the role that Redis has now, 0 for the others.",
    labels=(of.ROLE,),
    probes=_REDIS,
)

POOL_USAGE = Metric(
    name="db_connection_pool_usage",
    kind=Kind.GAUGE,
    group=Group.DATABASE,
    help="The application's sessions that are not idle over the size of its pools, 0 to 1.",
    unit="ratio",
    probes=_DATABASE,
)
DATABASE_RECOVERY = Metric(
    name="db_recovery_time_seconds",
    kind=Kind.GAUGE,
    group=Group.DATABASE,
    help="While the server is down the time since; then the longest outage of the last `recovery_hold`; then 0.",
    unit="seconds",
    probes=_DATABASE,
)
ROLLBACKS = Metric(
    name="db_transaction_rollbacks_total",
    kind=Kind.COUNTER,
    group=Group.DATABASE,
    help="Transactions rolled back since the prober began; a crash that resets the server's count does not.",
    labels=(of.DATNAME,),
    probes=_DATABASE,
)
DATABASE_OPERATION = Metric(
    name="db_operation_duration_seconds",
    kind=Kind.HISTOGRAM,
    group=Group.DATABASE,
    help="Latency of each database operation of the probes that succeeded; `pooled_` through the pooler.",
    unit="seconds",
    labels=(of.DATABASE_OPERATION,),
    buckets=_OPERATION,
    probes=_DATABASES,
)
LONGEST_TRANSACTION = Metric(
    name="db_longest_transaction_seconds",
    kind=Kind.GAUGE,
    group=Group.DATABASE,
    help="Age of the oldest transaction that is open in the database.",
    unit="seconds",
    probes=_DATABASE,
)
LOCK_WAITERS = Metric(
    name="db_lock_waiters",
    kind=Kind.GAUGE,
    group=Group.DATABASE,
    help="Sessions that wait for a lock.",
    unit="sessions",
    probes=_DATABASE,
)
REPLICATION_LAG = Metric(
    name="db_replication_lag_seconds",
    kind=Kind.GAUGE,
    group=Group.DATABASE,
    help="How far the server, a standby, is behind its primary; absent on a primary.",
    unit="seconds",
    probes=_DATABASE,
)
IN_RECOVERY = Metric(
    name="db_in_recovery",
    kind=Kind.GAUGE,
    group=Group.DATABASE,
    help="1 while the server replays its log and takes no writes, else 0.",
    probes=_DATABASE,
)
