"""What system tests ask a running prober: its metrics by name and labels, and its journal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from prober.demo.stack import Stack
from prober.demo.watcher import Watcher
from prober.publish.journal.reader import Reader

# Seconds between two scrapes of one wait: each costs the daemon's web process and the test some milliseconds.
SCRAPE_PAUSE = 0.1


@dataclass(frozen=True)
class Scrape:
    """One scrape: samples by name and labels."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with exactly these labels; None when it is absent."""
        return self.samples.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum over every sample that has these labels; 0 when there is none."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= has)


def parse(text: str) -> Scrape:
    return Scrape(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


async def until(
    what: str, condition: Callable[[], Awaitable[bool]], timeout: float = 60.0, pause: float = 0.05
) -> None:
    """Wait for a condition, asked every `pause` seconds; fails with `what` was waited for."""
    deadline = time.monotonic() + timeout
    while not await condition():
        assert time.monotonic() < deadline, f"waited {timeout:g} s for {what}"
        await asyncio.sleep(pause)


class Watched:
    """A stack with its daemon, or with another one, as a test looks at it."""

    def __init__(self, stack: Stack, watcher: Watcher | None = None) -> None:
        self.stack = stack
        self.watcher = watcher or stack.watcher
        self.reader = Reader(stack.data_dir)

    async def scrape(self) -> Scrape:
        return parse(await self._metrics())

    async def samples(self, name: str) -> Scrape:
        """A scrape of which only this one's samples are read: reading all takes longer than all else of it."""
        lines = (await self._metrics()).splitlines(keepends=True)
        return parse("".join(line for line in lines if line.startswith((name + "{", name + " "))))

    async def _metrics(self) -> str:
        status, text = await self.watcher.get("/metrics")
        assert status == 200
        return text

    async def grows(
        self, name: str, *, by: float = 1, since: Scrape | None = None, timeout: float = 60.0, **labels: str
    ) -> None:
        """Wait until a counter has grown."""
        before = (since or await self.samples(name)).total(name, **labels)

        async def grown() -> bool:
            return (await self.samples(name)).total(name, **labels) >= before + by

        await until(f"{name}{labels} to grow by {by} from {before}", grown, timeout, SCRAPE_PAUSE)

    async def becomes(
        self, name: str, wanted: Callable[[float], bool], timeout: float = 60.0, **labels: str
    ) -> None:
        """Wait until a gauge is as wanted."""

        async def so() -> bool:
            value = (await self.samples(name)).value(name, **labels)
            return value is not None and wanted(value)

        await until(f"{name}{labels} to be as wanted", so, timeout, SCRAPE_PAUSE)

    async def clean_again(self) -> None:
        """Wait until webhooks and races work as if nothing had been."""
        await self.grows("prober_probe_runs_total", by=3, probe="webhook", outcome="ok")
        await self.grows("vendor_routing_race_outcomes_total", by=2, outcome="one_winner")
