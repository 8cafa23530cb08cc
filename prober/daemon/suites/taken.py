"""What a digest of a results file means to the daemon: a fact, violations, and their evidence. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from prober.clock import Instant
from prober.event import SuiteFinished, ViolationFound
from prober.outcome import Ending, Measure, RaceOutcome, Suite, Verdict, Violation
from prober.publish.journal.encoding import plain
from prober.publish.journal.entries import SuiteRace
from prober.result import RaceResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One run of a suite, to be kept and told."""

    finished: SuiteFinished
    violations: tuple[ViolationFound, ...] = ()
    evidence: tuple[SuiteRace, ...] = ()


def taken(text: bytes, at: Instant) -> Taken:
    """Read what `prober.suites.digest` printed. ValueError, KeyError or TypeError for anything else."""
    document = json.loads(text)
    finished = SuiteFinished(
        run_id=str(document["run_id"]),
        suite=Suite(document["suite"]),
        scenario=str(document["scenario"]),
        started_wall=float(document["started"]),
        ended_wall=float(document["ended"]),
        duration=float(document["duration"]),
        ending=Ending(document["ending"]),
        verdict=None if document["verdict"] is None else Verdict(document["verdict"]),
        sentence=str(document["sentence"]),
        environment=str(document["environment"]),
        measures={Measure(name): float(value) for name, value in document["measures"].items()},
        verdicts={Measure(name): Verdict(value) for name, value in document["verdicts"].items()},
        notes=tuple(str(note) for note in document["notes"]),
        violations=int(document["convicted"]),
    )
    convicted = document["violations"]
    return Taken(
        finished=finished,
        violations=tuple(_violation(one, finished, at) for one in convicted),
        evidence=tuple(_evidence(one, finished) for one in convicted if isinstance(one["evidence"], dict)),
    )


def violation_of(race: RaceResult) -> ViolationFound:
    """What a race that convicts is called, in the daemon and in the journal."""
    kind = Violation(race.race_outcome.value)
    return ViolationFound(id=f"{kind}-{race.run_id}", kind=kind, at=race.released, sentence=race.sentence)


def suite_race(race: RaceResult, suite_run: str) -> SuiteRace:
    """The evidence of a race of a suite."""
    evidence = plain(race)
    return SuiteRace(
        suite_run=suite_run,
        run_id=race.run_id,
        released_wall=race.released.wall,
        outcome=race.race_outcome,
        sentence=race.sentence,
        routing_id=race.routing_id,
        order_id=race.order_id,
        race_duration=race.race_duration,
        evidence=evidence if isinstance(evidence, dict) else {},
    )


def _violation(one: dict[str, Any], finished: SuiteFinished, at: Instant) -> ViolationFound:
    kind = Violation(one["outcome"])
    wall = _released(one, finished)
    return ViolationFound(
        id=f"{kind}-{one['run_id']}",
        kind=kind,
        at=Instant(at.mono - max(0.0, at.wall - wall), wall),
        sentence=str(one["sentence"]),
    )


def _evidence(one: dict[str, Any], finished: SuiteFinished) -> SuiteRace:
    return SuiteRace(
        suite_run=finished.run_id,
        run_id=str(one["run_id"]),
        released_wall=_released(one, finished),
        outcome=RaceOutcome(one["outcome"]),
        sentence=str(one["sentence"]),
        routing_id=str(one["routing_id"]),
        order_id=str(one["order_id"]),
        race_duration=None if one["seconds"] is None else float(one["seconds"]),
        evidence=one["evidence"],
    )


def _released(one: dict[str, Any], finished: SuiteFinished) -> float:
    return finished.ended_wall if one["released"] is None else float(one["released"])
