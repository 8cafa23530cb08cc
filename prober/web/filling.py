"""Fills the last day from the journal after a start, in small bites, so that nobody waits for it."""

from __future__ import annotations

import asyncio
from functools import partial

from prober.outcome import ProbeName
from prober.publish.journal.reader import Reader, UnreadableError
from prober.publish.journal.stored import StoredLatency, StoredOutage
from prober.web.archive import Archive
from prober.web.day import DRAWN, Day, Stretch

_BITE = 1_000  # rows: a few milliseconds of this process
_PAUSE = 0.05  # seconds between two bites
_AGAIN = 5.0  # seconds until the next try where the journal cannot be read yet


async def fill(day: Day, archive: Archive, now_wall: float) -> None:
    """Read everything from before `now_wall`; what came later, events have told already. Ends when all is in."""
    while True:
        try:
            for known in await archive.ask(partial(_outages, since=now_wall - day.day.span)):
                began, ended = known.began_wall, known.ended_wall
                day.remember(Stretch(known.probe, began, ended, known.id, known.duration))
            break
        except UnreadableError:
            await asyncio.sleep(_AGAIN)
    for probe in DRAWN:
        await _latencies(day, archive, probe, now_wall)
    day.complete = True


async def _latencies(day: Day, archive: Archive, probe: ProbeName, now_wall: float) -> None:
    before: int | None = None
    while True:
        question = partial(_bite, probe=probe, since=now_wall - day.day.span, before=before)
        try:
            found = await archive.ask(question)
        except UnreadableError:
            await asyncio.sleep(_AGAIN)
            continue
        for one in found:
            if one.good and one.seconds is not None and one.at_wall < now_wall:
                day.add(probe, one.at_wall, one.seconds)
        if len(found) < _BITE:
            return
        before = found[-1].seq
        await asyncio.sleep(_PAUSE)


def _bite(reader: Reader, probe: ProbeName, since: float, before: int | None) -> tuple[StoredLatency, ...]:
    return reader.latencies(probe, since, limit=_BITE, before=before)


def _outages(reader: Reader, since: float) -> tuple[StoredOutage, ...]:
    """Those of the day, and the last of each probe, however old: since when is it up?"""
    last = tuple(one for probe in ProbeName for one in reader.outages(probe, limit=1))
    return (*last, *reader.outages_since(since))
