"""Reads what Redis tells of itself and of its queues: INFO, TIME and the backlog of BullMQ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.probes.resp import Answer, Refusal, pack
from prober.result import RedisInfo

# One section a command: several in one came with Redis 7, and `INFO` whole is five times as long.
INFO = tuple(pack("INFO", section) for section in ("server", "memory", "stats", "replication"))
TIME = pack("TIME")


@dataclass(frozen=True, slots=True)
class Missing:
    """Something Redis does not let us see, and why."""

    what: str
    why: str


def read_info(answers: Sequence[Answer]) -> RedisInfo | Missing:
    """Make one value of the answers to INFO; a field that is not there makes all of it missing."""
    fields: dict[bytes, bytes] = {}
    for answer in answers:
        if isinstance(answer, Refusal):
            return Missing("INFO", answer.text)
        if isinstance(answer, bytes):
            for line in answer.splitlines():
                name, colon, value = line.partition(b":")
                if colon:
                    fields[name] = value
    try:
        return RedisInfo(
            run_id=fields[b"run_id"].decode(),
            role=fields[b"role"].decode(),
            uptime=int(fields[b"uptime_in_seconds"]),
            used_memory=int(fields[b"used_memory"]),
            evicted_keys=int(fields[b"evicted_keys"]),
        )
    except (KeyError, ValueError) as error:
        return Missing("INFO", f"no readable field {error}")


def read_time(answer: Answer) -> int | Missing:
    """The server's clock in whole milliseconds since 1970."""
    if isinstance(answer, list) and len(answer) == 2:
        seconds, micros = answer
        if isinstance(seconds, bytes) and isinstance(micros, bytes) and (seconds + micros).isdigit():
            return int(seconds) * 1000 + int(micros) // 1000
    return Missing("TIME", answer.text if isinstance(answer, Refusal) else f"answered {str(answer)[:60]}")


def backlog_commands(prefix: str, queues: Sequence[str], now_ms: int) -> list[bytes]:
    """Four commands a queue: what waits, what waits with a priority, what is paused, and what is overdue.

    A delayed job's score is its due time in milliseconds times 4096 plus a counter (BullMQ), so everything
    due up to and including this millisecond is below the first score of the next. Exact in a double till 2039.
    """
    overdue = (now_ms + 1) * 4096 - 1
    commands: list[bytes] = []
    for queue in queues:
        key = f"{prefix}:{queue}"
        commands += (
            pack("LLEN", f"{key}:wait"),
            pack("ZCARD", f"{key}:prioritized"),
            pack("LLEN", f"{key}:paused"),
            pack("ZCOUNT", f"{key}:delayed", "-inf", overdue),
        )
    return commands


def read_backlog(queues: Sequence[str], answers: Sequence[Answer]) -> dict[str, int] | Missing:
    """Jobs that wait, by queue; a queue without a key is empty and counts 0."""
    backlog: dict[str, int] = {}
    for index, queue in enumerate(queues):
        jobs = 0
        for answer in answers[index * 4 : index * 4 + 4]:
            if not isinstance(answer, int):
                why = answer.text if isinstance(answer, Refusal) else f"answered {str(answer)[:60]}"
                return Missing(f"the backlog of {queue}", why)
            jobs += answer
        backlog[queue] = jobs
    return backlog
