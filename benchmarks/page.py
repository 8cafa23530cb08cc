"""The status page on a journal of 10,000 incidents and 100,000 results, and 20 live streams beside the probes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.figures import children, percentile, table, usage
from benchmarks.stacks import default_stack
from prober.clock import Instant, now
from prober.demo.watcher import Watcher
from prober.event import Outage, ViolationFound
from prober.outcome import Claim, Outcome, ProbeName, RaceOutcome, Violation
from prober.publish.journal.backlog import Write
from prober.publish.journal.entries import Entry
from prober.publish.journal.file import JournalFile
from prober.publish.journal.reader import Reader
from prober.publish.journal.restore import read_boot_id
from prober.publish.journal.statements import Encoder
from prober.result import RaceHistory, RaceResult, RaceRows, RedisResult, VendorAnswer

INCIDENTS = 10_000
RESULTS = 100_000
RACES = 2_000
STREAMS = 20
PHASE = 20.0
ASKED = ("/", "/incidents", "/races", "/races/ID", "/api/v1/status", "/api/v1/incidents", "/api/v1/races")
TIMES = 50


def entries(at: Instant) -> Iterator[Entry]:
    """A long history that ends now: a result a second, races, an incident every few minutes."""
    for n in range(RESULTS):
        yield RedisResult(
            probe=ProbeName.REDIS,
            run_id=f"run-{n}",
            started=at.later(at.mono - RESULTS + n),
            duration=0.0005 + n % 7 * 0.0001,
            outcome=Outcome.OK,
            operations={"ping": 0.0001, "write": 0.0002},
        )
    for n in range(RACES):
        yield _race(n, at.later(at.mono - (RACES - n) * 60))
    for n in range(INCIDENTS // 2):
        began = at.later(at.mono - (INCIDENTS // 2 - n) * 300)
        yield Outage(
            id=f"outage-{n}",
            probe=(ProbeName.REDIS, ProbeName.DATABASE, ProbeName.WEBHOOK)[n % 3],
            began=began,
            ended=began.later(began.mono + 1.5),
            cause=Outcome.REFUSED,
            detail="nobody listens on 127.0.0.1:6379",
            uncertainty=0.02,
        )
        kind = tuple(Violation)[n % len(Violation)]
        yield ViolationFound(id=f"{kind}-{n}", kind=kind, at=began, sentence="a sentence of a usual length " * 5)


def _race(n: int, at: Instant) -> RaceResult:
    answers = tuple(
        VendorAnswer(
            vendor_id=f"synthetic-prober-vendor-{vendor:02}",
            sent=0.001,
            answered=0.02 + vendor * 0.001,
            claim=Claim.LOST if vendor else Claim.WON,
            code=200,
            outcome=Outcome.OK,
            told='{"success": true, "data": {"accepted": false, "reason": "LOST_RACE"}}',
            trace_id="0af7651916cd43dd8448eb211c80319c",
        )
        for vendor in range(5)
    )
    return RaceResult(
        probe=ProbeName.RACE,
        run_id=f"race-{n}",
        started=at,
        duration=0.2,
        outcome=Outcome.OK,
        race_outcome=RaceOutcome.ONE_WINNER,
        sentence="one winner by its answer, by the lock and by the rows",
        routing_id=f"routing-{n}",
        order_id=f"order-{n}",
        released=at,
        history=RaceHistory(answers=answers, rows=RaceRows(locked_vendor="v", accepted_vendors=("v",))),
        race_duration=0.024,
    )


def write_journal(data_dir: Path) -> None:
    """Make that history the journal of a prober that is about to start."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    file = JournalFile(data_dir, Encoder(read_boot_id(), str))
    history = entries(now())
    while some := tuple(islice(history, 5_000)):
        file.write([Write(some)], (), synced=False)
    file.close()


async def measure(rounds: int = 2) -> str:
    """Ask every page many times, then let streams come and go beside a probe of ten runs a second."""
    probes: dict[str, dict[str, Any]] = {
        "redis": {"interval": "100ms", "timeout": "1s"},
        "race": {"enabled": False},
    }
    async with default_stack(probes) as stack:
        write_journal(stack.data_dir)
        await stack.start_watcher()
        await asyncio.sleep(10)
        reader = Reader(stack.data_dir)
        (web,) = children(stack.watcher.pid)
        pages = [await _asked(stack.watcher, path) for path in ASKED]
        quiet: list[float] = []
        watched: list[float] = []
        spent = 0.0
        before = await _overruns(stack.watcher)
        for _ in range(rounds):
            quiet += await _phase(reader)
            async with _streaming(stack.watcher):
                cpu = usage(web).cpu
                watched += await _phase(reader)
                spent += usage(web).cpu - cpu
        overruns = await _overruns(stack.watcher) - before
        memory = sum(usage(pid).rss for pid in (stack.watcher.pid, web))
    rows = [
        (name, len(values), *(f"{percentile(values, p) * 1000:.2f} ms" for p in (50, 95, 99)))
        for name, values in (("nobody looks", quiet), (f"{STREAMS} live streams", watched))
    ]
    shift = (percentile(watched, 50) - percentile(quiet, 50)) * 1000
    return (
        f"A journal of {INCIDENTS:,} incidents, {RESULTS:,} results and {RACES:,} races; each page {TIMES} times. "
        "Bars: 100 ms, 300 kB.\n\n"
        + table(["page", "median", "p99", "size"], pages)
        + f"\n\n{STREAMS} live streams, each told what changed once a second, beside a Redis probe every 100 ms; "
        f"phases of {PHASE:g} s in turn.\n\n"
        + table(["phase", "runs", "median", "p95", "p99"], rows)
        + f"\n\nShift by the streams: **{shift:+.2f} ms** at the median; runs skipped for being late: "
        f"**{overruns:g}**. The web process spent {spent / rounds / PHASE * 100:.1f} % of a core on the streams; "
        f"both processes have {memory:.1f} MB."
    )


async def _asked(watcher: Watcher, path: str) -> tuple[str, str, str, str]:
    took, size = [], 0
    async with aiohttp.ClientSession() as session:
        for _ in range(TIMES):
            began = time.monotonic()
            url = watcher.url + path.replace("ID", "race-7")
            async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
                size = len(await answer.read())
                assert answer.status == 200, await answer.text()
            took.append(time.monotonic() - began)
    median, worst = (f"{percentile(took, p) * 1000:.1f} ms" for p in (50, 99))
    return f"`{path}`", median, worst, f"{size / 1000:.1f} kB"


@asynccontextmanager
async def _streaming(watcher: Watcher) -> AsyncIterator[None]:
    async def follow(session: aiohttp.ClientSession) -> None:
        async with session.get(f"{watcher.url}/events") as stream:
            async for _ in stream.content.iter_any():
                pass

    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        tasks = [asyncio.create_task(follow(session)) for _ in range(STREAMS)]
        yield
        assert not any(task.done() for task in tasks), "a stream ended"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _overruns(watcher: Watcher) -> float:
    _, text = await watcher.get("/metrics")
    lines = [line for line in text.splitlines() if line.startswith("prober_probe_skipped_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'reason="overrun"' in line)


async def _phase(reader: Reader) -> list[float]:
    await asyncio.sleep(1)
    began = time.time()
    await asyncio.sleep(PHASE)
    ended = time.time()
    await asyncio.sleep(2)  # until the journal has them
    results = reader.results("redis", limit=1000)
    return [r.duration for r in results if began <= r.started_wall <= ended and r.outcome == "ok"]


if __name__ == "__main__":
    print(asyncio.run(measure()))
