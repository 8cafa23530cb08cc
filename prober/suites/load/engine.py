"""Sends messages over many connections and counts what comes back: closed loop, or open loop at a rate.

Closed loop: each connection sends the next message as soon as the last one is answered. Open loop: messages are
due on a schedule whatever the target does; their latency counts from when they were due, so that a target which
stalls is charged for all that waited (no coordinated omission).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic

from prober.http1.errors import Failure
from prober.outcome import Outcome
from prober.suites.load.alarm import Alarm
from prober.suites.load.dialing import Dialer
from prober.suites.load.lane import Lane
from prober.suites.load.supply import Composed
from prober.suites.load.tally import Slot, Tally, kind_of, micros

# One look over all connections finds the requests that have had no answer in time (seconds).
SWEEP = 0.1
# Above a thousand a second, what is due within the same millisecond is sent together.
GRID = 0.001
# Between two looks at how late the event loop is for a timer of its own, whose resolution is a millisecond.
LAG_EVERY = 0.05
RESOLUTION = 0.001
# libuv asks the kernel for so many events at a time, and may ask several times in one round.
MOST_IN_ONE_LOOK = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`rate` in messages a second, None for a closed loop; `timeout` and `slot` in seconds."""

    concurrency: int
    rate: float | None
    timeout: float
    accepted: frozenset[int]
    slot: float = 1.0


class _Phase(Enum):
    IDLE = auto()
    WARMING = auto()
    RUNNING = auto()
    ENDED = auto()


class Engine:
    """One generator: `warm_up`, `begin`, `halt`, `drained`, `close`, in this order; then read `tally`."""

    def __init__(self, settings: Settings, dialer: Dialer, supply: Composed) -> None:
        self._settings = settings
        self._accepted = settings.accepted
        self._supply = supply
        self._dialer = dialer
        self._loop = asyncio.get_running_loop()
        self._lanes = [Lane(self, index) for index in range(settings.concurrency)]
        self._failed_tries: dict[int, int] = {}  # of lanes that are being connected, by index
        self._warmed: set[int] = set()
        self._idle: deque[Lane] = deque()
        self._waiting: deque[float] = deque()  # open loop: when messages were due that found no free lane
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._alarm: Alarm | None = None
        self._phase = _Phase.IDLE
        self._began = 0.0
        self._count = 0  # of the messages that came due, in an open loop
        self._due_next = 0.0
        self._lag_due = 0.0
        self._free: Callable[[Lane], None] = self._rest
        self._round_began = 0.0
        self._arrivals = 0  # in this round of the event loop
        self._changed = asyncio.Event()
        self.tally = Tally()
        self._slot = Slot(0.0)

    # What its owner calls.

    async def warm_up(self) -> Tally:
        """Open every connection and have one message answered on each; what came of them, which counts nowhere.

        Takes two timeouts at most: one for a connection, one for its answer.
        """
        self._phase = _Phase.WARMING
        self._begin_tally()
        self._every("sweep", SWEEP, self._sweep)
        for lane in self._lanes:
            self._connect(lane)
        give_up = monotonic() + self._settings.timeout * 2
        await self._until(lambda: self._is_warm() or monotonic() > give_up)
        self._phase = _Phase.IDLE
        return self.tally

    def begin(self, began: float) -> None:
        """Start to send and to count; `began` is the instant that times count from."""
        self._began = began
        self._phase = _Phase.RUNNING
        self._begin_tally()
        self._every("slot", self._settings.slot, self._next_slot)
        self._lag_due = monotonic() + LAG_EVERY
        self._timers["lag"] = self._loop.call_later(LAG_EVERY, self._look_at_lag)
        for index, tries in self._failed_tries.items():
            if tries:
                self._dialer.dial(self._lanes[index], tries, self._connected, self._not_connected)
        if self._settings.rate is None:
            self._free = self._go_on
            idle, self._idle = self._idle, deque()
            for lane in idle:
                self._go_on(lane)
        else:
            self._free = self._take_waiting
            self._due_next = began
            self._alarm = Alarm(self._ring)
            self._alarm.set(began)

    def halt(self) -> None:
        """Send nothing more; what is under way is still awaited, what waited is unsent."""
        self._phase = _Phase.ENDED
        self._free = self._rest
        self.tally.unsent += len(self._waiting)
        self._waiting.clear()
        if self._alarm is not None:
            self._alarm.close()
        for name in ("slot", "lag"):
            if (timer := self._timers.pop(name, None)) is not None:
                timer.cancel()

    async def drained(self) -> None:
        """Wait until nothing is under way, which the timeout bounds."""
        await self._until(lambda: not any(lane.active for lane in self._lanes))

    def close(self) -> None:
        """Close every connection."""
        self._phase = _Phase.ENDED
        self._dialer.close()
        if self._alarm is not None:
            self._alarm.close()
        for timer in self._timers.values():
            timer.cancel()
        for lane in self._lanes:
            if lane.open:
                lane.close()

    # What lanes call.

    def arrived(self) -> float:
        """When the answers were there that the event loop hands out now: by the instant of the first of them.

        All of one round were there before it began, and none is charged for its place in our queue.
        """
        if not self._arrivals:
            self._round_began = monotonic()
            self._loop.call_soon(self._end_round)
        elif self._arrivals == MOST_IN_ONE_LOOK:  # what comes now was looked for later
            self._round_began = monotonic()
            self._arrivals = 0
        self._arrivals += 1
        return self._round_began

    def _end_round(self) -> None:
        self._arrivals = 0

    def answered(self, lane: Lane, now: float) -> None:
        """Count an answer and go on."""
        slot = self._slot
        if lane.status in self._accepted:
            slot.accepted += 1
            slot.micros.append(int((now - lane.started) * 1e6))
            self.tally.ordinals.append(lane.ordinal)
        else:
            self._refused(lane, slot)
        if lane.open:
            self._free(lane)
        else:
            self._replace(lane)

    def failed(self, lane: Lane, failure: Failure) -> None:
        """Count what got no answer, and connect anew."""
        self._count_failure(failure)
        self._replace(lane)

    def lost(self, lane: Lane) -> None:
        """An idle connection is gone: connect anew, nothing was asked of it."""
        if lane in self._idle:
            self._idle.remove(lane)
        self._replace(lane)

    def _refused(self, lane: Lane, slot: Slot) -> None:
        kind, is_failure = kind_of(lane.status)
        if is_failure:
            slot.failed += 1
            self.tally.failed[kind] += 1
        else:
            slot.rejected += 1
            self.tally.rejected[kind] += 1
        self.tally.details.setdefault(kind, f"answered {lane.status}")

    def _count_failure(self, failure: Failure) -> None:
        self._slot.failed += 1
        self.tally.failed[failure.outcome.value] += 1
        self.tally.details.setdefault(failure.outcome.value, failure.detail)

    # Connections.

    def _replace(self, lane: Lane) -> None:
        """Connect anew, with the message that was made ready for the lane before."""
        new = Lane(self, lane.index)
        new.request, new.ordinal_next = lane.request, lane.ordinal_next
        self._lanes[lane.index] = new
        self._changed.set()
        if self._phase is not _Phase.ENDED:
            self._connect(new)

    def _connect(self, lane: Lane) -> None:
        self._failed_tries[lane.index] = 0
        self._dialer.dial(lane, 0, self._connected, self._not_connected)

    def _connected(self, lane: Lane) -> None:
        self._failed_tries.pop(lane.index, None)
        if not lane.request:
            lane.ordinal_next, lane.request = self._supply.take()
        if self._phase is _Phase.WARMING and lane.index not in self._warmed:
            self._warmed.add(lane.index)
            now = monotonic()
            self._send(lane, now, now)
        else:
            self._free(lane)

    def _not_connected(self, lane: Lane, failure: Failure) -> None:
        tries = self._failed_tries[lane.index] = self._failed_tries.get(lane.index, 0) + 1
        self._changed.set()
        if self._phase is _Phase.WARMING:
            self._slot.sent += 1
            self._count_failure(failure)
            return
        if self._phase is not _Phase.RUNNING:
            return
        # Somebody wanted to send on it: always in a closed loop, in an open one if something waits.
        if self._settings.rate is None or self._waiting:
            if self._waiting:
                self._waiting.popleft()
            self._slot.sent += 1
            self._count_failure(failure)
        self._dialer.dial(lane, tries, self._connected, self._not_connected)

    def _is_warm(self) -> bool:
        being_tried = any(tries == 0 for tries in self._failed_tries.values())
        return not being_tried and not any(lane.active for lane in self._lanes)

    # What a lane does once it is free.

    def _send(self, lane: Lane, started: float, now: float) -> None:
        request = lane.request
        if not request:
            self._starve(lane, started)
            return
        lane.ordinal = lane.ordinal_next
        self._slot.sent += 1
        lane.send(request, started, now)
        # The next one is made while this one is on its way, so that it costs no latency.
        lane.ordinal_next, lane.request = self._supply.take()

    def _starve(self, lane: Lane, started: float) -> None:
        if self._settings.rate is not None:
            self._waiting.appendleft(started)
        self._supply.wait_for(lane, self._fed)

    def _fed(self, lane: Lane) -> None:
        if lane.open:
            self._free(lane)

    def _rest(self, lane: Lane) -> None:
        self._idle.append(lane)
        self._changed.set()

    def _go_on(self, lane: Lane) -> None:
        now = monotonic()
        self._send(lane, now, now)

    def _take_waiting(self, lane: Lane) -> None:
        self._drop_overdue()
        if self._waiting:
            self._send(lane, self._waiting.popleft(), monotonic())
        else:
            self._idle.append(lane)

    def _drop_overdue(self) -> None:
        """Messages that waited longer than an answer may take are not sent any more."""
        if not self._waiting:
            return
        oldest = monotonic() - self._settings.timeout
        while self._waiting and self._waiting[0] < oldest:
            self._waiting.popleft()
            self.tally.unsent += 1

    def _ring(self) -> None:
        """Send what is due by now, and be woken when the next is."""
        rate = self._settings.rate
        if rate is None or self._alarm is None or self._phase is not _Phase.RUNNING:
            return
        now = monotonic()
        while self._due_next <= now:
            due = self._due_next
            self._count += 1
            self._due_next = due_at(self._began, self._count, rate)
            self.tally.late.append(micros(now - due))
            if self._idle:
                self._send(self._idle.popleft(), due, now)
            else:
                self._waiting.append(due)
        self._drop_overdue()
        self._alarm.set(self._due_next)

    # Time.

    def _begin_tally(self) -> None:
        self.tally = Tally()
        self._slot = Slot(0.0)
        self.tally.slots.append(self._slot)

    def _next_slot(self) -> None:
        self._slot = Slot(monotonic() - self._began)
        self.tally.slots.append(self._slot)

    def _look_at_lag(self) -> None:
        now = monotonic()
        self.tally.lags.append(micros(now - self._lag_due - RESOLUTION))
        self._lag_due = now + LAG_EVERY
        self._timers["lag"] = self._loop.call_later(LAG_EVERY, self._look_at_lag)

    def _sweep(self) -> None:
        now, timeout = monotonic(), self._settings.timeout
        for lane in self._lanes:
            if lane.active and lane.sent_at < now - timeout:
                lane.fail(Failure(Outcome.TIMEOUT, f"no whole answer within {timeout:g} s"))

    def _every(self, name: str, seconds: float, do: Callable[[], None]) -> None:
        """Call again and again on a grid of the monotonic clock."""
        began, turn = monotonic(), 1

        def call() -> None:
            nonlocal turn
            do()
            turn = max(turn + 1, int((monotonic() - began) / seconds) + 1)
            self._timers[name] = self._loop.call_later(max(began + turn * seconds - monotonic(), 0.0), call)

        self._timers[name] = self._loop.call_later(seconds, call)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            try:
                async with asyncio.timeout(SWEEP):
                    await self._changed.wait()
            except TimeoutError:
                continue


def due_at(began: float, count: int, rate: float) -> float:
    """When message number `count` (from 0) of an open loop is due."""
    instant = began + count / rate
    return instant if rate <= 1 / GRID else began + -(-(count / rate) // GRID) * GRID
