"""What waits for a web process that does not read: bounded, and never at the cost of what matters."""

from __future__ import annotations

from collections import deque

from prober.event import Event, LoopLag, ProbeRan
from prober.result import RaceResult


def is_ordinary(event: Event) -> bool:
    """Whether losing this event loses no more than a sample: the next one of its kind comes soon."""
    if isinstance(event, ProbeRan):
        return not isinstance(event.result, RaceResult)
    return isinstance(event, LoopLag)


class Outbox:
    """Frames in the order in which they came. Above `limit` bytes the oldest ordinary ones are dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._arrived = 0
        self._ordinary: deque[tuple[int, bytes]] = deque()
        self._kept: deque[tuple[int, bytes]] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._ordinary) + len(self._kept)

    def put(self, frame: bytes, *, ordinary: bool) -> None:
        """Add a frame; what is dropped for it is counted in `dropped`."""
        self._arrived += 1
        (self._ordinary if ordinary else self._kept).append((self._arrived, frame))
        self._size += len(frame)
        while self._size > self._limit and self._ordinary:
            _, oldest = self._ordinary.popleft()
            self._size -= len(oldest)
            self.dropped += 1

    def take(self) -> bytes:
        """Remove the oldest frame. Raises IndexError when there is none."""
        ordinary_first = self._ordinary and (not self._kept or self._ordinary[0] < self._kept[0])
        _, frame = (self._ordinary if ordinary_first else self._kept).popleft()
        self._size -= len(frame)
        return frame
