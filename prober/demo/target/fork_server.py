"""Where worker processes come from: a process that has loaded all they need, and forks one whenever it is asked.

Loading a worker's modules takes half a second of CPU; a fork of a process that has them takes a few milliseconds.
It is forked itself before the parent has an event loop: what forks has no threads and no loop, and nothing open
but its link. A message on the link is one JSON object with one of the keys in `Word`.
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Self

PR_SET_PDEATHSIG = 1  # linux/prctl.h
MESSAGE_LIMIT = 4_096  # bytes

Work = Callable[[int, int], None]  # given the worker's end of its channel, and the shared memory


class Word:
    """What a message is about."""

    FORK = "fork"  # asked, with the two descriptors
    FORKED = "forked"  # the pid, in answer
    KILL = "kill"  # asked: the pid
    ENDED = "ended"  # the pid, with CODE: told whenever one has ended
    CODE = "code"  # exit status, or minus the number of the signal


class ForkServerError(Exception):
    """No worker can be forked any more; the text says why."""


class Worker:
    """One worker process; who forked it tells of its end."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server = server
        self._ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.pid = pid

    async def wait(self) -> int | None:
        """Wait for its end; the exit status, None where nobody is left to tell."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """SIGKILL it; nothing if it has ended."""
        self._server.kill(self.pid)

    def end(self, code: int | None) -> None:
        """Note its end."""
        if not self._ended.done():
            self._ended.set_result(code)


class ForkServer:
    """The parent's side. Enter it before there is a loop or a thread; leave it when the loop has ended."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._workers: dict[int, Worker] = {}
        self._forked: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._asking = asyncio.Lock()
        self._listening = False

    def __enter__(self) -> Self:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._link.close()
            _be(lambda: _serve(theirs, parent, self._work))
        theirs.close()
        self._link.setblocking(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()
        os.waitpid(self._pid, 0)

    async def fork(self, channel: socket.socket, memory: int) -> Worker:
        """Have a worker forked, with copies of these descriptors. Raises ForkServerError."""
        if not self._listening:
            asyncio.get_running_loop().add_reader(self._link, self._receive)
            self._listening = True
        rights = array.array("i", [channel.fileno(), memory])
        async with self._asking:  # answers come in the order of the questions
            try:
                self._link.sendmsg(
                    [json.dumps({Word.FORK: True}).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                )
            except OSError as error:
                raise ForkServerError(f"the fork server cannot be asked: {error.strerror}") from None
            worker = await self._forked.get()
        if worker is None:
            raise ForkServerError("the fork server has ended")
        return worker

    def kill(self, pid: int) -> None:
        """SIGKILL a worker. Who has not reaped it yet does so, hence the pid is never another's."""
        try:
            self._link.send(json.dumps({Word.KILL: pid}).encode())
        except OSError:
            return  # then its worker has been killed with it

    def _receive(self) -> None:
        while True:
            try:
                data = self._link.recv(MESSAGE_LIMIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                asyncio.get_running_loop().remove_reader(self._link)
                for worker in self._workers.values():
                    worker.end(None)
                self._forked.put_nowait(None)
                return
            message = json.loads(data)
            if Word.FORKED in message:
                worker = Worker(self, message[Word.FORKED])
                self._workers[worker.pid] = worker
                self._forked.put_nowait(worker)
            else:
                self._workers.pop(message[Word.ENDED]).end(message[Word.CODE])


def _serve(link: socket.socket, parent: int, work: Work) -> None:
    """Fork when asked and tell who has ended, until the parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent's business
    _die_with(parent)
    os.dup2(2, 1)  # what the parent says on stdout is for who started it
    poll = select.poll()
    poll.register(link, select.POLLIN)
    living: dict[int, int] = {}  # pidfd → pid
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != link.fileno():
                poll.unregister(descriptor)
                os.close(descriptor)
                pid, status = os.waitpid(living.pop(descriptor), 0)
                _tell(link, {Word.ENDED: pid, Word.CODE: os.waitstatus_to_exitcode(status)})
                continue
            data, rights, _, _ = socket.recv_fds(link, MESSAGE_LIMIT, 2)
            if not data:
                return
            message = json.loads(data)
            if Word.FORK in message:
                pid = _fork(link, [*living], rights, work)
                handle = os.pidfd_open(pid)
                living[handle] = pid
                poll.register(handle, select.POLLIN)
                _tell(link, {Word.FORKED: pid})
            elif message[Word.KILL] in living.values():
                os.kill(message[Word.KILL], signal.SIGKILL)


def _fork(link: socket.socket, others: list[int], rights: list[int], work: Work) -> int:
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        link.close()
        for descriptor in others:
            os.close(descriptor)
        _die_with(server)
        channel, memory = rights
        _be(lambda: work(channel, memory))
    for descriptor in rights:
        os.close(descriptor)
    return pid


def _be(what: Callable[[], None]) -> None:
    """Do this in a process just forked, and end it: nothing below on the stack is its business."""
    code = 1
    try:
        what()
        code = 0
    except BaseException:  # whatever it is: this process ends of it, and says why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _tell(link: socket.socket, message: dict[str, int]) -> None:
    try:
        link.send(json.dumps(message).encode())
    except OSError:
        return  # the parent is gone: the next read tells
