"""Reads what PostgreSQL tells of itself, in one query that only reads and cannot fail for a missing grant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prober.probes.database_session import MARK, DatabaseSession
from prober.result import DatabaseStats


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPool:
    """How to tell the application's sessions, and how many it may have.

    Sessions of `role` and with `application_name` count, where both are given those with both.
    """

    role: str | None = None
    application_name: str | None = None
    size: int = 0  # connections of one application instance
    instances: int = 1

    @property
    def capacity(self) -> int:
        """Sessions that all instances together may have."""
        return self.size * self.instances

    @property
    def is_known(self) -> bool:
        """Whether there is enough to make a share of."""
        return self.capacity > 0 and (self.role is not None or self.application_name is not None)


# `state` and times of other roles' sessions are NULL without pg_read_all_stats, so what is counted from them
# would read 0; `visible` and `unseen` tell that apart. Our own sessions are left out: we watch, we do not use.
_STATS = """
WITH rights AS (
    SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS visible,
           (SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = $1) AS own
), session AS (
    SELECT usename, application_name, state, xact_start, wait_event_type
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND coalesce(application_name, '') NOT LIKE $3 || '%'
), app AS (
    SELECT state FROM session
    WHERE ($1::text IS NULL OR usename = $1) AND ($2::text IS NULL OR application_name = $2)
), replica AS (
    SELECT coalesce(extract(epoch FROM replay_lag),
                    CASE WHEN replay_lsn >= sent_lsn THEN 0 END)::float8 AS lag
    FROM pg_stat_replication WHERE state = 'streaming'
)
SELECT
    current_database()::text AS datname,
    extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
    pg_is_in_recovery() AS in_recovery,
    (SELECT visible FROM rights) AS visible,
    (SELECT own FROM rights) AS own,
    (SELECT count(*) FROM app WHERE state <> 'idle') AS busy,
    (SELECT count(*) FROM app WHERE state IS NULL OR state = 'disabled') AS unseen,
    xact_rollback AS rollbacks,
    extract(epoch FROM stats_reset)::float8 AS rollbacks_reset,
    (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM session)
        AS longest_transaction,
    (SELECT count(*) FROM session WHERE wait_event_type = 'Lock') AS lock_waiters,
    CASE
        WHEN NOT pg_is_in_recovery() THEN (SELECT max(lag) FROM replica)
        WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
             AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
        ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
    END AS replication_lag
FROM pg_stat_database WHERE datname = current_database()
"""


async def read_stats(session: DatabaseSession, pool: AppPool) -> tuple[DatabaseStats, list[str]]:
    """Ask once. Returns what can be seen, and a sentence for each thing that was wanted and cannot be."""
    row = await session.row(_STATS, pool.role, pool.application_name, MARK)
    return judge_stats(dict(row), pool)


def judge_stats(row: Mapping[str, Any], pool: AppPool) -> tuple[DatabaseStats, list[str]]:
    """Keep of the row what it can know. A figure that a missing grant made 0 becomes None and a sentence."""
    hidden: list[str] = []
    if not row["visible"]:
        hidden.append(
            "the longest transaction, lock waits and the lag of replicas are not observable:"
            " the role lacks pg_read_all_stats"
        )
    usage, why_not = _pool_usage(row, pool)
    if why_not:
        hidden.append(f"pool usage is not observable: {why_not}")
    stats = DatabaseStats(
        started_at=row["started_at"],
        in_recovery=row["in_recovery"],
        replication_lag=row["replication_lag"],
        pool_usage=usage,
        rollbacks=row["rollbacks"],
        rollbacks_reset=row["rollbacks_reset"],
        datname=row["datname"],
        longest_transaction=row["longest_transaction"] if row["visible"] else None,
        lock_waiters=row["lock_waiters"] if row["visible"] else None,
    )
    return stats, hidden


def _pool_usage(row: Mapping[str, Any], pool: AppPool) -> tuple[float | None, str]:
    if not pool.is_known:
        return None, ""  # nobody asked for it
    if pool.role is not None and row["own"] is None:
        return None, f"there is no role {pool.role!r}"
    if not row["visible"] and not row["own"]:
        return None, "the role lacks pg_read_all_stats"
    if row["unseen"]:
        return None, "the server does not track the state of sessions (track_activities is off)"
    return row["busy"] / pool.capacity, ""
