"""The figures of a run that two runs are compared by, each with what of it may be chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from prober.suites.report import noise, wording
from prober.suites.report.noise import Estimate
from prober.suites.report.slots import whole_slots
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail, PhaseFigures
from prober.suites.results_load import LoadDetail
from prober.suites.results_race import Asked, RaceDetail

# An answer that asks us to wait is neither the endpoint's failure nor its capacity (TARGET.md).
_NO_FAILURE = "rate_limited"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One figure of one run. `estimate` has the noise of it; `single` is the figure of which a run has one only.

    Both None: not measured, or it says nothing, and `why_not` says why. `violations` counts what a correct system
    never does: no number of those is noise.
    """

    name: str
    better: Literal["higher", "lower"]
    say: Callable[[float], str]
    estimate: Estimate | None = None
    single: float | None = None
    violations: int | None = None
    why_not: str | None = None

    @property
    def value(self) -> float | None:
        """The figure itself."""
        return self.estimate.value if self.estimate is not None else self.single

    @property
    def is_share(self) -> bool:
        """Whether it is a part of a whole, 0..1."""
        return self.say is wording.share


def quantities(results: Results) -> tuple[Quantity, ...]:
    """All of one run, in the order in which they are shown; the same names for all runs of a suite."""
    match results.detail:
        case LoadDetail() as load:
            return (_throughput(load), _failures(load), *_answer_times(load), *_messages(load), *_resources(load))
        case RaceDetail() as race:
            return _race(race)
        case DrillDetail() as drill:
            return _drill(drill)


def _throughput(load: LoadDetail) -> Quantity:
    name = "accepted a second"
    why_not = None
    if load.rate is not None:
        why_not = "an open loop sends at its own rate, whatever the target could take"
    elif load.rate_limited:
        why_not = "the target's rate limit was measured, not its capacity"
    elif load.generator.bound:
        why_not = "the generator was the limit, not the target"
    if why_not is not None:
        return Quantity(name, "higher", wording.per_second, why_not=why_not)
    slots = [(float(slot.accepted), slot.seconds) for slot in load.series]
    estimate = noise.ratio(slots)
    whole = load.requests.accepted / load.measured_seconds if load.measured_seconds > 0 else None
    return Quantity(name, "higher", wording.per_second, estimate, whole if estimate is None else None)


def _failures(load: LoadDetail) -> Quantity:
    failed = sum(load.requests.failed.values())
    refused = sum(n for kind, n in load.requests.rejected.items() if kind != _NO_FAILURE)
    slots = [(float(slot.failed), float(slot.failed + slot.accepted)) for slot in load.series]
    return Quantity(
        "failed or refused",
        "lower",
        wording.share,
        noise.hull(
            noise.proportion(failed + refused, failed + refused + load.requests.accepted),
            noise.ratio(slots) if not refused else None,
        ),
    )


def _answer_times(load: LoadDetail) -> tuple[Quantity, ...]:
    latency, series = load.latency, whole_slots(load.series)
    p50 = noise.mean([slot.p50 for slot in series if slot.p50 is not None])
    p99 = noise.mean([slot.p99 for slot in series if slot.p99 is not None])
    made = []
    for name, q, value, slots in (
        ("p50", 0.5, latency.p50, p50),
        ("p95", 0.95, latency.p95, p99),
        ("p99", 0.99, latency.p99, p99),
    ):
        if value is None:
            made.append(Quantity(f"{name} answer time", "lower", wording.seconds))
            continue
        by_rank = noise.quantile(latency.distribution, q, value)
        known = noise.hull(by_rank, noise.around(value, slots)) if by_rank is not None else None
        made.append(
            Quantity(f"{name} answer time", "lower", wording.seconds, known, value if known is None else None)
        )
    return tuple(made)


def _messages(load: LoadDetail) -> tuple[Quantity, ...]:
    effects = load.effects
    if effects is None:
        return (Quantity("lost messages", "lower", wording.share, why_not="the database could not be asked"),)
    return (
        _violated("lost messages", effects.lost, effects.accepted),
        _violated("messages with more than one effect", effects.repeated, effects.accepted),
    )


def _violated(name: str, count: int, of: int) -> Quantity:
    return Quantity(name, "lower", wording.share, noise.proportion(count, of), violations=count)


def _resources(load: LoadDetail) -> tuple[Quantity, ...]:
    return (
        Quantity("pool in use, at most", "lower", wording.share, single=load.pool_usage_max),
        _backlog(load.backlog_max),
        Quantity(
            "memory of the target at the end",
            "lower",
            lambda value: wording.size(round(value)),
            single=load.target_memory_last,
        ),
    )


def _backlog(largest: int | None) -> Quantity:
    return Quantity("largest backlog", "lower", lambda value: wording.count(round(value)), single=largest)


def _race(race: RaceDetail) -> tuple[Quantity, ...]:
    won = sum(n for outcome, n in race.outcomes.items() if outcome.is_judged and not outcome.is_violation)
    held = sum(race.outcomes.values())
    times = [one.seconds for one in race.races if one.seconds is not None and one.outcome.is_judged]
    answers = [_mean_answer(one.answers) for one in race.races if one.outcome.is_judged]
    return (
        Quantity(
            "races with exactly one winner",
            "higher",
            wording.share,
            noise.proportion(won, race.judged),
            violations=race.judged - won,
        ),
        Quantity("races without a verdict", "lower", wording.share, noise.proportion(held - race.judged, held)),
        _timed("mean race", times),
        _timed("mean answer", [one for one in answers if one is not None]),
    )


def _mean_answer(answers: Sequence[Asked]) -> float | None:
    lengths = [
        one.answered_at - one.sent_at for one in answers if one.sent_at is not None and one.answered_at is not None
    ]
    return sum(lengths) / len(lengths) if lengths else None


def _timed(name: str, values: Sequence[float]) -> Quantity:
    estimate = noise.mean(values)
    single = sum(values) / len(values) if values and estimate is None else None
    return Quantity(name, "lower", wording.seconds, estimate, single)


def _drill(drill: DrillDetail) -> tuple[Quantity, ...]:
    recovery, followed, rollbacks = drill.recovery, drill.followed, drill.rollbacks
    made = [_success(drill, phase) for phase in drill.phases]
    made.append(
        Quantity(
            f"{drill.service} back after the fault's end",
            "lower",
            wording.seconds,
            single=recovery.service_seconds,
        )
    )
    made.append(
        Quantity(f"outage of {drill.service}", "lower", wording.seconds, single=recovery.service_outage_seconds)
    )
    made.append(
        Quantity(
            "webhook path back after the fault's end", "lower", wording.seconds, single=recovery.webhook_seconds
        )
    )
    made.append(_backlog(drill.backlog.largest))
    if followed is None:
        made.append(Quantity("lost messages", "lower", wording.share, why_not="the database could not be asked"))
    else:
        made.append(_violated("lost messages", followed.lost, followed.accepted))
        made.append(_violated("messages with more than one effect", followed.repeated, followed.accepted))
        late = noise.proportion(followed.late, followed.accepted)
        made.append(Quantity("messages with a late effect", "lower", wording.share, late))
    if rollbacks is not None:
        rolled = noise.proportion(rollbacks.rolled_back, rollbacks.transactions)
        made.append(Quantity("transactions not committed", "lower", wording.share, rolled))
    return tuple(made)


def _success(drill: DrillDetail, phase: PhaseFigures) -> Quantity:
    slots = [
        (float(slot.accepted), float(slot.sent))
        for slot in drill.series
        if phase.begins_at <= slot.begins_at and slot.begins_at + 1 <= phase.ends_at
    ]
    judged = phase.sent - phase.rejected.get(_NO_FAILURE, 0)
    kept = None if phase.success_rate is None else round(phase.success_rate * judged)
    names = {
        "before": "success before the fault",
        "during": "success during the fault",
        "after": "success after it",
    }
    return Quantity(
        names[phase.name],
        "higher",
        wording.share,
        None if kept is None else noise.hull(noise.proportion(kept, judged), noise.ratio(slots)),
    )
