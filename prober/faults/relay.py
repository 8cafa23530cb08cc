"""One connection through the proxy: the client's socket, the upstream's, a pipe each way, and what it drew."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import struct
from collections.abc import Callable

from prober.faults.conditions import Conditions
from prober.faults.deathwatch import Deathwatch
from prober.faults.pipe import End, Pipe
from prober.faults.plan import Direction, Fate, Lot, draws
from prober.faults.state import Counters

Upstream = tuple[str, int]


class Relay:
    """Made for an accepted connection; `start` connects the upstream. Tells `on_closed` once when it is over."""

    def __init__(
        self,
        client: socket.socket,
        upstream: Upstream,
        *,
        number: int,
        seed: int,
        fate: Fate,
        conditions: Conditions,
        counters: Counters,
        deathwatch: Deathwatch,
        on_closed: Callable[[Relay], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._address = upstream
        self._upstream: socket.socket | None = None
        self._dialing = False
        self._number = number
        self._seed = seed
        self._fate = fate
        self._conditions = conditions
        self._counters = counters
        self._deathwatch = deathwatch
        self._on_closed = on_closed
        self._pipes: dict[Direction, Pipe] = {}
        self._delivered = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._overdue = False  # the time of its fate has come
        self._broken = False  # one side has reset what the other has to be told of
        self.stalled = False
        self._closed = False

    def start(self) -> None:
        """Meet the fate that comes at once, or connect the upstream."""
        if self._fate.after_bytes <= 0:
            self.cut()
            return
        if self._fate.after_seconds < math.inf:
            self._alarm = self._loop.call_later(self._fate.after_seconds, self._time_is_up)
        try:
            self._upstream = upstream = _tcp_socket(self._address)
        except OSError:  # there is no descriptor left
            self._counters.upstream_failures += 1
            self._close(End.RST)
            return
        problem = upstream.connect_ex(self._address)
        if problem == errno.EINPROGRESS:
            self._dialing = True
            self._loop.add_writer(upstream.fileno(), self._dialed)
        else:
            self._connected(problem)

    def change(self, conditions: Conditions) -> None:
        """Put what passes from now on under other conditions; the fate stays as it was drawn."""
        self._conditions = conditions
        for direction, line in ((Direction.UP, conditions.up), (Direction.DOWN, conditions.down)):
            if direction in self._pipes:  # one pipe may end the connection, and with it the other
                self._pipes[direction].set_line(line, halted=self._halted)
        self._settle()

    def pardon(self) -> None:
        """Forget what it has drawn."""
        self._fate = Fate()
        self._overdue = False
        if self._alarm is not None:
            self._alarm.cancel()

    def reset(self) -> None:
        """Send an RST to both sides, of our own will."""
        self._counters.resets += 1
        self._close(End.RST)

    def give_up(self) -> None:
        """End a connection that nobody waits for any more."""
        self._close(End.RST)

    # What the pipes ask and tell.

    def allowance(self, direction: Direction) -> float:
        """How many more bytes may pass."""
        return self._fate.allowance(direction, self._delivered)

    def passed(self, direction: Direction, size: int) -> None:
        """Count, and meet the fate when it has come."""
        self._delivered += size
        self._counters.passed(direction, size)
        if self._delivered >= self._fate.after_bytes:
            self.cut()

    def cut(self) -> None:
        """Meet the fate."""
        if self._closed or self.stalled:
            return
        if self._fate.lot is Lot.STALL:
            self._counters.stalls += 1
            self.stalled = True
            self.change(self._conditions)
            self._deathwatch.watch(self._client, self.give_up, goodbye=True)
        else:
            self.reset()

    def source_ended(self, direction: Direction) -> None:
        """Have the kernel tell when the side that said goodbye resets what it is sent from now on."""
        source = self._source(direction)

        def look() -> None:
            if source.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._source_broke(direction)

        self._deathwatch.watch(source, look, goodbye=False)

    def ended(self, direction: Direction, end: End) -> None:
        """Pass an end on: a goodbye of one side leaves the other way open."""
        if end is End.RST:
            self._broken = True
            self._settle()
            return
        try:
            self._source(_opposite(direction)).shutdown(socket.SHUT_WR)
        except OSError:
            self.sink_broke(direction)
            return
        if all(pipe.done for pipe in self._pipes.values()):
            self._close(End.FIN)

    def sink_broke(self, direction: Direction) -> None:
        """Nobody takes what goes this way."""
        self._source_broke(_opposite(direction))

    def _source_broke(self, direction: Direction) -> None:
        """What still comes from there is passed on before its reset is."""
        pipe = self._pipes[direction]
        pipe.source_broke()
        self._broken = self._broken or pipe.done
        self._settle()

    @property
    def _halted(self) -> bool:
        return self._conditions.freeze or self.stalled

    def _time_is_up(self) -> None:
        self._overdue = True
        self._settle()

    def _settle(self) -> None:
        """Do what had to be done, unless it is frozen: then it waits for the thaw as everything does."""
        if self._halted or self._closed:
            return
        if self._broken:
            self._counters.resets_passed += 1
            self._close(End.RST)
        elif self._overdue:
            self.cut()

    def _dialed(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            self._loop.remove_writer(upstream.fileno())
            self._dialing = False
            self._connected(upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _connected(self, problem: int) -> None:
        upstream = self._upstream
        if upstream is None:
            return
        if problem:
            self._counters.upstream_failures += 1
            self._close(End.RST)
            return
        ends = {Direction.UP: (self._client, upstream), Direction.DOWN: (upstream, self._client)}
        lines = {Direction.UP: self._conditions.up, Direction.DOWN: self._conditions.down}
        for direction, (source, sink) in ends.items():
            drawn = draws(self._seed, self._number, direction)
            self._pipes[direction] = Pipe(self, direction, source, sink, lines[direction], drawn)
        self.change(self._conditions)

    def _source(self, direction: Direction) -> socket.socket:
        source = self._client if direction is Direction.UP else self._upstream
        assert source is not None  # noqa: S101 - there are no pipes without an upstream
        return source

    def _close(self, end: End) -> None:
        if self._closed:
            return
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        for pipe in self._pipes.values():
            pipe.drop()
        if self._dialing and self._upstream is not None:
            self._loop.remove_writer(self._upstream.fileno())
        for sock in (self._client, self._upstream):
            if sock is not None:
                self._deathwatch.forget(sock)
                _close_socket(sock, end)
        self._on_closed(self)


def _opposite(direction: Direction) -> Direction:
    return Direction.DOWN if direction is Direction.UP else Direction.UP


def _close_socket(sock: socket.socket, end: End) -> None:
    if end is End.RST:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _tcp_socket(address: Upstream) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
