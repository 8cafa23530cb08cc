"""A watch whose probe is exchanged: what runs next is the new one, with a permit that fits it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prober.cap import Cap, Demand
from prober.daemon.outlet import Outlet
from prober.daemon.reactions import Reactions
from prober.daemon.watch import Watch, Watched
from prober.event import Event, ProbeRan
from prober.gate import Gate
from prober.judge.win_rate import RaceWindow
from prober.outcome import Outcome, ProbeName
from prober.probes.base import Run, Unrestricted
from prober.publish.journal import Journal
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
