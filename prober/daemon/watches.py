"""All probes under watch, by name: a reload exchanges what is behind them, lets some go and others come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from prober.daemon.watch import Watch, Watched
from prober.judge.outage import Tracking
from prober.outcome import ProbeName

Task = asyncio.Task[None]


class Watches:
    """Each watch is a task. `make` gets a probe and how far apart from the others it starts, in places.

    `ended` is told of a task that ended by itself, which none ever should. `unwatched` is told of an outage whose
    end nobody will see.
    """

    def __init__(
        self,
        make: Callable[[Watched, int], Watch],
        *,
        ended: Callable[[Task], None],
        unwatched: Callable[[Tracking], None],
    ) -> None:
        self._make = make
        self._ended = ended
        self._unwatched = unwatched
        self._watches: dict[ProbeName, Watch] = {}
        self._tasks: dict[ProbeName, Task] = {}
        self._leaving: dict[ProbeName, Task] = {}

    def __iter__(self) -> Iterator[Watch]:
        return iter(self._watches.values())

    def begin(self, watched: Sequence[Watched]) -> None:
        """Watch these, beside those that are watched already."""
        for place, one in enumerate(watched):
            name = one.probe.name
            watch = self._watches[name] = self._make(one, place)
            task = asyncio.create_task(_after(self._leaving.get(name), watch), name=name)
            self._tasks[name] = task
            task.add_done_callback(partial(self._done, watch))

    def exchange(
        self, watched: Sequence[Watched], *, recovery_successes: int, elsewhere: Collection[ProbeName]
    ) -> None:
        """Watch these and no others; `elsewhere` are the probes that ask another server than before."""
        for name in self._watches.keys() - {one.probe.name for one in watched}:
            self._let_go(name)
        for one in watched:
            watch = self._watches.get(one.probe.name)
            if watch is not None:
                watch.exchange(one, recovery_successes=recovery_successes, elsewhere=one.probe.name in elsewhere)
        self.begin([one for one in watched if one.probe.name not in self._watches])

    async def stop(self, timeout: float) -> list[Task]:
        """Start no more runs and give those under way `timeout` seconds; what has not ended is cancelled."""
        for watch in self._watches.values():
            watch.stop()
        tasks = [*self._tasks.values(), *self._leaving.values()]
        if not tasks:
            return []
        _, unfinished = await asyncio.wait(tasks, timeout=timeout)
        for task in unfinished:
            task.cancel()
        return [*unfinished]

    def _let_go(self, name: ProbeName) -> None:
        """Watch a probe no longer; its run under way goes on to its end."""
        watch = self._watches.pop(name)
        self._leaving[name] = self._tasks.pop(name)
        tracking = watch.leave()
        if tracking is not None and tracking.outage is not None:
            self._unwatched(tracking)

    def _done(self, watch: Watch, task: Task) -> None:
        if self._leaving.get(watch.name) is task:
            del self._leaving[watch.name]
        if not task.cancelled() and (task.exception() is not None or not watch.stopped):
            self._ended(task)


async def _after(before: Task | None, watch: Watch) -> None:
    """One run at a time, also of a probe that was let go and taken up again within one run."""
    if before is not None:
        await asyncio.wait([before])
    await watch.forever()
