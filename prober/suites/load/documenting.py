"""Puts what the generators counted, what was seen beside them and what became of it into results. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from prober.outcome import Ending, Measure
from prober.suites.load.generator import Portion
from prober.suites.load.latencies import counted, latency, percentile
from prober.suites.load.limits import Effort, judge_generator
from prober.suites.load.reading import LIMITED, Counted, read
from prober.suites.load.reconciling import Followed
from prober.suites.load.tally import Tally
from prober.suites.observing import Look
from prober.suites.results_load import Effects, LoadDetail, Requests, Slot
from prober.suites.running import Measured


class Asked(Protocol):
    """What was asked for."""

    @property
    def concurrency(self) -> int:
        """Connections."""
        ...

    @property
    def rate(self) -> float | None:
        """Messages a second, in an open loop."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """What was tested, how, and what was seen of it from beside. `slot` in seconds."""

    what: str
    wanted: Asked
    slot: float
    looks: Sequence[Look]
    unseen: Mapping[str, str]


def document(
    target: Target,
    portions: Sequence[Portion],
    began: float,
    followed: Followed | None,
    interrupted: str,
    notes: Sequence[str],
) -> Measured:
    """The results of a run that was measured; times by CLOCK_MONOTONIC."""
    tally = Tally()
    for portion in portions:
        tally.add(portion.tally)
    seconds = max((portion.seconds or 0.0) for portion in portions)
    counts = counted(slot.micros for slot in tally.slots)
    spread = latency(counts)
    limit = judge_generator(_effort(portions, tally), spread)
    effects = None if followed is None else _effects(followed)
    said = read(
        Counted(
            tally=tally,
            latency=spread,
            seconds=seconds,
            in_time=sum(portion.in_time for portion in portions),
            rate=target.wanted.rate,
            concurrency=target.wanted.concurrency,
            limit=limit,
            lost=None if effects is None else effects.lost,
            repeated=None if effects is None else effects.repeated,
            interrupted=interrupted,
        ),
        target.what,
    )
    during = [look for look in target.looks if began <= look.at <= began + seconds]
    detail = LoadDetail(
        concurrency=target.wanted.concurrency,
        rate=target.wanted.rate,
        warm_up_seconds=max(portion.warm_up_seconds for portion in portions),
        warm_up_sent=sum(portion.warm_up.sent for portion in portions),
        measured_seconds=seconds,
        requests=Requests(
            sent=tally.sent,
            accepted=tally.accepted,
            rejected=dict(tally.rejected),
            failed=dict(tally.failed),
            unsent=tally.unsent,
        ),
        latency=spread,
        series=series(tally, target.slot, seconds, during, began),
        effects=effects,
        rate_limited=tally.rejected.get(LIMITED, 0) > 0,
        generator=limit.generator,
        pool_usage_max=max((look.pool for look in during if look.pool is not None), default=None),
        backlog_max=max((look.backlog for look in target.looks if look.backlog is not None), default=None),
        backlog_drained_seconds=drained(target.looks, began + seconds),
        target_memory_first=next((look.memory for look in during if look.memory is not None), None),
        target_memory_last=next((look.memory for look in reversed(during) if look.memory is not None), None),
    )
    unseen = [f"{what} is not observable: {why}" for what, why in target.unseen.items()]
    troubles = [portion.trouble for portion in portions if portion.trouble]
    return Measured(
        measures=said.measures,
        why_not=said.why_not,
        sentence=said.sentence,
        ending=said.ending,
        notes=(*said.notes, *notes, *unseen, *troubles),
        violations=said.violations,
        detail=detail,
        processes=len(portions),
    )


def nothing_measured(target: Target, portions: Sequence[Portion], sentence: str, notes: Sequence[str]) -> Measured:
    """The results of a run whose warm-up showed that there is nothing to measure; `sentence` says why."""
    warm = Tally()
    for portion in portions:
        warm.add(portion.warm_up)
    measures = (Measure.RPS, Measure.LATENCY_P95, Measure.LATENCY_P99, Measure.ERROR_RATE)
    empty = latency({})
    detail = LoadDetail(
        concurrency=target.wanted.concurrency,
        rate=target.wanted.rate,
        warm_up_seconds=max((portion.warm_up_seconds for portion in portions), default=0.0),
        warm_up_sent=warm.sent,
        measured_seconds=0.0,
        requests=Requests(sent=0, accepted=0, rejected={}, failed={}),
        latency=empty,
        series=(),
        effects=None,
        rate_limited=warm.rejected.get(LIMITED, 0) > 0,
        generator=judge_generator(_effort(portions, Tally()), empty).generator,
    )
    return Measured(
        measures=dict.fromkeys(measures),
        why_not=dict.fromkeys(measures, "nothing was measured"),
        sentence=sentence,
        ending=Ending.FAILED,
        notes=tuple(notes),
        detail=detail,
        processes=len(portions),
    )


def series(
    tally: Tally, seconds_each: float, seconds: float, looks: Sequence[Look], began: float
) -> tuple[Slot, ...]:
    """The stretches of a run, with the last look in each; one that is a few milliseconds long is left out."""
    found = []
    for index, slot in enumerate(tally.slots):
        later = tally.slots[index + 1].begins_at if index + 1 < len(tally.slots) else max(seconds, slot.begins_at)
        seen = [look for look in looks if slot.begins_at <= look.at - began < later]
        if later - slot.begins_at < seconds_each / 100 and not slot.sent and not slot.accepted:
            continue
        found.append(
            Slot(
                begins_at=slot.begins_at,
                seconds=max(later - slot.begins_at, 0.0),
                sent=slot.sent,
                accepted=slot.accepted,
                rejected=slot.rejected,
                failed=slot.failed,
                p50=percentile(slot.micros, 50),
                p99=percentile(slot.micros, 99),
                pool_usage=_last([look.pool for look in seen]),
                backlog=_last([look.backlog for look in seen]),
                target_memory=_last([look.memory for look in seen]),
            )
        )
    return tuple(found)


def drained(looks: Sequence[Look], ended: float) -> float | None:
    """How long after the end (seconds) the backlog was what it was at the beginning; None if that was not seen."""
    known = [(look.at, look.backlog) for look in looks if look.backlog is not None]
    before = next((backlog for at, backlog in known if at <= ended), None)
    if before is None:
        return None
    return next((max(at - ended, 0.0) for at, backlog in known if at >= ended and backlog <= before), None)


def _last(values: Sequence[int | None] | Sequence[float | None]) -> None | int | float:  # noqa: RUF036
    return next((value for value in reversed(values) if value is not None), None)


def _effort(portions: Sequence[Portion], tally: Tally) -> Effort:
    measured = [portion for portion in portions if portion.seconds]
    busiest = max(measured, key=lambda each: each.cpu_seconds + each.waited_seconds, default=None)
    seconds = busiest.seconds if busiest is not None and busiest.seconds else 1.0
    return Effort(
        processes=len(portions),
        cpu_seconds=sum(portion.cpu_seconds for portion in portions),
        cpu_share=0.0 if busiest is None else busiest.cpu_seconds / seconds,
        waited_share=0.0 if busiest is None else busiest.waited_seconds / seconds,
        lag_mean=sum(tally.lags) / len(tally.lags) / 1e6 if tally.lags else None,
        lag_p99=percentile(tally.lags, 99),
        late_p99=percentile(tally.late, 99),
        starved=sum(portion.starved for portion in portions),
        sent=tally.sent,
    )


def _effects(followed: Followed) -> Effects:
    return Effects(
        accepted=followed.accepted,
        effective=followed.effective,
        lost=followed.lost,
        repeated=followed.repeated,
        not_known=followed.not_known,
        seconds_to_last=followed.seconds,
    )
