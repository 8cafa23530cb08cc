"""Follows what a load sent to its end: which accepted messages had their effect; then removes every row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from prober.probes.witness import NotAskable
from prober.suites.load.rows import Rows
from prober.suites.stop import Stop

FIRST_PAUSE = 0.05  # seconds between two looks; they grow with what a look costs
LONGEST_PAUSE = 2.0
# However slowly the target works its backlog off: so many deadlines, and what is not there then is not known.
MOST_DEADLINES = 30


@dataclass(slots=True, kw_only=True)
class Followed:
    """What became of accepted messages. `seconds` from the last answer to the last effect that was seen."""

    accepted: int
    effective: int = 0
    repeated: int = 0
    lost: int = 0
    not_known: int = 0
    seconds: float | None = None
    why_not: str = ""


class Reconciler:
    """Asks for the messages of one generator until all had their effect, or nothing has come for a deadline.

    A target that works off its backlog is not losing anything: the deadline counts from the last effect that was
    seen, since jobs are done in the order in which they came.
    """

    def __init__(self, rows: Rows, accepted: Sequence[int], deadline: float, since: float) -> None:
        self._rows = rows
        self._missing = list(accepted)
        self._deadline = deadline
        self._since = since
        self._progress = max(since, time.monotonic())
        self.followed = Followed(accepted=len(self._missing))
        self._seen: list[int] = []

    async def follow(self, stop: Stop | None = None) -> Followed:
        """Wait for the effects. Never raises for what the database does."""
        followed, pause = self.followed, FIRST_PAUSE
        if not self._rows.visible:
            followed.not_known, followed.why_not = followed.accepted, "the effect is not observable in this mode"
            return followed
        give_up = time.monotonic() + MOST_DEADLINES * self._deadline
        while self._missing:
            began = time.monotonic()
            if not await self._look() and began - self._progress > self._deadline:
                # Whoever cannot be asked says nothing of what is lost.
                followed.lost = 0 if followed.why_not else len(self._missing)
                followed.not_known = len(self._missing) - followed.lost
                return followed
            if began > give_up or (stop is not None and stop.asked and began - self._progress > 1.0):
                followed.not_known = len(self._missing)
                followed.why_not = followed.why_not or (
                    stop.reason if stop is not None and stop.asked else "the target still worked its backlog off"
                )
                return followed
            pause = min(max(pause, 2 * (time.monotonic() - began)), LONGEST_PAUSE)
            await asyncio.sleep(pause if self._missing else 0)
            pause *= 1.3
        return followed

    async def look_for_repeats(self) -> None:
        """Look once more at all that had their effect: whether one had a second one since."""
        followed = self.followed
        if not self._rows.visible:
            return
        try:
            sights = await self._rows.look(self._seen)
        except NotAskable:
            return  # what was counted until now stands
        followed.repeated = sum(sight.effects > 1 for sight in sights.values())

    async def _look(self) -> bool:
        """Look at all that are missing; whether one less is."""
        try:
            sights = await self._rows.look(self._missing)
        except NotAskable as why:
            self.followed.why_not = why.detail
            return False
        self.followed.why_not = ""
        done = {ordinal for ordinal, sight in sights.items() if sight.done}
        if not done:
            return False
        self._progress = time.monotonic()
        self.followed.seconds = self._progress - self._since
        self.followed.effective += len(done)
        self._seen += done
        self._missing = [ordinal for ordinal in self._missing if ordinal not in done]
        return True


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed. `left` messages still have rows; None where that could not be asked, for `why`."""

    left: int | None
    why: str = ""


async def remove_rows(rows: Rows, used: int) -> Removal:
    """Remove every row of ordinals 1 to `used`, and look whether one is left. Never raises for the database."""
    ordinals = range(1, used + 1)
    try:
        await rows.remove(ordinals)
        return Removal(await rows.left(ordinals))
    except NotAskable as why:
        return Removal(None, why.detail)


def added(parts: Sequence[Followed]) -> Followed:
    """What became of the messages of all generators."""
    total = Followed(accepted=sum(part.accepted for part in parts))
    total.effective = sum(part.effective for part in parts)
    total.repeated = sum(part.repeated for part in parts)
    total.lost = sum(part.lost for part in parts)
    total.not_known = sum(part.not_known for part in parts)
    total.seconds = max((part.seconds for part in parts if part.seconds is not None), default=None)
    total.why_not = next((part.why_not for part in parts if part.why_not), "")
    return total
