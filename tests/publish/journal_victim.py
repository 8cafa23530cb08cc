"""A process that writes a journal and is killed while it does; started by the tests."""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from prober.publish.journal.entries import Durability, Entry, JournalNews, JournalRecovered
from prober.publish.journal.journal import Journal
from tests.publish.journal_samples import BOOT, mark, outage, redis_result, violation

Script = list[tuple[Entry, bool]]  # the entry, and whether to wait for it


def say(word: object) -> None:
    print(word, flush=True)


async def stream(journal: Journal) -> None:
    """Write for ever, saying each number that is durable."""
    n = 0
    while True:
        n += 1
        for result in range(20):
            journal.record(redis_result(result))
        if await journal.write_now(mark(n), violation(n), outage(n, began=n), timeout=30) is Durability.DURABLE:
            say(n)


async def follow_script(journal: Journal) -> None:
    """Do what stdin says, saying the index of each entry that is durable, then die without a word."""
    script: Script = pickle.load(sys.stdin.buffer)
    for index, (entry, now) in enumerate(script):
        if not now:
            journal.record(entry)
        elif await journal.write_now(entry, timeout=30) is Durability.DURABLE:
            say(index)
    os.kill(os.getpid(), signal.SIGKILL)


async def hit_the_limit(journal: Journal) -> None:
    """Write until files may not grow any further, then lift the limit and say how many there should be."""
    await journal.write_now(mark(0), timeout=30)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    n = 1
    while await journal.write_now(violation(n), timeout=30) is Durability.DURABLE:
        n += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    async with asyncio.timeout(30):
        while await journal.write_now(mark(1), timeout=30) is not Durability.DURABLE:
            await asyncio.sleep(0.01)
    await journal.close()
    say(n)


TASKS: dict[str, Callable[[Journal], Awaitable[None]]] = {
    "stream": stream,
    "script": follow_script,
    "limit": hit_the_limit,
}


async def main(directory: Path, task: str) -> None:
    def report(news: JournalNews) -> None:
        say("recovered" if isinstance(news, JournalRecovered) else news.reason)

    journal = Journal(directory, report=report, boot_id=BOOT, flush_interval=0.02, retry_interval=0.05)
    journal.start()
    await TASKS[task](journal)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
