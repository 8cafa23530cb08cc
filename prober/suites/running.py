"""What every suite command shares: whether it may run here, its ending, its verdict, its results, its exit code.

A suite is an async function that gets a `Session` and returns what it `Measured`; everything else is here.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop

from prober import __version__
from prober.cli import exits
from prober.cli.settings import Settings, read_settings
from prober.clock import Instant, now
from prober.config.model import Environment
from prober.daemon.permission import WritePermission, paused_by, permission_of
from prober.guide.judging import judge
from prober.log import configure_log
from prober.outcome import Ending, Measure, Suite, Verdict
from prober.probes.synthetic import new_run_id
from prober.suites.presence import FOLDER, AnotherRunsError, found_file, present
from prober.suites.results import By, Results, Where, file_name, write
from prober.suites.results_drill import DrillDetail
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import RaceDetail
from prober.suites.stop import Stop, signals

Detail = LoadDetail | RaceDetail | DrillDetail

# How soon a pause that is put while a suite runs ends it (seconds).
LOOK_FOR_PAUSE = 0.2


class UsageError(Exception):
    """What was asked for cannot be meant; the text says what was expected. Exit code 2."""


class CouldNotRunError(Exception):
    """It cannot be run here or now, and nothing was measured; the text says what to do. Exit code 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a suite command was asked for. `parameters` go into the results as they are."""

    suite: Suite
    scenario: str
    config: Path
    parameters: Mapping[str, str | float | int | bool | None] = field(default_factory=dict)
    as_json: bool = False
    html: Path | None = None
    output: Path | None = None  # default: the guide's name, in the current directory

    @property
    def command(self) -> str:
        """What the user typed, for sentences."""
        words = {
            Suite.WEBHOOK_LOAD: "load",
            Suite.VENDOR_RACE: "race",
            Suite.REDIS_FAILURE: "drill redis",
            Suite.DB_RESTART: "drill db",
        }
        return f"prober {words[self.suite]} {self.scenario}"

    @property
    def file(self) -> Path:
        """Where the results go."""
        return self.output or Path(file_name(self.suite))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of a suite: what it works with."""

    plan: Plan
    settings: Settings
    run_id: str
    started: Instant
    stop: Stop
    permission: WritePermission


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a suite hands in. `why_not` says why a measure is None; `violations` make the exit code 1."""

    measures: Mapping[Measure, float | None]
    detail: Detail
    sentence: str
    ending: Ending = Ending.COMPLETE
    why_not: Mapping[Measure, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    violations: int = 0
    processes: int = 1


Work = Callable[[Session], Awaitable[Measured]]


def refusal(suite: Suite, environment: Environment) -> str | None:
    """Why a suite must not run in this environment, whatever the flags (SPEC 4); None where it may."""
    if environment is not Environment.PRODUCTION or suite is Suite.VENDOR_RACE:
        return None
    what = "the load suite" if suite is Suite.WEBHOOK_LOAD else "a drill"
    return (
        f"{what} never runs against production (target.environment: production), whatever the flags; "
        "point --config at a staging system or at `prober demo`"
    )


def run_suite(plan: Plan, work: Work) -> int:
    """Run a suite from its settings to its exit code."""
    settings = read_settings(plan.config)
    if settings is None:
        return exits.BAD_USAGE
    configure_log("warning", settings.config.log.format, settings.redact)
    try:
        _check_allowed(plan, settings)
        return uvloop.run(_run(plan, settings, work))
    except UsageError as error:
        return _complain(plan, settings, str(error), exits.BAD_USAGE)
    except CouldNotRunError as error:
        return _complain(plan, settings, str(error), exits.COULD_NOT_RUN)
    except asyncio.CancelledError:
        return _complain(plan, settings, "left at once; no results were written", exits.INTERRUPTED)


def finish(
    plan: Plan, settings: Settings, run_id: str, started: Instant, ended: Instant, measured: Measured
) -> int:
    """Judge, write, print; the exit code."""
    results = masked(make_results(plan, settings, run_id, started, ended, measured), settings.redact)
    try:
        write(results, plan.file)
        if plan.html is not None:
            _write_page(results, plan.html)
    except OSError as error:
        return _complain(plan, settings, f"{error.filename}: {error.strerror}", exits.COULD_NOT_RUN)
    _hand_to_daemon(plan, settings, results)
    if plan.as_json:
        print(results.model_dump_json(indent=1))
    else:
        from prober.suites.report.summary import summary

        print(summary(results, colour=sys.stdout.isatty()), end="")
        print(f"results: {plan.file}", file=sys.stderr)
    return exit_code(results, measured.violations)


def make_results(
    plan: Plan, settings: Settings, run_id: str, started: Instant, ended: Instant, measured: Measured
) -> Results:
    """The results document of one run."""
    target = settings.config.target
    return Results(
        suite=plan.suite,
        scenario=plan.scenario,
        run_id=run_id,
        started=_iso(started.wall),
        ended=_iso(started.later(ended.mono).wall),
        duration_seconds=ended.mono - started.mono,
        ending=measured.ending,
        sentence=measured.sentence,
        target=Where(url=target.url, environment=target.environment.value, contract=settings.contract.name),
        prober=By(
            version=__version__,
            instance=settings.config.instance,
            python=platform.python_version(),
            cores=os.cpu_count() or 1,
            processes=measured.processes,
        ),
        parameters=dict(plan.parameters),
        measures=dict(measured.measures),
        judgement=judge(plan.suite, measured.measures, measured.why_not),
        notes=tuple(measured.notes),
        detail=measured.detail,
    )


def exit_code(results: Results, violations: int) -> int:
    """By SPEC 3: 1 for a critical breaking point or a violation, 3 for a run that did not come to its end."""
    if violations or results.judgement.verdict is Verdict.CRITICAL:
        return exits.VIOLATION
    return exits.FINE if results.ending is Ending.COMPLETE else exits.COULD_NOT_RUN


def masked(results: Results, redact: Callable[[str], str]) -> Results:
    """The same without any secret in its texts."""
    return Results.model_validate(masked_value(results.model_dump(mode="json"), redact))


def masked_value(value: Any, redact: Callable[[str], str]) -> Any:
    """The same JSON without any secret in its texts."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {key: masked_value(each, redact) for key, each in value.items()}
        case list() | tuple():
            return tuple(masked_value(each, redact) for each in value)
    return value


def _check_allowed(plan: Plan, settings: Settings) -> None:
    """Refuse before anything is sent: the environment, a pause, a place that cannot be written to."""
    refused = refusal(plan.suite, settings.config.target.environment)
    if refused is not None:
        raise CouldNotRunError(refused)
    at = now()
    held = permission_of(settings.config, paused_by(settings.config, at))
    if held.refusal() is not None:
        raise CouldNotRunError(
            f"nothing may be written now: {held.restrictions(at).sentence}; `prober resume` ends a pause"
        )
    for file in (plan.file, plan.html):
        # After minutes of load is too late to learn that there is no such folder.
        if file is not None and (not file.parent.is_dir() or not os.access(file.parent, os.W_OK)):
            raise UsageError(f"{file}: expected a folder that can be written to, {file.parent} is none")


async def _run(plan: Plan, settings: Settings, work: Work) -> int:
    started, stop = now(), Stop()
    permission = permission_of(settings.config, paused_by(settings.config, started))
    session = Session(
        plan=plan,
        settings=settings,
        run_id=new_run_id(started.wall),
        started=started,
        stop=stop,
        permission=permission,
    )
    working: asyncio.Task[Measured] = asyncio.ensure_future(_work(work, session))
    watching = asyncio.create_task(_heed_pause(permission, stop))
    try:
        with _alone(session), signals(stop, cast(asyncio.Task[object], working)):
            measured = await working
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait([watching])
    return finish(plan, settings, session.run_id, started, now(), measured)


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    """Be the one suite of this data_dir; without a place for the lock, be one that no daemon knows of."""
    plan, settings = session.plan, session.settings
    try:
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    present(settings.config.data_dir, plan.suite, plan.scenario, session.run_id, session.started)
                )
            except OSError as error:
                _complain(plan, settings, f"no daemon knows of this run: {error.filename}: {error.strerror}", 0)
            yield
    except AnotherRunsError as why:
        raise CouldNotRunError(str(why)) from why


async def _work(work: Work, session: Session) -> Measured:
    return await work(session)


async def _heed_pause(permission: WritePermission, stop: Stop) -> None:
    """A pause and a maintenance window stop all writes at once (SPEC 5), also those of a suite."""
    while (refused := permission.refusal()) is None:  # noqa: ASYNC110 - a file is looked at, not an event
        await asyncio.sleep(LOOK_FOR_PAUSE)
    stop.ask(f"stopped because writes are held back ({refused})")


def _write_page(results: Results, file: Path) -> None:
    from prober.suites.report.html import page

    file.write_text(page(results), encoding="utf-8")


def _hand_to_daemon(plan: Plan, settings: Settings, results: Results) -> None:
    """Leave a copy where a running daemon finds it; the results stand without it."""
    folder = settings.config.data_dir / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(results, folder / f"{results.run_id}.json")
        found_file(folder, results.run_id).unlink(missing_ok=True)  # all of it is in the results now
    except OSError as error:
        _complain(plan, settings, f"no daemon will know of these results: {error.filename}: {error.strerror}", 0)


def _iso(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _complain(plan: Plan, settings: Settings, sentence: str, code: int) -> int:
    print(settings.redact(f"{plan.command}: {sentence}"), file=sys.stderr, flush=True)
    return code
