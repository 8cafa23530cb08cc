"""One direction of a connection on the event loop: reads, holds each chunk until it is due, writes.

It works on bare sockets and not on transports: a transport writes its own buffer whenever the peer reads, so
nothing could be frozen in the middle of an answer.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from time import monotonic
from typing import Protocol

from prober.faults.conditions import Line
from prober.faults.plan import Direction, duration, next_delivery

READ = 65_536  # bytes at once
WINDOW = 262_144  # bytes held before reading stops; one read may go over it
CHUNKS = 1_024  # pieces held before reading stops: many small ones take memory as well


class End(Enum):
    """How a side of a connection ended."""

    FIN = "fin"
    RST = "rst"


class Keeper(Protocol):
    """What a pipe asks and tells the connection that it belongs to."""

    def allowance(self, direction: Direction) -> float:
        """How many more bytes may pass."""

    def passed(self, direction: Direction, size: int) -> None:
        """So many bytes were written; closes or halts the pipe when they were the last."""

    def cut(self) -> None:
        """No byte may pass any more."""

    def source_ended(self, direction: Direction) -> None:
        """The side that is read from has said goodbye, and is not read any more."""

    def ended(self, direction: Direction, end: End) -> None:
        """All was written that came before this end."""

    def sink_broke(self, direction: Direction) -> None:
        """The side that is written to is gone."""


class _Chunk:
    __slots__ = ("arrival", "data", "draw", "end")

    def __init__(self, arrival: float, draw: float, data: bytes, end: End | None) -> None:
        self.arrival = arrival
        self.draw = draw
        self.data = memoryview(data)
        self.end = end


class Pipe:
    """From `source` to `sink`, both connected and not blocking. Holds at most WINDOW + READ bytes."""

    def __init__(
        self,
        keeper: Keeper,
        direction: Direction,
        source: socket.socket,
        sink: socket.socket,
        line: Line,
        draws: Iterator[float],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._keeper = keeper
        self._direction = direction
        self._source = source
        self._sink = sink
        self._line = line
        self._draws = draws
        self._held: deque[_Chunk] = deque()
        self._size = 0
        self._free = -math.inf
        self._halted = True
        self._blocked = False  # the sink takes no more for now
        self._source_ended = False
        self._source_broken = False
        self._reading = _Watch(self._loop.add_reader, self._loop.remove_reader, source, self._read)
        self._writing = _Watch(self._loop.add_writer, self._loop.remove_writer, sink, self._write)
        self._timer: asyncio.TimerHandle | None = None
        self.done = False  # its end was passed on, or there is nobody to pass anything to

    def set_line(self, line: Line, *, halted: bool) -> None:
        """Change the conditions. What waits is planned anew, none of it for an instant that has passed."""
        self._line = line
        self._halted = halted
        self._free = max(self._free, monotonic())
        self._deliver()

    def source_broke(self) -> None:
        """Its source was found gone otherwise than by reading: what still comes from there ends in a reset."""
        self._source_broken = True
        if self._held and self._held[-1].end is not None:
            self._held[-1].end = End.RST

    def drop(self) -> None:
        """Read and deliver nothing more."""
        self.done = True
        self._held.clear()
        self._size = 0
        self._watch()

    def _read(self) -> None:
        try:
            data = self._source.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, self._source_broken = b"", True
        end = None
        if not data:
            self._source_ended = True
            end = End.RST if self._source_broken else End.FIN
        draw = next(self._draws) if self._line.jitter else 0.0
        self._held.append(_Chunk(monotonic(), draw, data, end))
        self._size += len(data)
        if end is End.FIN:
            self._keeper.source_ended(self._direction)
        self._deliver()

    def _write(self) -> None:
        self._blocked = False
        self._deliver()

    def _deliver(self) -> None:
        """Write all that is due, and wait for what is not."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._held and not (self._blocked or self._halted or self.done) and self._deliver_one(self._held[0]):
            pass
        self._watch()

    def _deliver_one(self, chunk: _Chunk) -> bool:
        """Write the next piece; False when the one after it has to wait."""
        size = int(min(len(chunk.data), self._keeper.allowance(self._direction)))
        piece = next_delivery(self._line, chunk.arrival, chunk.draw, size, self._free)
        if (early := piece.due - monotonic()) > 0:
            # The loop's timers count milliseconds.
            self._timer = self._loop.call_later(math.ceil(early * 1000) / 1000, self._deliver)
            return False
        if chunk.end is not None:
            self.drop()
            self._keeper.ended(self._direction, chunk.end)
            return False
        if size == 0:
            self._keeper.cut()
            return False
        try:
            sent = self._sink.send(chunk.data[: piece.size])
        except (BlockingIOError, InterruptedError):
            self._blocked = True
            return False
        except OSError:
            self.drop()
            self._keeper.sink_broke(self._direction)
            return False
        self._free = piece.start + duration(self._line, sent)
        self._size -= sent
        chunk.data = chunk.data[sent:]
        if not chunk.data:
            self._held.popleft()
        self._keeper.passed(self._direction, sent)
        return True

    def _watch(self) -> None:
        live = not (self._halted or self.done)
        room = self._size < WINDOW and len(self._held) < CHUNKS
        self._reading.set(live and room and not self._source_ended)
        self._writing.set(live and self._blocked)
        if not live and self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Watch:
    """Whether the loop looks at a socket, kept so that it is told only of changes."""

    def __init__(
        self,
        add: Callable[[int, Callable[[], None]], object],
        remove: Callable[[int], object],
        sock: socket.socket,
        callback: Callable[[], None],
    ) -> None:
        self._add = add
        self._remove = remove
        self._socket = sock
        self._callback = callback
        self._on = False

    def set(self, on: bool) -> None:
        """Look, or do not."""
        if on is not self._on:
            self._on = on
            if on:
                self._add(self._socket.fileno(), self._callback)
            else:
                self._remove(self._socket.fileno())
