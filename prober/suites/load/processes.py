"""Generators in processes of their own, where there are cores for them: started together, ended together."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import uvloop

from prober.daemon.settings import load_settings
from prober.http1 import Endpoint
from prober.probes.witness import NotAskable
from prober.suites.load.generator import Generator, Portion, Task
from prober.suites.stop import Stop

# A process has its own start, loop and warm-up: under so many connections one is as good.
CONNECTIONS_EACH = 50
MOST = 16
# Everybody is told the instant to begin at so long before it comes (seconds).
AHEAD = 0.05
END = 30.0


class GeneratorError(Exception):
    """A generator could not work; the text says why."""


def processes_for(cores: int, *, local: bool, concurrency: int) -> int:
    """How many generators to run on a machine.

    A target on the same machine needs cores of its own: there a generator more takes from what it measures.
    """
    free = cores - 2 if local else cores - 1
    return max(1, min(free, concurrency // CONNECTIONS_EACH, MOST))


def is_local(endpoint: Endpoint) -> bool:
    """Whether the target is on this machine, as far as its address tells."""
    address = endpoint.address
    return endpoint.host == "localhost" or (address is not None and address.is_loopback)


class Workers:
    """The generators of one run. Their ledgers stay locked until the block is left."""

    def __init__(self, config: Path, tasks: Sequence[Task]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[SpawnProcess] = []
        for task in tasks:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, config, task), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    async def warm_up(self) -> list[Portion]:
        """What each of them saw so far. Raises GeneratorError."""
        return await self._hear()

    async def run(self, begin: float | None, stop: Stop) -> list[Portion]:
        """Have all begin at this instant (None: not at all), and wait for what they did. Raises GeneratorError."""
        for pipe in self._pipes:
            pipe.send(begin)
        hearing = asyncio.create_task(self._hear())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([hearing, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done():
            for pipe in self._pipes:
                with suppress(OSError):
                    pipe.send("stop")
        stopping.cancel()
        return await hearing

    async def close(self) -> None:
        """Let them go; who does not is killed."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            await asyncio.to_thread(process.join, END)
            if process.is_alive():
                process.kill()
                await asyncio.to_thread(process.join)

    async def _hear(self) -> list[Portion]:
        heard = await asyncio.gather(*(asyncio.to_thread(_receive, pipe) for pipe in self._pipes))
        for each in heard:
            if isinstance(each, str):
                raise GeneratorError(each)
        return [each for each in heard if isinstance(each, Portion)]


def _receive(pipe: Connection) -> Portion | str:
    try:
        found = pipe.recv()
    except (EOFError, OSError):
        return "a generator ended before its time; was it killed?"
    return found if isinstance(found, Portion) else str(found)


def _work(pipe: Connection, config: Path, task: Task) -> None:
    """Be one generator. The command that started it is told everything, and its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        uvloop.run(_generate(pipe, config, task))
    except (OSError, NotAskable) as error:
        with suppress(OSError):
            pipe.send(f"a generator could not work: {error}")


async def _generate(pipe: Connection, config: Path, task: Task) -> None:
    settings = load_settings(config, os.environ)
    stop, told = Stop(), asyncio.Queue[object]()
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            said = pipe.recv()
        except (EOFError, OSError):
            said = "gone"
            loop.remove_reader(pipe.fileno())
        if isinstance(said, str):
            stop.ask(said)
        told.put_nowait(said)

    loop.add_reader(pipe.fileno(), readable)

    async def start(portion: Portion) -> float | None:
        pipe.send(portion)
        said = await told.get()
        return said if isinstance(said, float) else None

    generator = Generator(settings.config, settings.contract, task)
    try:
        pipe.send(await generator.run(start, stop))
        while await told.get() != "gone":  # the ledger stays ours until its rows are removed
            continue
    finally:
        generator.close()
