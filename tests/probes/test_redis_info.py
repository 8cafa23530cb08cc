"""What Redis tells of itself and of its queues, as values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from prober.probes.redis_info import Missing, backlog_commands, read_backlog, read_info, read_time
from prober.probes.resp import Answer, Refusal
from prober.result import RedisInfo

TOLD: list[Answer] = [
    b"# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nuptime_in_seconds:61\r\n",
    b"# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n",
    b"# Stats\r\nevicted_keys:7\r\n",
    b"# Replication\r\nrole:slave\r\n",
]


def overdue_bound(now_ms: int) -> int:
    commands = backlog_commands("bull", ["mail"], now_ms)
    return int(commands[3].split(b"\r\n")[-2])


def test_info_becomes_one_value() -> None:
    wanted = RedisInfo(run_id="abc", role="slave", uptime=61, used_memory=1 << 20, evicted_keys=7)
    assert read_info(TOLD) == wanted


def test_info_without_a_field_is_missing_and_says_which() -> None:
    missing = read_info(TOLD[:3])
    assert isinstance(missing, Missing)
    assert "role" in missing.why


def test_info_that_is_refused_is_missing() -> None:
    refused = Refusal("NOPERM this user has no permissions to run the 'info' command")
    assert read_info([refused, *TOLD[1:]]) == Missing("INFO", refused.text)


def test_the_clock_of_redis_is_read_in_milliseconds() -> None:
    assert read_time([b"1795476607", b"792999"]) == 1795476607792
    assert isinstance(read_time([b"x", b"y"]), Missing)
    assert isinstance(read_time(Refusal("NOPERM")), Missing)


@given(st.integers(0, 2**41), st.integers(0, 4095), st.integers(1, 2**40))
def test_a_job_is_overdue_from_its_millisecond_on(due_ms: int, counter: int, later: int) -> None:
    score = float(due_ms * 4096 + counter)  # Redis keeps scores as doubles
    assert score <= float(overdue_bound(due_ms))
    assert score <= float(overdue_bound(min(due_ms + later, 2**41)))
    assert due_ms == 0 or score > float(overdue_bound(due_ms - 1))


def test_the_backlog_is_the_sum_of_the_four_parts_of_each_queue() -> None:
    assert read_backlog(["a", "b"], [1, 2, 3, 4, 0, 0, 0, 5]) == {"a": 10, "b": 5}


def test_a_part_that_cannot_be_seen_makes_the_backlog_missing_and_not_smaller() -> None:
    missing = read_backlog(["a", "b"], [1, 2, 3, 4, 0, Refusal("NOPERM no access"), 0, 5])
    assert missing == Missing("the backlog of b", "NOPERM no access")
    assert isinstance(read_backlog(["a"], [1, 2, 3, b"text"]), Missing)
