"""What the statistics can know: a figure that a missing grant made 0 is absent and said so, never 0."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.probes.database_stats import AppPool, judge_stats

ROW: dict[str, Any] = {
    "datname": "shop",
    "started_at": 1e9,
    "in_recovery": False,
    "visible": True,
    "own": False,
    "busy": 3,
    "unseen": 0,
    "rollbacks": 7,
    "rollbacks_reset": None,
    "longest_transaction": 1.5,
    "lock_waiters": 2,
    "replication_lag": None,
}
POOL = AppPool(role="shop", size=10, instances=2)


def test_a_role_that_sees_everything_gets_everything() -> None:
    stats, hidden = judge_stats(ROW, POOL)
    assert (stats.pool_usage, stats.longest_transaction, stats.lock_waiters) == (3 / 20, 1.5, 2)
    assert (stats.rollbacks, stats.rollbacks_reset, stats.started_at) == (7, None, 1e9)
    assert hidden == []


@pytest.mark.parametrize(
    ("change", "pool", "word"),
    [
        ({"visible": False}, POOL, "pg_read_all_stats"),
        ({"visible": False, "own": None}, AppPool(application_name="shop", size=5), "pg_read_all_stats"),
        ({"own": None}, POOL, "no role 'shop'"),
        ({"unseen": 1}, POOL, "track_activities"),
    ],
)
def test_what_cannot_be_seen_is_none_with_a_reason(change: dict[str, Any], pool: AppPool, word: str) -> None:
    stats, hidden = judge_stats(ROW | change, pool)
    assert stats.pool_usage is None
    assert word in " ".join(hidden)


def test_a_role_sees_its_own_sessions_without_a_grant() -> None:
    stats, _ = judge_stats(ROW | {"visible": False, "own": True}, POOL)
    assert stats.pool_usage == 3 / 20
    assert stats.longest_transaction is None


@pytest.mark.parametrize("pool", [AppPool(), AppPool(size=5), AppPool(role="shop"), AppPool(role="shop", size=0)])
def test_a_pool_that_nobody_described_is_absent_without_a_complaint(pool: AppPool) -> None:
    stats, hidden = judge_stats(ROW, pool)
    assert stats.pool_usage is None
    assert hidden == []


@given(st.integers(0, 1000), st.integers(1, 100), st.integers(1, 10))
def test_usage_is_busy_over_capacity(busy: int, size: int, instances: int) -> None:
    stats, _ = judge_stats(ROW | {"busy": busy}, AppPool(application_name="shop", size=size, instances=instances))
    assert stats.pool_usage == busy / (size * instances)
