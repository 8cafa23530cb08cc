"""Suites that the calendar asks for: one at a time, never where a write may not begin, and within the caps.

Races are run here, through the gate and the permission that the probes have. Load and drills are a process of
their own, `prober load` or `prober drill`, at a rate that the config was checked to have room for; meanwhile the
gate of the probes has that much less.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from apscheduler.schedulers.base import BaseScheduler

from prober.clock import now
from prober.config.model import Config, ScheduledSuite
from prober.config.units import format_duration
from prober.daemon.assembly import Assembled
from prober.daemon.permission import WritePermission
from prober.daemon.settings import Settings
from prober.event import Event, SuiteSkipped
from prober.maintenance import trigger
from prober.outcome import SkipReason, Suite, SuiteSkip
from prober.probes.synthetic import new_run_id
from prober.result import RaceResult
from prober.suites.presence import FOLDER, AnotherRunsError, present

log = structlog.get_logger()

# A suite that could not begin at its time, because this machine was busy or asleep, begins within this or not at
# all (seconds).
GRACE = 60
# A process that was told to end has this long (seconds) to undo what it has made; then it is killed.
END_WITHIN = 10.0
_JOB = "suite-"
_SKIPS = {
    SkipReason.PAUSED: SuiteSkip.PAUSED,
    SkipReason.MAINTENANCE: SuiteSkip.MAINTENANCE,
    SkipReason.NOT_LEADER: SuiteSkip.NOT_LEADER,
}
_COMMANDS = {
    Suite.WEBHOOK_LOAD: ("load",),
    Suite.REDIS_FAILURE: ("drill", "redis"),
    Suite.DB_RESTART: ("drill", "db"),
}


def prepare(config: Config) -> None:
    """Load what scheduled races need, before anything is probed or in a thread: it takes half a second.

    A daemon without a schedule does without these megabytes.
    """
    if any(entry.suite is Suite.VENDOR_RACE for entry in config.suites.schedule):
        import prober.daemon.suites.racing  # noqa: F401


class Ending:
    """Says when to end; what `prober.suites` calls a stop."""

    reason = ""

    @property
    def asked(self) -> bool:
        """Whether to end in order now."""
        return bool(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the daemon lends to a suite. `settings` are those of now."""

    settings: Callable[[], Settings]
    assembled: Assembled
    permission: WritePermission
    publish: Callable[[Event], None]
    intend: Callable[[str, str], Awaitable[object]]  # run id, order id
    raced: Callable[[RaceResult, str], Awaitable[None]]  # with the id of the suite's run
    config_file: Path


class ScheduledSuites:
    """Begins suites when the calendar says so, and ends them with the daemon."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._ending = Ending()
        self._under_way: asyncio.Task[None] | None = None

    def follow(self, scheduler: BaseScheduler) -> None:
        """Take the schedule of the settings of now in place of the one before; what runs goes on."""
        for job in scheduler.get_jobs():
            if job.id.startswith(_JOB):
                job.remove()
        for number, entry in enumerate(self._means.settings().config.suites.schedule):
            scheduler.add_job(
                self.due,
                trigger(entry.cron, entry.timezone),
                args=(entry,),
                id=f"{_JOB}{number}",
                misfire_grace_time=GRACE,
                coalesce=True,
                max_instances=2,
            )

    async def due(self, entry: ScheduledSuite) -> None:
        """Run one now, or say why not."""
        if self._under_way is not None:
            self._skip(entry, SuiteSkip.BUSY, "another scheduled suite is under way")
        elif (refused := self._means.permission.refusal()) is not None:
            why = self._means.permission.restrictions(now()).sentence
            self._skip(entry, _SKIPS.get(refused, SuiteSkip.FAILED), f"{refused}: {why}")
        elif not self._ending.asked:
            self._under_way = asyncio.create_task(self._run(entry), name=f"suite {entry.suite}")
            try:
                await asyncio.wait([self._under_way])
            finally:
                self._under_way = None

    async def stop(self, within: float) -> None:
        """End what is under way: in order within so many seconds, then at once."""
        self._ending.reason = "stopped because the prober that ran it ended"
        task = self._under_way
        if task is None:
            return
        await asyncio.wait([task], timeout=within)
        task.cancel()
        await asyncio.wait([task])

    async def _run(self, entry: ScheduledSuite) -> None:
        try:
            if entry.suite is Suite.VENDOR_RACE:
                await self._race(entry)
            else:
                await self._command(entry)
        except AnotherRunsError as why:
            self._skip(entry, SuiteSkip.BUSY, str(why))
        except Exception as error:
            # Whatever a suite of ours meets must not end the daemon beside it.
            log.exception("a scheduled suite failed", suite=entry.suite, scenario=entry.scenario)
            self._skip(entry, SuiteSkip.FAILED, str(error) or type(error).__name__)

    async def _race(self, entry: ScheduledSuite) -> None:
        from prober.daemon.suites.racing import race  # by now in memory, see `prepare`

        settings, started = self._means.settings(), now()
        run_id = new_run_id(started.wall)
        with present(settings.config.data_dir, entry.suite, entry.scenario, run_id, started, patience=0.0):
            await race(self._means, settings, entry, run_id, started, self._ending)

    async def _command(self, entry: ScheduledSuite) -> None:
        folder = self._means.settings().config.data_dir / FOLDER / "scheduled"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lent(entry):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "prober"),
                *command(entry, self._means.config_file, folder),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            code, said = await self._ended(process)
        if code not in (0, 1):
            last = said.strip().splitlines()[-1:] or ["it said nothing"]
            self._skip(entry, SuiteSkip.FAILED, f"its process ended with {code}: {last[0]}")

    async def _ended(self, process: asyncio.subprocess.Process) -> tuple[int, str]:
        """Wait for the end of a process, which is asked for when ours comes."""
        talking = asyncio.create_task(process.communicate())
        try:
            while not (await asyncio.wait([talking], timeout=0.2))[0]:
                if self._ending.asked:
                    await _terminate(process, talking)
                    break
        finally:
            if process.returncode is None:
                await _terminate(process, talking)
        _, said = await talking
        return process.returncode or 0, said.decode("utf-8", "replace")

    @contextmanager
    def _lent(self, entry: ScheduledSuite) -> Iterator[None]:
        """Leave a suite its rate out of the probes' cap."""
        with ExitStack() as stack:
            if entry.rate is not None:
                stack.enter_context(self._means.assembled.gate.lent(entry.rate.count / entry.rate.per_seconds))
            yield

    def _skip(self, entry: ScheduledSuite, reason: SuiteSkip, detail: str) -> None:
        self._means.publish(SuiteSkipped(suite=entry.suite, scenario=entry.scenario, reason=reason, detail=detail))


def command(entry: ScheduledSuite, config: Path, folder: Path) -> list[str]:
    """The command line, without its first word, of a suite that is a process of its own."""
    words = [*_COMMANDS[entry.suite], entry.scenario, "--config", str(config)]
    words += ["--output", str(folder / f"{entry.suite}-test-results.json")]
    if entry.rate is not None:
        words += ["--rate", f"{entry.rate.count / entry.rate.per_seconds:.6g}"]
    if entry.duration is not None:
        words += ["--duration", format_duration(entry.duration)]
    return words


async def _terminate(process: asyncio.subprocess.Process, talking: asyncio.Task[object]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    await asyncio.wait([talking], timeout=END_WITHIN)
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
