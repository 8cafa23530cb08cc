"""Hands out messages, each with its ordinal, within what the ledger has reserved and the claims allow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from prober.suites.load.lane import Lane
from prober.suites.load.messages import Composer

NOTHING = (0, b"")


class Composed:
    """Messages made on demand, up to `allowed`; whoever raises that has done what has to be done before."""

    def __init__(self, composer: Composer) -> None:
        self._compose = composer.request
        self._next = 1
        self._allowed = 0
        self._hungry: deque[tuple[Lane, Callable[[Lane], None]]] = deque()
        self.starved = 0

    @property
    def used(self) -> int:
        """How many were handed out: ordinals 1 to this."""
        return self._next - 1

    @property
    def left(self) -> int:
        """How many may be handed out before more are allowed."""
        return self._allowed - self._next + 1

    def take(self) -> tuple[int, bytes]:
        """The next one."""
        ordinal = self._next
        if ordinal > self._allowed:
            return NOTHING
        self._next = ordinal + 1
        return ordinal, self._compose(ordinal)

    def wait_for(self, lane: Lane, again: Callable[[Lane], None]) -> None:
        """Wait for more to be allowed."""
        self.starved += 1
        self._hungry.append((lane, again))

    def allow(self, upto: int) -> None:
        """Let ordinals up to this one be used, and serve who waits."""
        self._allowed = upto
        hungry, self._hungry = self._hungry, deque()
        for lane, again in hungry:
            lane.ordinal_next, lane.request = self.take()
            again(lane)
