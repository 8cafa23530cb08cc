"""One run of the race suite: its vendors, what a killed one left, its races, and what they come to."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from prober.config.model import Config, Environment
from prober.contract import Contract
from prober.daemon.assembly import make_gate, routes_of, target_client, target_witness
from prober.daemon.lock import running_prober
from prober.daemon.once import permitted
from prober.gate import Gate
from prober.outcome import Ending, Measure
from prober.probes.base import Permission
from prober.probes.marks import Marks, suite_owner
from prober.probes.race import Intend, RaceProbe, RaceSettings
from prober.probes.synthetic import Mark
from prober.probes.witness import NotAskable, Witness
from prober.result import RaceResult
from prober.suites.presence import FOLDER
from prober.suites.race import figures
from prober.suites.race.course import PATIENCE, Course, Ends, Permits, run_course
from prober.suites.race.fixtures import NoVendorsError, ensure_vendors
from prober.suites.race.found import Found, rescue
from prober.suites.race.sizes import obstacle, suite_cap
from prober.suites.running import CouldNotRunError, Measured, Session, make_results, masked
from prober.suites.scenarios import RaceScenario

CLEANUP_TIMEOUT = 10.0

Raced = Callable[[RaceResult], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What races are run on."""

    config: Config
    contract: Contract
    witness: Witness
    marks: Marks
    permission: Permission
    permits: Callable[[RaceProbe], Permits]
    intend: Intend


async def race_suite(session: Session, scenario: RaceScenario, raced: Raced | None = None) -> Measured:
    """Run a scenario from a command, with a gate of its own. Raises CouldNotRunError."""
    config, contract = session.settings.config, session.settings.contract
    _may_run(config, scenario)
    async with permitted(config) as permission:
        if (refused := permission.refusal()) is not None:
            raise CouldNotRunError(_held_back(refused))
        witness = target_witness(config, permission)
        if witness is None:
            raise CouldNotRunError(
                "a race makes its order in the database and asks it who won; enable probes.database"
            )
        gate = _gate(config, contract, scenario)
        grounds = Grounds(
            config=config,
            contract=contract,
            witness=witness,
            marks=Marks(witness, suite_owner(config.instance)),
            permission=permission,
            permits=lambda probe: lambda: gate.permit(probe.demand, patience=PATIENCE),
            intend=_unwritten,
        )
        try:
            await remove_left(grounds)
            found = _written_down(session, scenario)

            async def told(result: RaceResult) -> None:
                found.add(result)
                await (raced or _nobody)(result)

            try:
                course = await run_races(grounds, scenario, session.stop, told)
            finally:
                found.close()
            return measured(course, scenario)
        except NoVendorsError as why:
            raise CouldNotRunError(str(why)) from why
        finally:
            await witness.close()


def _written_down(session: Session, scenario: RaceScenario) -> Found:
    """Have each race on disk as it ends, after what an earlier run left there has been made results of."""
    settings = session.settings
    folder = settings.config.data_dir / FOLDER

    def say(sentence: str) -> None:
        print(settings.redact(f"{session.plan.command}: {sentence}"), file=sys.stderr, flush=True)

    nothing_yet = make_results(
        session.plan, settings, session.run_id, session.started, session.started, measured(Course(()), scenario)
    )
    try:
        for dead in rescue(folder):
            say(f"run {dead.run_id} {dead.sentence}; its results are in {folder}")
    except OSError as error:
        say(f"what an earlier run had found is not known: {error.filename}: {error.strerror}")
    return Found(folder, masked(nothing_yet, settings.redact), settings.redact, say)


async def run_races(grounds: Grounds, scenario: RaceScenario, ends: Ends, raced: Raced) -> Course:
    """Run the races of a scenario on these grounds. Raises NoVendorsError."""
    config, contract = grounds.config, grounds.contract
    mark = Mark(config.instance)
    fixtures = await ensure_vendors(contract.race, grounds.witness, mark, grounds.permission, scenario.vendors)
    token = config.target.bearer_token
    settings = RaceSettings(
        vendors=scenario.vendors,
        bearer_token=None if token is None else token.get_secret_value(),
        split_every=0.0,  # each race asks everything that can be asked
    )
    probe = RaceProbe(
        contract.race, settings, mark, target_client(config), grounds.marks, grounds.intend, grounds.permission
    )
    course = await run_course(
        probe,
        scenario.races,
        timeout=config.probes.race.timeout,
        permits=grounds.permits(probe),
        permission=grounds.permission,
        ends=ends,
        raced=raced,
    )
    return replace(course, notes=(note,) if (note := fixtures.note) else ())


def measured(course: Course, scenario: RaceScenario) -> Measured:
    """What was run, as the frame of all suites takes it."""
    races = course.races
    values = figures.measures(races)
    return Measured(
        measures=values,
        detail=figures.detail(races, scenario.vendors, scenario.races),
        sentence=figures.sentence(races, scenario.vendors, scenario.races, course.why_ended),
        ending=_ending(course, values[Measure.WIN_RATE] is not None),
        why_not=figures.why_not(races, values),
        notes=[*course.notes, *figures.notes(races)],
        violations=sum(race.race_outcome.is_violation for race in races),
    )


async def remove_left(grounds: Grounds) -> int:
    """Remove the orders that suites of this instance left which were killed; how many.

    Who calls it holds the lock of this data_dir's suites, so none of them lives.
    """
    ours = suite_owner(grounds.config.instance)
    try:
        found = await grounds.marks.found(timeout=CLEANUP_TIMEOUT)
        left = [mark.order for mark in found.marks if mark.owner == ours and mark.order is not None]
        for order in left:
            await grounds.marks.remove_order(order, grounds.contract.race.cleanup, timeout=CLEANUP_TIMEOUT)
    except NotAskable as why:
        raise CouldNotRunError(f"the target's database cannot be asked: {why.detail}") from why
    return len(left)


def _may_run(config: Config, scenario: RaceScenario) -> None:
    if config.target.environment is not Environment.PRODUCTION:
        return
    if (why := obstacle(config, scenario.vendors)) is not None:
        raise CouldNotRunError(f"in production races stay within the cap of the probes: {why}")
    if running_prober(config.data_dir):
        raise CouldNotRunError(
            "a prober runs with this data_dir, and in production both together have to stay within one cap: have "
            "it run the races by suites.schedule in its config, or stop it first"
        )


def _held_back(refused: object) -> str:
    return (
        f"nothing may be written now ({refused}); where another replica holds the lease, suites.schedule in the "
        "config has the one that may write run it"
    )


def _gate(config: Config, contract: Contract, scenario: RaceScenario) -> Gate:
    cap = suite_cap(config, scenario.vendors)
    return make_gate(config, contract) if cap is None else Gate(cap, routes_of(config, contract))


def _ending(course: Course, judged: bool) -> Ending:
    if not judged:
        return Ending.FAILED
    if course.given_up:
        return Ending.FAILED
    return Ending.INTERRUPTED if course.why_ended else Ending.COMPLETE


async def _unwritten(*_: object) -> None:
    """Orders of a suite are known by their marks alone: the journal is the daemon's."""


async def _nobody(_: RaceResult) -> None:
    """Nobody wants to know."""
