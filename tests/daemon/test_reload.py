"""The reloader: one after the other, bounded in time, and nothing taken up that is not right as a whole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from prober.config.document import Mark
from prober.config.model import Config
from prober.config.problem import ConfigError, Problem
from prober.config.secrets import Redactor
from prober.contract import Contract
from prober.daemon import reload
from prober.daemon.assembly import Assembled
from prober.daemon.reload import Reloader
from prober.daemon.settings import Settings
from prober.event import Reloaded, Started
from prober.gate import Gate
from prober.outcome import ProbeName
from prober.web.settings import WebSettings
from tests.daemon.test_changes import running
from tests.permits import ROUTES, WIDE
from tests.web.event_samples import started

NOTHING = Assembled(watched=(), gate=Gate(WIDE, ROUTES), routes=ROUTES, witness=None, marks=None)


class Recorder:
    """A daemon that only notes what it is told to take up."""

    def __init__(self) -> None:
        self.taken: list[Config] = []
        self.fault: Exception | None = None

    def build(self, config: Config, contract: Contract) -> Assembled:
        if self.fault is not None:
            raise self.fault
        return NOTHING

    async def take_up(
        self,
        config: Config,
        contract: Contract,
        assembled: Assembled,
        elsewhere: Collection[ProbeName],
    ) -> Started:
        self.taken.append(config)
        return started()


def settings(tmp_path: Path, **changed: Any) -> Settings:
    one = running(tmp_path, **changed)
    return Settings(one.config, one.contract, one.web, Redactor(()))


class Reloading:
    """A reloader at work, and how each of its reloads ended."""

    def __init__(self, first: Settings, read: Callable[[], Settings]) -> None:
        self.reloader = Reloader(first, read)
        self.daemon = Recorder()
        self.ended: asyncio.Queue[Reloaded] = asyncio.Queue()
        self.served: list[WebSettings] = []
        self.reloader.serve = self.served.append

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reloader.forever(self.daemon, self.ended.put_nowait))
        yield
        task.cancel()
        await asyncio.wait([task])

    async def one(self) -> Reloaded:
        self.reloader.signalled()
        return await asyncio.wait_for(self.ended.get(), 10)


async def test_what_is_right_is_taken_up_and_said(tmp_path: Path) -> None:
    wanted = settings(tmp_path, probes__race__vendors=7)
    reloading = Reloading(settings(tmp_path), lambda: wanted)
    async with reloading.at_work():
        ended = await reloading.one()
        assert ended.now is not None
        assert ended.changed == ("probes.race.vendors",)
        # The next is compared with what runs by then.
        assert (await reloading.one()).changed == ()
    assert reloading.daemon.taken == [wanted.config, wanted.config]
    assert reloading.served == [wanted.web, wanted.web]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (ConfigError([Problem(Mark("c.yaml", 3, 1), ("x",), "no")]), "c.yaml:3:1: x: no"),
        (OSError(2, "No such file"), "cannot be used"),
        (ZeroDivisionError(), "a fault in the prober itself: ZeroDivisionError"),
    ],
    ids=str,
)
async def test_whatever_goes_wrong_leaves_the_old_one(tmp_path: Path, fault: Exception, said: str) -> None:
    reloading = Reloading(settings(tmp_path), lambda: settings(tmp_path))
    reloading.daemon.fault = fault
    async with reloading.at_work():
        ended = await reloading.one()
        assert ended.now is None
        (problem,) = ended.problems
        assert said in problem
        reloading.daemon.fault = None
        assert (await reloading.one()).now is not None
    assert len(reloading.daemon.taken) == 1


async def test_one_key_that_cannot_change_refuses_the_whole(tmp_path: Path) -> None:
    wanted = settings(tmp_path, instance="two", probes__race__vendors=7)
    reloading = Reloading(settings(tmp_path), lambda: wanted)
    async with reloading.at_work():
        (problem,) = (await reloading.one()).problems
    assert problem.startswith("instance: cannot change while running")
    assert reloading.daemon.taken == []


async def test_a_disk_that_hangs_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "READ_WITHIN", 0.05)
    disk = threading.Event()
    fine = settings(tmp_path)

    def read() -> Settings:
        disk.wait()
        return fine

    reloading = Reloading(fine, read)
    async with reloading.at_work():
        assert "could not be read within" in (await reloading.one()).problems[0]
        assert "still being read" in (await reloading.one()).problems[0]
        disk.set()
        async with asyncio.timeout(10):
            while (await reloading.one()).now is None:
                await asyncio.sleep(0.01)


async def test_who_asks_during_one_is_answered_by_the_next(tmp_path: Path) -> None:
    fine = settings(tmp_path, web__reload=True)
    reading, go_on = threading.Event(), threading.Event()

    def read() -> Settings:
        reading.set()
        go_on.wait()
        return fine

    reloading = Reloading(fine, read)
    async with reloading.at_work():
        reloading.reloader.asked(1)
        async with asyncio.timeout(10):
            while not reading.is_set():
                await asyncio.sleep(0.001)
        reloading.reloader.asked(2)
        reloading.reloader.asked(3)
        go_on.set()
        ended = [await asyncio.wait_for(reloading.ended.get(), 10) for _ in range(2)]
    assert [one.asked for one in ended] == [(1,), (2, 3)]


async def test_the_web_process_is_not_believed_where_that_is_off(tmp_path: Path) -> None:
    fine = settings(tmp_path)
    reloading = Reloading(fine, lambda: fine)
    async with reloading.at_work():
        reloading.reloader.asked(1)
        assert (await reloading.one()).asked == ()
    assert len(reloading.daemon.taken) == 1
