"""`prober load`: one scenario from its first connection to the removal of its last row."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

from prober.daemon.assembly import target_client_parts, target_witness
from prober.outcome import Mode
from prober.probes.synthetic import Mark, new_run_id
from prober.probes.witness import NotAskable, Witness
from prober.suites.ledger import folder_of
from prober.suites.load.documenting import Target, document, nothing_measured
from prober.suites.load.generator import Generator, Portion, Task, share
from prober.suites.load.messages import Ids
from prober.suites.load.processes import AHEAD, GeneratorError, Workers, is_local, processes_for
from prober.suites.load.reading import read_warm_up
from prober.suites.load.reconciling import Followed, Reconciler, Removal, added, remove_rows
from prober.suites.load.rows import Rows
from prober.suites.load.sweeping import sweep_dead_runs
from prober.suites.load.tally import Tally
from prober.suites.observing import Observer
from prober.suites.report.progress import Progress
from prober.suites.running import CouldNotRunError, Measured, Session
from prober.suites.stop import Stop

TELL_EVERY = 0.5  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The scenario as asked for; `rate` in messages a second, `processes` None to decide by the cores."""

    concurrency: int
    duration: float
    rate: float | None = None
    processes: int | None = None


class Generators(Protocol):
    """One generator in this process, or several in their own."""

    async def warm_up(self) -> list[Portion]:
        """What the warm-up came to."""
        ...

    async def run(self, begin: float | None, stop: Stop) -> list[Portion]:
        """Begin at that instant, and what came of it."""
        ...


class _Inside:
    """The one generator of this process."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._warm: asyncio.Queue[Portion] = asyncio.Queue()
        self._begin: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._stop = Stop()
        self._working = asyncio.create_task(generator.run(self._start, self._stop))

    async def _start(self, portion: Portion) -> float | None:
        self._warm.put_nowait(portion)
        return await self._begin

    async def warm_up(self) -> list[Portion]:
        warming = asyncio.create_task(self._warm.get())
        await asyncio.wait([warming, self._working], return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            return [warming.result()]
        warming.cancel()
        return [await self._working]  # raises what kept it from warming up

    async def run(self, begin: float | None, stop: Stop) -> list[Portion]:
        self._begin.set_result(begin)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([self._working, stopping], return_when=asyncio.FIRST_COMPLETED)
        self._stop.ask(stop.reason or "done")
        stopping.cancel()
        return [await self._working]

    async def close(self) -> None:
        if not self._working.done():
            self._working.cancel()
            await asyncio.wait([self._working])
        self._generator.close()


async def load(session: Session, wanted: Wanted) -> Measured:
    """Run one scenario. Raises CouldNotRunError where nothing was, or could be, sent."""
    config, contract = session.settings.config, session.settings.contract
    endpoint, _ = target_client_parts(config)
    witness = target_witness(config)
    observer = Observer(config, contract)
    what = f"{endpoint}{contract.webhook.path}"
    count = wanted.processes or processes_for(
        len(os.sched_getaffinity(0)), local=is_local(endpoint), concurrency=wanted.concurrency
    )
    count = min(count, wanted.concurrency)
    # Only a run of one generator has the id of the session: each has to have its own.
    run_ids = [session.run_id, *(new_run_id(session.started.wall) for _ in range(count - 1))]
    task = Task(run_id=session.run_id, concurrency=wanted.concurrency, rate=wanted.rate, duration=wanted.duration)
    try:
        await _sweep_before(session, witness)
        async with _generators(session, share(task, run_ids)) as generators:
            warm = await generators.warm_up()
            problem = read_warm_up(_total([portion.warm_up for portion in warm]), what)
            if problem is not None or session.stop.asked:
                portions = await generators.run(None, session.stop)
                end = await _end(session, witness, portions, time.monotonic())
                target = Target(what, wanted, task.slot, observer.seen.looks, observer.seen.why_not)
                return nothing_measured(target, portions, problem or session.stop.reason, _notes(end))
            began = time.monotonic() + AHEAD
            watching = asyncio.create_task(observer.forever())
            telling = asyncio.create_task(_tell(began, wanted.duration, session.stop))
            try:
                portions = await generators.run(began, session.stop)
                telling.cancel()
                answered = time.monotonic()
                end = await _end(session, witness, portions, answered)
            finally:
                telling.cancel()
                watching.cancel()
                await asyncio.wait([telling, watching])
            target = Target(what, wanted, task.slot, observer.seen.looks, observer.seen.why_not)
            return document(target, portions, began, end.followed, session.stop.reason, _notes(end))
    except (NotAskable, GeneratorError) as error:
        raise CouldNotRunError(str(error)) from error
    except OSError as error:
        raise CouldNotRunError(f"{error.filename or config.data_dir}: {error.strerror}") from error
    finally:
        observer.close()
        if witness is not None:
            await witness.close()


async def from_locust(session: Session, wanted: Wanted, portions: Sequence[Portion]) -> Measured:
    """The same of what Locust sent: its messages are followed to their end, and judged as if they were ours."""
    config, contract = session.settings.config, session.settings.contract
    witness = target_witness(config)
    what = f"{target_client_parts(config)[0]}{contract.webhook.path}"
    unseen = {"pool usage, backlog and memory over time": "Locust sent the messages, and did not look"}
    try:
        end = await _end(session, witness, portions, time.monotonic())
    finally:
        if witness is not None:
            await witness.close()
    target = Target(what, wanted, 1.0, (), unseen)
    measured = document(target, portions, 0.0, end.followed, session.stop.reason, _notes(end))
    return replace(measured, detail=measured.detail.model_copy(update={"engine": "locust"}))


@asynccontextmanager
async def _generators(session: Session, tasks: Sequence[Task]) -> AsyncIterator[Generators]:
    made: _Inside | Workers
    if len(tasks) == 1:
        made = _Inside(Generator(session.settings.config, session.settings.contract, tasks[0]))
    else:
        made = Workers(session.plan.config.absolute(), tasks)
    try:
        yield made
    finally:
        await made.close()


async def _sweep_before(session: Session, witness: Witness | None) -> None:
    """What an earlier run left that was killed goes first: its rows would slow this one down."""
    if witness is not None:
        # Where the database does not answer that is told at the end, of this run's own rows.
        with suppress(NotAskable):
            await sweep_dead_runs(session.settings.config, session.settings.contract, witness)


@dataclass(frozen=True, slots=True)
class _End:
    """How the messages ended; `followed` is None where nobody could be asked."""

    followed: Followed | None
    removals: tuple[Removal, ...]
    forgotten: bool


async def _end(session: Session, witness: Witness | None, portions: Sequence[Portion], answered: float) -> _End:
    """Follow every accepted message to its end, then remove every row of ours."""
    config = session.settings.config
    if witness is None:
        return _End(None, (), False)
    mode: Mode = config.probes.webhook.mode
    number = config.probes.webhook.from_number or ""
    followed, removals, forgotten, kept = [], [], True, False
    each = [(portion, _rows(session, witness, portion, mode, number)) for portion in portions]
    for portion, rows in each:
        accepted = [*portion.warm_up.ordinals, *portion.tally.ordinals]
        reconciler = Reconciler(rows, accepted, config.probes.webhook.processing_deadline, answered)
        found = await reconciler.follow(session.stop)
        await reconciler.look_for_repeats()
        followed.append(found)
    if mode is Mode.NO_SIDE_EFFECTS:
        # A message whose claim has gone is a new one, with all its effects: they stay while one may be processed.
        left = answered + config.probes.webhook.processing_deadline - time.monotonic()
        kept = left > 0 and await session.stop.wait(left)
    for (portion, rows), found in zip(each, followed, strict=True):
        if kept:
            forgotten = False
            removals.append(Removal(None, "a message may still look for its claim"))
            continue
        removal = await remove_rows(rows, portion.used)
        removals.append(removal)
        # What may still arrive is removed by whoever finds the ledger later.
        silent = sum((portion.tally.failed + portion.warm_up.failed).values())
        if removal.left == 0 and not silent and found.effective == found.accepted:
            (folder_of(config.data_dir) / f"{portion.run_id}.jsonl").unlink(missing_ok=True)
        else:
            forgotten = False
    total = added(followed)
    return _End(total, tuple(removals), forgotten)


def _rows(session: Session, witness: Witness, portion: Portion, mode: Mode, number: str) -> Rows:
    from prober.probes.synthetic import NOBODYS_NUMBER

    ids = Ids(Mark(session.settings.config.instance), portion.run_id)
    return Rows(session.settings.contract.webhook, witness, ids, mode, number or NOBODYS_NUMBER)


def _notes(end: _End) -> list[str]:
    """What is to be said of the rows."""
    if end.followed is None:
        return [
            "no database is configured: whether the accepted messages were processed is not known, and their rows "
            "were not removed; `prober cleanup` does that once probes.database.dsn is set"
        ]
    notes = []
    if end.followed.not_known:
        notes.append(
            f"of {end.followed.not_known} accepted messages it is not known whether they had an effect: "
            f"{end.followed.why_not}"
        )
    left = sum(removal.left or 0 for removal in end.removals)
    unknown = next((removal.why for removal in end.removals if removal.left is None), "")
    if unknown:
        notes.append(f"the rows of this run could not be removed: {unknown}; `prober cleanup` does it later")
    elif left:
        notes.append(f"{left} messages still have rows; `prober cleanup` removes them")
    elif not end.forgotten:
        notes.append("all rows were removed; what arrives late goes with the next run or `prober cleanup`")
    return notes


def _total(tallies: Sequence[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


async def _tell(began: float, duration: float, stop: Stop) -> None:
    """Show how far it is."""
    with Progress(duration, sys.stderr) as progress:
        while (done := time.monotonic() - began) < duration and not stop.asked:
            progress.at(max(done, 0.0))
            await asyncio.sleep(TELL_EVERY)
