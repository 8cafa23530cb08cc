"""A clock that runs only while every service that processing needs is up, by our own probes."""

from __future__ import annotations

from prober.outcome import ProbeName


class ServiceClock:
    """Counts seconds during which nothing it was told of is down. Times are monotonic seconds."""

    def __init__(self, at: float) -> None:
        self._counted = 0.0
        self._running_since = at
        self._down: set[ProbeName] = set()

    def went_down(self, service: ProbeName, at: float) -> None:
        """Stop at `at`, which may lie a moment back: an outage is known only after it has begun."""
        if not self._down:
            self._counted += max(0.0, at - self._running_since)
        self._down.add(service)

    def came_up(self, service: ProbeName, at: float) -> None:
        """Go on when this was the last service that was down."""
        if service in self._down:
            self._down.remove(service)
            if not self._down:
                self._running_since = at

    def read(self, at: float) -> float:
        """The seconds counted until `at`."""
        return self._counted if self._down else self._counted + max(0.0, at - self._running_since)
