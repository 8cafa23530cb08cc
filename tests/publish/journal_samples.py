"""Values of every kind that the journal keeps, for its tests."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import prober
from prober.clock import Instant
from prober.event import Outage, ServiceRestarted, ViolationFound, WebhookSettled
from prober.outcome import (
    Claim,
    Mode,
    Outcome,
    ProbeName,
    RaceOutcome,
    Service,
    Settlement,
    Violation,
    WebhookCheck,
)
from prober.publish.journal.backlog import Write
from prober.publish.journal.entries import Acknowledgement, Entry, Intended, JournalNews, State
from prober.publish.journal.file import JournalFile
from prober.publish.journal.journal import Journal
from prober.publish.journal.schema import FILE_NAME
from prober.publish.journal.statements import Encoder
from prober.result import (
    AwaitedWebhook,
    RaceHistory,
    RaceResult,
    RaceRows,
    RedisInfo,
    RedisResult,
    VendorAnswer,
    WebhookResult,
)

BOOT = "11111111-2222-3333-4444-555555555555"
# For processes that a test starts: they find the package wherever the test found it.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(prober.__file__).parents[1])}
WALL = 1_800_000_000.0  # Unix time at which the monotonic clock of these tests reads 0


def at(mono: float) -> Instant:
    return Instant(mono, WALL + mono)


def journal_file(directory: Path, boot_id: str = BOOT) -> JournalFile:
    return JournalFile(directory, Encoder(boot_id, str))


def commit(file: JournalFile, *entries: Entry) -> None:
    """Write entries in one synced transaction; none of them may be refused."""
    assert file.write([Write(entries)], (), synced=True) == set()


def redis_result(n: int, outcome: Outcome = Outcome.OK) -> RedisResult:
    return RedisResult(
        probe=ProbeName.REDIS,
        run_id=f"run-{n}",
        started=at(n),
        duration=0.0005,
        outcome=outcome,
        detail="",
        operations={"ping": 0.0001, "write": 0.0002},
        info=RedisInfo(run_id="abc", role="master", uptime=10, used_memory=1_000_000, evicted_keys=0),
        backlog={"order-expiry": 0, "vendor-fallback": 3},
    )


def webhook_result(n: int) -> WebhookResult:
    return WebhookResult(
        probe=ProbeName.WEBHOOK,
        run_id=f"run-{n}",
        started=at(n),
        duration=0.05,
        outcome=Outcome.OK,
        check=WebhookCheck.DELIVERY,
        mode=Mode.FULL,
        code=200,
        accepted=True,
        message_sid=f"SM{n:032x}",
        trace_id=f"{n:032x}",
    )


def race(n: int, outcome: RaceOutcome = RaceOutcome.ONE_WINNER) -> RaceResult:
    answers = tuple(
        VendorAnswer(
            vendor_id=f"vendor-{vendor}",
            sent=0.001,
            answered=0.02,
            claim=Claim.WON if vendor == 0 else Claim.LOST,
            code=200,
            outcome=Outcome.OK,
            told='{"accepted": true}',
        )
        for vendor in range(5)
    )
    return RaceResult(
        probe=ProbeName.RACE,
        run_id=f"race-{n}",
        started=at(n),
        duration=0.2,
        outcome=Outcome.OK,
        race_outcome=outcome,
        sentence=f"race {n} ended with {outcome}",
        routing_id=f"routing-{n}",
        order_id=f"order-{n}",
        released=at(n + 0.1),
        history=RaceHistory(
            answers=answers, rows=RaceRows(locked_vendor="vendor-0", accepted_vendors=("vendor-0",))
        ),
        race_duration=0.02,
        spread=0.0003,
    )


def outage(n: int, began: float = 0.0, ended: float | None = None) -> Outage:
    return Outage(
        id=f"outage-{n}",
        probe=ProbeName.DATABASE,
        began=at(began),
        cause=Outcome.REFUSED,
        detail="nobody listens",
        ended=None if ended is None else at(ended),
        uncertainty=None if ended is None else 0.02,
        failures=3,
    )


def awaited(n: int, accepted: float | None = None, *, lost: bool = False) -> AwaitedWebhook:
    return AwaitedWebhook(
        message_sid=f"SM{n:032x}",
        run_id=f"run-{n}",
        mode=Mode.FULL,
        from_number="+999000000000",
        body=f"synthetic-prober test run-{n}",
        intended=at(n),
        accepted=None if accepted is None else at(accepted),
        lost=lost,
    )


def settled(n: int, settlement: Settlement) -> WebhookSettled:
    return WebhookSettled(
        message_sid=f"SM{n:032x}",
        run_id=f"run-{n}",
        settlement=settlement,
        at=at(n + 60),
        delay=None if settlement is Settlement.LOST else 0.3,
        effects=0 if settlement is Settlement.LOST else 1,
        sentence=f"it was {settlement}",
    )


def violation(n: int, kind: Violation = Violation.LOST_MESSAGE, seen: float | None = None) -> ViolationFound:
    found = at(n if seen is None else seen)
    return ViolationFound(id=f"{kind}-{n}", kind=kind, at=found, sentence=f"violation {n}")


def mark(n: int) -> Intended:
    return Intended(kind="orders", id=f"order-{n}", run_id=f"run-{n}", at=at(n))


def one_of_each() -> tuple[Entry, ...]:
    return (
        redis_result(1),
        webhook_result(2),
        race(3),
        outage(4),
        awaited(5),
        settled(5, Settlement.DONE),
        violation(6),
        Acknowledgement(what="lost_message", at=at(7), until_wall=WALL + 1000, reason="known"),
        ServiceRestarted(service=Service.REDIS, at=at(8), detail="run_id changed"),
        mark(9),
        State(key="paused_until", value={"wall": 12.5, "why": ["a", None]}),
    )


def journal(directory: Path, news: list[JournalNews], redact: Callable[[str], str] = str) -> Journal:
    return Journal(
        directory, report=news.append, redact=redact, boot_id=BOOT, flush_interval=0.05, retry_interval=0.05
    )


def stored(directory: Path, table: str) -> int:
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


async def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(what)
        await asyncio.sleep(0.01)
