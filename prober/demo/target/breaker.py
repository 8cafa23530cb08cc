"""A circuit breaker as a value of time: after several failures in a row, fail fast for a while, then try once."""

from __future__ import annotations

import math


class Breaker:
    """Decides whether a dependency is asked. Times are monotonic seconds, given by the caller."""

    __slots__ = ("_failures", "_last_failure", "_open_seconds", "_opened", "_threshold")

    def __init__(self, *, failures: int, open_seconds: float) -> None:
        self._threshold = failures
        self._open_seconds = open_seconds
        self._failures = 0
        self._last_failure = -math.inf
        self._opened: float | None = None

    def allows(self, now: float) -> bool:
        """Whether to ask now. Open, it lets one attempt through every `open_seconds`."""
        if self._opened is None:
            return True
        if now - self._opened < self._open_seconds:
            return False
        self._opened = now  # the one attempt; the others go on failing fast until it has answered
        return True

    def is_open(self, now: float) -> bool:
        """Whether an attempt would fail fast now."""
        return self._opened is not None and now - self._opened < self._open_seconds

    def failed_since(self, moment: float) -> bool:
        """Whether an attempt failed after this moment."""
        return self._last_failure > moment

    def succeeded(self) -> None:
        """The dependency answered."""
        self._failures = 0
        self._opened = None

    def failed(self, now: float) -> None:
        """The dependency did not answer."""
        self._failures += 1
        self._last_failure = now
        if self._failures >= self._threshold:
            self._opened = now
