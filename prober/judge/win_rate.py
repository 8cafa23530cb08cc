"""The win rate: the share of the last judged races that had exactly one consistent winner."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from prober.event import WinRate
from prober.outcome import RaceOutcome


class RaceWindow:
    """The last races: `size` judged ones, and the races without a verdict that lie among them.

    More than `max_unjudged` without a verdict make the rate absent: a share of the few races that happened to
    work would be a lie.
    """

    def __init__(self, size: int, max_unjudged: int, earlier: Iterable[RaceOutcome] = ()) -> None:
        self._size = size
        self._max_unjudged = max_unjudged
        self._outcomes: deque[RaceOutcome] = deque()
        self._judged = 0
        for outcome in earlier:
            self.add(outcome)

    def resize(self, size: int, max_unjudged: int) -> None:
        """Look at another number of races from now on: the newest of those that are known."""
        self._size = size
        self._max_unjudged = max_unjudged
        self._forget()

    def add(self, outcome: RaceOutcome) -> WinRate:
        """Take one more race in, let the oldest go, and say what the rate is now."""
        self._outcomes.append(outcome)
        self._judged += outcome.is_judged
        self._forget()
        return self.rate()

    def _forget(self) -> None:
        # Races without a verdict are bounded as well: a day of outage must not be remembered for a year.
        while self._judged > self._size or len(self._outcomes) > 2 * self._size:
            self._judged -= self._outcomes.popleft().is_judged

    def rate(self) -> WinRate:
        """The rate over the window as it stands; None with no judged race or too many unjudged ones."""
        unjudged = len(self._outcomes) - self._judged
        if not self._judged or unjudged > self._max_unjudged:
            return WinRate(value=None, judged=self._judged, unjudged=unjudged)
        won = sum(outcome is RaceOutcome.ONE_WINNER for outcome in self._outcomes)
        return WinRate(value=won / self._judged, judged=self._judged, unjudged=unjudged)
