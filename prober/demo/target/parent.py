"""The parent process: accepts connections, deals them out in turn, keeps the workers alive and in step.

Dealing out in turn, as Node's cluster does, is what makes a race of few connections a race between processes:
consecutive connections go to different workers. SO_REUSEPORT would put 5 of them on one of two workers once
in 16 times, and a shared listening socket lets whichever worker wakes first take them all.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prober.demo.target.channel import Channel, ClosedError
from prober.demo.target.config import Settings, split_address
from prober.demo.target.faults import State, Switch, parse_fault
from prober.demo.target.fork_server import ForkServer, ForkServerError, Worker
from prober.demo.target.forms import FORMS, FormName
from prober.demo.target.limits import create_shared_memory
from prober.demo.target.record import Kind, RecordReader, RecordWriter

BACKLOG = 1_024
START_SECONDS = 20.0
STOP_SECONDS = 5.0
CHANGE_SECONDS = 5.0
RESTART_PAUSE = 0.2  # seconds before a worker that ended is replaced


class StalledError(Exception):
    """A worker did not take a change in time; the text says which."""


class StartError(Exception):
    """The target cannot start; the text says why."""


@dataclass(slots=True)
class Child:
    """One worker process as the parent sees it."""

    index: int
    process: Worker
    channel: Channel
    done: dict[int, asyncio.Future[None]] = field(default_factory=dict)


class Target:
    """The whole target: listening socket, workers, state, record."""

    def __init__(self, settings: Settings, fork_server: ForkServer) -> None:
        self._settings = settings
        self._fork_server = fork_server
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        faults = {name: parse_fault(name, given) for name, given in settings.faults.items()}
        self.state = State(faults, dict.fromkeys(Switch, True) | settings.switches)
        self.record = RecordReader(settings.data_dir)
        # A record of an earlier run in this directory is not part of ours.
        taken = [int(path.name.split("-", 1)[0]) for path in settings.data_dir.glob("*-*.jsonl")]
        self.generation = max(taken, default=0) + 1
        self._writer = RecordWriter(settings.data_dir, "parent", self.generation)
        self._memory = create_shared_memory()
        self._listener = _listen(settings.listen)
        self._children: dict[int, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._next = 0
        self._number = 0
        self._changing = asyncio.Lock()
        self._started = False

    @property
    def url(self) -> str:
        """Where the target serves."""
        host, port = self._listener.getsockname()[:2]
        return f"http://{host}:{port}"

    @property
    def workers(self) -> dict[int, int]:
        """The worker processes that run now: index → process id."""
        return {child.index: child.process.pid for child in self._children.values()}

    async def start(self) -> None:
        """Start all workers, then accept. Raises StartError."""
        self._keepers = [asyncio.create_task(self._keep(index)) for index in range(self._settings.workers)]
        try:
            async with asyncio.timeout(START_SECONDS):
                while len(self._children) < self._settings.workers:
                    if broken := [keeper for keeper in self._keepers if keeper.done()]:
                        broken[0].result()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise StartError(f"the workers were not ready within {START_SECONDS:g} s") from None
        self._started = True
        self._note_state()
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def change(self, alter: Callable[[State], State]) -> None:
        """Alter the state; returns when it is in force in every worker. Raises StalledError."""
        async with self._changing:
            self.state = alter(self.state)
            self._note_state()
            await self._tell_all()

    async def reset_record(self) -> None:
        """Begin an empty record; returns when every worker writes to it. Raises StalledError."""
        async with self._changing:
            self.generation += 1
            self._writer.begin(self.generation)
            self._note_state()
            await self._tell_all()
            self.record.remove_before(self.generation)

    async def stop(self) -> None:
        """End everything: no new connections, requests in flight answered, workers gone."""
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(self._end(child) for child in list(self._children.values())))
        self._writer.close()
        os.close(self._memory)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # none is waiting, or it went away again
                return
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                children = [self._children[index] for index in sorted(self._children)]
                for turn in range(len(children)):
                    if children[(self._next + turn) % len(children)].channel.hand_over(connection):
                        self._next += turn + 1
                        break

    async def _keep(self, index: int) -> None:
        while True:
            try:
                child = await self._spawn(index)
            except StartError as error:
                if not self._started:
                    raise
                self._writer.write(Kind.WORKER, worker=index, event="not replaced", reason=str(error))
                await asyncio.sleep(RESTART_PAUSE)
                continue
            self._children[index] = child
            self._writer.write(Kind.WORKER, worker=index, process=child.process.pid, event="started")
            try:
                await self._listen_to(child)
            except ClosedError:
                del self._children[index]
                child.channel.close()
                code = await child.process.wait()
                self._writer.write(Kind.WORKER, worker=index, process=child.process.pid, event="ended", code=code)
            for future in child.done.values():
                future.set_exception(ClosedError("the worker has ended"))
                future.exception()  # nobody need be waiting
            await asyncio.sleep(RESTART_PAUSE)

    async def _spawn(self, index: int) -> Child:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                process = await self._fork_server.fork(theirs, self._memory)
            except ForkServerError as error:
                ours.close()
                raise StartError(str(error)) from None
        channel = Channel(ours)
        welcome: dict[str, Any] = {
            "index": index,
            "settings": self._settings.model_dump(mode="json"),
            "state": self.state.to_json(),
            "generation": self.generation,
        }
        try:
            await channel.send(welcome)
            while "ready" not in (answer := await channel.receive()):  # type: ignore[operator]
                raise StartError(f"worker {index} answered {answer!r} instead of being ready")
        except ClosedError:
            channel.close()
            raise StartError(f"worker {index} ended at once with code {await process.wait()}") from None
        return Child(index, process, channel)

    async def _listen_to(self, child: Child) -> None:
        await self._tell(child)  # the state may have changed while it started
        while True:
            message = await child.channel.receive()
            if isinstance(message, dict) and (future := child.done.pop(message.get("done", -1), None)) is not None:
                future.set_result(None)

    async def _tell(self, child: Child) -> asyncio.Future[None]:
        self._number += 1
        number = self._number
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        child.done[number] = future
        await child.channel.send({"state": self.state.to_json(), "generation": self.generation, "number": number})
        return future

    async def _tell_all(self) -> None:
        async def tell(child: Child) -> None:
            try:
                await asyncio.wait_for(await self._tell(child), CHANGE_SECONDS)
            except TimeoutError:
                raise StalledError(
                    f"worker {child.index} (pid {child.process.pid}) did not take the change within "
                    f"{CHANGE_SECONDS:g} s; is it stopped?"
                ) from None
            except ClosedError:
                return  # it has ended; its successor starts with the new state

        await asyncio.gather(*(tell(child) for child in list(self._children.values())))

    async def _end(self, child: Child) -> None:
        try:
            await child.channel.send({"stop": True})
            await asyncio.wait_for(child.process.wait(), STOP_SECONDS)
        except (ClosedError, TimeoutError):
            child.process.kill()
            await child.process.wait()
        child.channel.close()

    def _note_state(self) -> None:
        self._writer.write(Kind.STATE, **self.state.to_json())


def _listen(address: str) -> socket.socket:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {address}: {error.strerror}") from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


async def create_schema(dsn: str, form: FormName) -> None:
    """Create the tables of a form that are not there yet. Raises StartError."""
    import asyncpg

    statements = FORMS[form].schema()
    try:
        connection = await asyncpg.connect(dsn, timeout=5.0)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StartError(f"cannot create the tables: {error or type(error).__name__}") from None
