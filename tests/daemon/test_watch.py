"""A watch: a probe that is exchanged runs with a permit that fits it; of an outage's runs few are samples."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from prober.cap import Cap, Demand
from prober.daemon.outlet import Outlet
from prober.daemon.reactions import Reactions
from prober.daemon.watch import Watch, Watched
from prober.event import Event, ProbeRan
from prober.gate import Gate
from prober.judge.outage import Tracking
from prober.judge.win_rate import RaceWindow
from prober.outcome import Outcome, ProbeName
from prober.probes.base import Run, Unrestricted
from prober.publish.journal.journal import Journal
from prober.result import Result
from prober.schedule import Timing
from tests.permits import ROUTES, permit_for

TIMING = Timing(interval=5.0, timeout=1.0)


class Noting:
    """A probe that notes what it was permitted, and when it was closed."""

    name = ProbeName.HEALTH

    def __init__(self) -> None:
        self.permitted: list[Demand] = []
        self.closed = asyncio.Event()

    async def run(self, run: Run) -> Result:
        assert not self.closed.is_set()
        self.permitted.append(run.permit.demand)
        return Result(
            probe=self.name, run_id=run.id, started=run.started, duration=0.0, outcome=Outcome.OK, detail=""
        )

    async def close(self) -> None:
        self.closed.set()


def watched(probe: Noting, pages: int) -> Watched:
    return Watched(probe=probe, timing=TIMING, demand=Demand(pages=pages))


async def exchanged_while_it_waits(data_dir: Path) -> tuple[Noting, Noting, list[Event], Gate]:
    gate = Gate(Cap(rate=100.0, burst=20, in_flight=5, webhook=1, webhook_window=1.0), ROUTES)
    events: list[Event] = []
    ran = asyncio.Event()

    def publish(event: Event) -> None:
        events.append(event)
        if isinstance(event, ProbeRan):
            ran.set()

    outlet = Outlet(Journal(data_dir, report=lambda _: None), sink=Sent())
    reactions = Reactions(outlet, publish, RaceWindow(10, 5), race_fresh_for=1.0, covers={}, down_since=dict)
    first, second = Noting(), Noting()
    watch = Watch(
        watched(first, 1),
        recovery_successes=3,
        publish=publish,
        reactions=reactions,
        gate=gate,
        permission=Unrestricted(),
        down=dict,
    )
    holder = permit_for(pages=5, gate=gate)
    task = asyncio.create_task(watch.forever())
    while not gate._waiting:
        await asyncio.sleep(0)
    watch.exchange(watched(second, 3), recovery_successes=3)
    holder.close()
    async with asyncio.timeout(30.0):
        await ran.wait()
        await first.closed.wait()
        watch.stop()
        await task
    return first, second, events, gate


class Sent:
    """Nobody listens."""

    def send(self, event: Event) -> None:
        """Drop it."""


def test_a_probe_exchanged_while_it_waits_for_its_permit_gets_one_that_fits(tmp_path: Path) -> None:
    first, second, events, gate = asyncio.run(exchanged_while_it_waits(tmp_path))
    assert first.permitted == []
    assert second.permitted == [Demand(pages=3)]
    assert [type(event) for event in events] == [ProbeRan]
    assert second.closed.is_set()
    assert gate.in_flight == 0


class Failing(Noting):
    """A probe of something that is down."""

    name = ProbeName.REDIS

    async def run(self, run: Run) -> Result:
        return replace(await super().run(run), outcome=Outcome.REFUSED)


async def down_for(intervals: float, interval: float, data_dir: Path) -> list[ProbeRan]:
    """What is published of a service that is down and probed twenty times as often as its interval."""
    events: list[Event] = []
    reactions = Reactions(
        Outlet(Journal(data_dir, report=lambda _: None), sink=Sent()),
        events.append,
        RaceWindow(10, 5),
        race_fresh_for=1.0,
        covers={},
        down_since=dict,
    )
    watch = Watch(
        Watched(
            probe=Failing(),
            timing=Timing(interval=interval, timeout=1.0, down_interval=interval / 20),
            tracking=Tracking(probe=ProbeName.REDIS),
        ),
        recovery_successes=3,
        publish=events.append,
        reactions=reactions,
        gate=Gate(Cap(rate=100.0, burst=20, in_flight=5, webhook=1, webhook_window=1.0), ROUTES),
        permission=Unrestricted(),
        down=dict,
    )
    task = asyncio.create_task(watch.forever())
    await asyncio.sleep(intervals * interval)
    watch.stop()
    await task
    return [event for event in events if isinstance(event, ProbeRan)]


def test_of_an_outage_one_run_of_each_interval_stands_for_it(tmp_path: Path) -> None:
    interval = 0.2
    runs = asyncio.run(down_for(5.5, interval, tmp_path))
    sampled = [run.result.started.mono for run in runs if run.sampled]
    assert runs[0].sampled
    assert len(runs) > len(sampled) >= 2
    assert all(later - earlier >= interval for earlier, later in pairwise(sampled))
    # And none is left out: each that was not sampled had one less than an interval before it.
    for run in runs:
        if not run.sampled:
            assert any(0 <= run.result.started.mono - at < interval for at in sampled)
