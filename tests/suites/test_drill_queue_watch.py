"""The queues of a drill are looked at once more when its traffic has ended, whatever the looks before it met."""

from __future__ import annotations

import asyncio

import pytest

from prober.suites.drill import queue_watch
from prober.suites.drill.beside import at_work
from prober.suites.drill.queue_watch import QueueWatch
from prober.suites.load.memory import Unseen


class Served:
    """Answers in turn; the reading after the last answer lasts until somebody cancels it."""

    def __init__(self, *answers: int | Unseen) -> None:
        self.answers = list(answers)
        self.asking = asyncio.Event()
        self.connections = 1
        self.is_broken = False

    async def read(self) -> int | Unseen:
        assert not self.is_broken, "a connection whose answer nobody waited for was asked again"
        if self.answers:
            return self.answers.pop(0)
        self.is_broken = True
        self.asking.set()
        await asyncio.Event().wait()
        raise AssertionError

    def close(self) -> None:
        self.connections += 1
        self.is_broken = False


async def test_the_last_look_is_of_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_watch, "EVERY", 0.0)
    source = Served(4, Unseen("loading"))
    watch = QueueWatch(source)
    async with at_work(watch.forever()):
        await source.asking.wait()
    assert [jobs for _, jobs in watch.looks] == [4, None]
    source.answers = [7]
    await watch.last()
    assert [jobs for _, jobs in watch.looks] == [4, None, 7]
    assert source.connections == 2
    assert sorted(at for at, _ in watch.looks) == [at for at, _ in watch.looks]


async def test_what_cannot_be_asked_at_the_end_is_not_known() -> None:
    watch = QueueWatch(Served(Unseen("refused")))
    await watch.last()
    assert [jobs for _, jobs in watch.looks] == [None]
