"""What races come to: the figures that are judged, and the detail of the results. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from prober.outcome import Ask, Claim, Measure, RaceOutcome
from prober.publish.journal.encoding import plain
from prober.result import RaceResult, VendorAnswer
from prober.suites.results_race import Asked, Race, RaceDetail

DEFINITE = frozenset({Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED})
# Not one of these is dropped; in this order they are told.
UNJUDGED = (
    RaceOutcome.SETUP_FAILED,
    RaceOutcome.UNAVAILABLE,
    RaceOutcome.RATE_LIMITED,
    RaceOutcome.UNKNOWN,
)


def measures(races: Sequence[RaceResult]) -> dict[Measure, float | None]:
    """The figures that the guide judges; None without a race that was judged."""
    return rates([(race.race_outcome, race.race_duration) for race in races])


def rates(races: Sequence[tuple[RaceOutcome, float | None]]) -> dict[Measure, float | None]:
    """The same out of each race's outcome and its length (seconds), where every vendor was answered."""
    judged = [outcome for outcome, _ in races if outcome.is_judged]
    times = [seconds for outcome, seconds in races if outcome.is_judged and seconds is not None]
    if not judged:
        return dict.fromkeys((Measure.WIN_RATE, Measure.RACE_CONDITIONS, Measure.RACE_TIME))
    won = sum(outcome is RaceOutcome.ONE_WINNER for outcome in judged)
    return {
        Measure.WIN_RATE: won / len(judged),
        Measure.RACE_CONDITIONS: (len(judged) - won) / len(judged),
        Measure.RACE_TIME: sum(times) / len(times) if times else None,
    }


def why_not(races: Sequence[RaceResult], values: Mapping[Measure, float | None]) -> dict[Measure, str]:
    """Why a figure is not there."""
    if not any(race.race_outcome.is_judged for race in races):
        said = f"no race could be judged ({told(races)})" if races else "no race was run"
        return dict.fromkeys((measure for measure, value in values.items() if value is None), said)
    if values[Measure.RACE_TIME] is None:
        return {Measure.RACE_TIME: "in no judged race every vendor was answered"}
    return {}


def told(races: Sequence[RaceResult]) -> str:
    """The outcomes with how often each came, as `3 setup_failed, 1 unknown`."""
    counts = Counter(race.race_outcome for race in races)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in RaceOutcome if counts[outcome]) or "none"


def sentence(races: Sequence[RaceResult], vendors: int, wanted: int, why_ended: str) -> str:
    """What happened, for a person, in one sentence."""
    judged = [race for race in races if race.race_outcome.is_judged]
    violations = [race for race in judged if race.race_outcome.is_violation]
    begins = f"{len(races)} of {wanted} races of {vendors} vendors" + (f" ({why_ended})" if why_ended else "")
    if not judged:
        first = next((race.sentence for race in races), "")
        return f"{begins}: none could be judged ({told(races)}){': ' + first if first else ''}"
    if violations:
        return (
            f"{begins}: {len(violations)} of {len(judged)} judged convict the target ({told(violations)}), the "
            f"first of them: {violations[0].sentence}"
        )
    rest = len(races) - len(judged)
    unjudged = f", {rest} without a verdict ({told([r for r in races if not r.race_outcome.is_judged])})"
    return f"{begins}: {len(judged)} judged, each with exactly one winner{unjudged if rest else ''}"


def notes(races: Sequence[RaceResult]) -> list[str]:
    """What limits what the figures say."""
    said = []
    for outcome in UNJUDGED:
        of_it = [race for race in races if race.race_outcome is outcome]
        if of_it:
            said.append(
                f"{len(of_it)} of {len(races)} races are {outcome} and count in no figure; the first: "
                f"{of_it[0].sentence}"
            )
    not_held = [race.history.not_held for race in races if race.history.not_held]
    if not_held:
        said.append(
            f"in {len(not_held)} races there was no second heat under a locked row, so a window between look and "
            f"write is only seen by chance: {not_held[0]}"
        )
    left = [race for race in races if race.leftovers]
    if left:
        said.append(
            f"of {len(left)} races not everything is known to be removed; `prober cleanup` removes what they left"
        )
    return said


def detail(races: Sequence[RaceResult], vendors: int, wanted: int) -> RaceDetail:
    """Everything that was seen, race by race."""
    return detail_of([race_of(index, race) for index, race in enumerate(races)], vendors, wanted)


def detail_of(races: Sequence[Race], vendors: int, wanted: int) -> RaceDetail:
    """The same of races as they stand in results."""
    judged = [race for race in races if race.outcome.is_judged]
    times = sorted(race.seconds for race in judged if race.seconds is not None)
    answers = sorted(_answer_times(races))
    counts = Counter(race.outcome for race in races)
    return RaceDetail(
        vendors=vendors,
        wanted=wanted,
        outcomes={outcome: counts[outcome] for outcome in RaceOutcome},
        judged=len(judged),
        seconds_min=times[0] if times else None,
        seconds_mean=sum(times) / len(times) if times else None,
        seconds_p95=percentile(times, 95),
        seconds_max=times[-1] if times else None,
        answer_p50=percentile(answers, 50),
        answer_p99=percentile(answers, 99),
        races=tuple(races),
    )


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile of sorted samples: the least that so many percent do not exceed."""
    if not ordered:
        return None
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


def _answer_times(races: Sequence[Race]) -> list[float]:
    return [
        answer.answered_at - answer.sent_at
        for race in races
        for answer in race.answers
        if answer.ask is Ask.RACE
        and answer.sent_at is not None
        and answer.answered_at is not None
        and answer.claim in DEFINITE
    ]


def race_of(index: int, race: RaceResult) -> Race:
    """One race as it stands in results; with all that is known of it unless it had exactly one winner."""
    evidence = None if race.race_outcome is RaceOutcome.ONE_WINNER else plain(race)
    return Race(
        index=index,
        run_id=race.run_id,
        outcome=race.race_outcome,
        sentence=race.sentence,
        seconds=race.race_duration,
        spread=race.spread,
        answers=tuple(_asked(answer) for answer in race.history.answers),
        leftovers=race.leftovers,
        evidence=evidence if isinstance(evidence, dict) else None,
    )


def _asked(answer: VendorAnswer) -> Asked:
    return Asked(
        vendor=answer.vendor_id,
        ask=answer.ask,
        sent_at=answer.sent,
        answered_at=answer.answered,
        claim=answer.claim,
        status=answer.code,
    )
