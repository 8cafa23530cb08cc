"""Alerts on PostgreSQL: down, directly or through the pooler; slow to come back; its pool, its transactions."""

from __future__ import annotations

from prober.alerts.alert import Alert, Look, Runbook
from prober.alerts.labels import Severity, Subject
from prober.alerts.outages import outage, recovery, restarted
from prober.alerts.promql import held, number, of, over, p99_by_operation, slower
from prober.alerts.thresholds import LONG_TRANSACTION, POOL, ROLLBACKS, budget, edge
from prober.guide.advice.database import DATABASE_BREAKER, FAILOVER, KEEP_MESSAGES, PGBOUNCER
from prober.guide.advice.webhook import POOL as POOL_ADVICE
from prober.guide.advice.webhook import SLOW_QUERIES
from prober.outcome import Dashboard, Measure, ProbeName, Service, Suite
from prober.web.catalogue.stores import (
    DATABASE_OPERATION,
    DATABASE_RECOVERY,
    LONGEST_TRANSACTION,
    POOL_USAGE,
)
from prober.web.catalogue.stores import ROLLBACKS as ROLLED_BACK

_DB = Suite.DB_RESTART
_SLOW = budget(Measure.DATABASE_P99)
_SESSIONS = Look(
    "what its sessions do", "SELECT state, wait_event_type, count(*) FROM pg_stat_activity GROUP BY 1, 2;"
)

ALERTS: tuple[Alert, ...] = (
    outage(
        "DatabaseOutage",
        ProbeName.DATABASE,
        Subject.DATABASE,
        Dashboard.DATABASE,
        what="PostgreSQL",
        means=(
            "The database server does not answer a query, or takes no write. As deployed webhooks still get "
            "their 200 while it is gone *and the messages are lost*; while it is frozen they are not answered "
            "for 15 s and more."
        ),
        look=(Look("restarts", 'prober_restarts_detected_total{job="prober",service="database"}'),),
        causes=(
            "The process is gone: a crash, out of memory, a full disk, a deployment (`refused`, `closed`).",
            "It is frozen, or its disk is (`timeout`).",
            "It starts or recovers (`starting`), or has become a standby (`readonly`).",
            "All connections are in use (`too_many_connections`).",
        ),
        do=(
            "Start it, or fail over. It is back when three probes in a row are good.",
            "Messages that came in meanwhile: Twilio's log has them, the database has not.",
        ),
        advice=(FAILOVER, KEEP_MESSAGES, DATABASE_BREAKER),
        false_alarms=("A password or grant that changed is no outage: it makes `ProbeWithoutSuccess`.",),
    ),
    outage(
        "PooledDatabaseOutage",
        ProbeName.DATABASE_POOLED,
        Subject.DATABASE,
        Dashboard.DATABASE,
        what="the database behind its pooler",
        means=(
            "The way that the application takes (PgBouncer) does not work. With the server itself down as well "
            "`DatabaseOutage` pages in place of this; alone it means that the pooler is the trouble."
        ),
        look=(Look("pools and servers, in PgBouncer's console", "SHOW POOLS; SHOW SERVERS;"),),
        causes=(
            "The pooler is gone or frozen.",
            "It waits `server_login_retry` (15 s) after the server came back.",
            "Its `max_client_conn` or its pool is used up.",
        ),
        do=("Restart or reload the pooler; `RECONNECT` in its console gets rid of dead server connections.",),
        advice=(PGBOUNCER,),
        false_alarms=("The prober's own user is missing in its `userlist.txt` or `auth_query`.",),
    ),
    recovery(
        "DatabaseRecoverySlow",
        DATABASE_RECOVERY,
        edge(_DB, Measure.RECOVERY_TIME, "10-30s"),
        Severity.WARNING,
        Subject.DATABASE,
        Dashboard.DATABASE,
        what="PostgreSQL",
        paged_as="DatabaseOutage",
    ),
    recovery(
        "DatabaseRecoveryLong",
        DATABASE_RECOVERY,
        edge(_DB, Measure.RECOVERY_TIME, "> 30s"),
        Severity.CRITICAL,
        Subject.DATABASE,
        Dashboard.DATABASE,
        what="PostgreSQL",
        paged_as="DatabaseOutage",
    ),
    Alert(
        name="DatabasePoolSaturated",
        expr=f"{over('max', held(of(POOL_USAGE)))} >= {number(POOL.value)}",
        severity=Severity.WARNING,
        subject=Subject.DATABASE,
        pending="1m",
        summary="{{ $value | humanizePercentage }} of the application's pool is in use",
        description=(
            "{{ $value | humanizePercentage }} of the application's database sessions are not idle "
            f"(pool_size × app_instances); this fires from {POOL.value:.0%} on. At 100 % requests wait for one "
            "another."
        ),
        dashboard=Dashboard.DATABASE,
        runbook=Runbook(
            means="The application's sessions that are working, or idle in a transaction, nearly fill its pools.",
            look=(
                _SESSIONS,
                Look("the oldest transaction", of(LONGEST_TRANSACTION)),
                Look("over time", of(POOL_USAGE)),
            ),
            causes=(
                "Transactions are left open (`idle in transaction`): a leak; the oldest one keeps growing.",
                "Slow queries hold their sessions.",
                "The pool is too small for the load.",
            ),
            do=(
                (
                    "`idle in transaction`: find the code that does not commit; `pg_terminate_backend(pid)` "
                    "frees one now."
                ),
            ),
            advice=(POOL_ADVICE, SLOW_QUERIES),
            false_alarms=("`target.pool_size` or `app_instances` in the config are smaller than the truth.",),
        ),
    ),
    Alert(
        name="DatabaseOperationsSlow",
        expr=slower(DATABASE_OPERATION, _SLOW),
        severity=Severity.WARNING,
        subject=Subject.DATABASE,
        keeps=("operation",),
        pending="5m",
        summary="PostgreSQL {{ $labels.operation }}: p99 {{ $value | humanizeDuration }}",
        description=(
            "99 % of our {{ $labels.operation }} operations of the last 5 minutes took up to {{ $value | "
            f"humanizeDuration }}}}; the guide's budget for a database operation is < {_SLOW * 1000:g} ms."
        ),
        dashboard=Dashboard.DATABASE,
        runbook=Runbook(
            means=(
                "The probe's own `SELECT 1` and its write of one row are slower than the guide's budget "
                f"({_SLOW * 1000:g} ms, p99)."
            ),
            look=(_SESSIONS, Look("by operation", p99_by_operation(DATABASE_OPERATION))),
            causes=(
                "The disk (writes are slow, `select` is not).",
                "CPU or locks.",
                "`pooled_` alone: the pooler.",
            ),
            do=("Compare `select` with `write`, and both with their `pooled_` twins.",),
            advice=(SLOW_QUERIES,),
            false_alarms=("A prober short of CPU: `ProberLoopLagging`.",),
        ),
    ),
    Alert(
        name="DatabaseRollbacks",
        expr=f"{over('max', f'rate({of(ROLLED_BACK)}[5m])', 'datname')} > {number(ROLLBACKS.value)}",
        severity=Severity.WARNING,
        subject=Subject.DATABASE,
        keeps=("datname",),
        pending="1m",
        summary="{{ $value | humanize }} rollbacks a second in {{ $labels.datname }}",
        description=(
            "{{ $value | humanize }} transactions a second of {{ $labels.datname }} were rolled back "
            f"over 5 minutes; this fires above {ROLLBACKS.value:g}. Each is work that was thrown away, and "
            "mostly an error to somebody."
        ),
        dashboard=Dashboard.DATABASE,
        runbook=Runbook(
            means=(
                "`xact_rollback` of the database grows steadily. The guide's target of 0 % is that of a drill's "
                "own traffic; this watches all of it."
            ),
            look=(
                Look("rollbacks a second", 'rate(db_transaction_rollbacks_total{job="prober"}[5m])'),
                Look("which errors", "the server's log: ERROR, deadlock detected, could not serialize"),
            ),
            causes=(
                "Deadlocks or serialization failures (40P01, 40001).",
                "Unique violations that the code runs into.",
                "Timeouts that end transactions.",
            ),
            do=("Group the server's errors by SQLSTATE.",),
            false_alarms=("A job that rolls back by design (a dry run).",),
        ),
    ),
    Alert(
        name="DatabaseLongTransaction",
        expr=f"{over('max', held(of(LONGEST_TRANSACTION)))} > {number(LONG_TRANSACTION.value)}",
        severity=Severity.WARNING,
        subject=Subject.DATABASE,
        pending="1m",
        summary="a transaction has been open for {{ $value | humanizeDuration }}",
        description=(
            "The oldest transaction has been open for {{ $value | humanizeDuration }}; this fires above "
            f"{LONG_TRANSACTION.value:g} s. It holds its locks, and nothing newer than it is cleaned up."
        ),
        dashboard=Dashboard.DATABASE,
        runbook=Runbook(
            means="One transaction is open for minutes. Locks it holds block others, and VACUUM stops at it.",
            look=(
                Look(
                    "which",
                    (
                        "SELECT pid, usename, application_name, state, now() - xact_start AS age, left(query, "
                        "80) FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY xact_start LIMIT 5;"
                    ),
                ),
                Look("who waits", 'db_lock_waiters{job="prober"}'),
            ),
            causes=(
                "A session that was left `idle in transaction`.",
                "A report or a migration.",
                "A backup (`pg_dump`).",
            ),
            do=("If nobody needs it: `pg_terminate_backend(pid)`. Set `idle_in_transaction_session_timeout`.",),
            false_alarms=("Backups and reports by night: silence them by time.",),
        ),
    ),
    restarted("DatabaseRestarted", Service.DATABASE, Subject.DATABASE, Dashboard.DATABASE, what="PostgreSQL"),
)
