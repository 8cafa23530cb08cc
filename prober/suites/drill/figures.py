"""The figures of a drill out of what was sent, answered and seen. Pure: instants and values in, figures out.

A message counts in the phase in which it was due. `during` begins with the fault and ends when the service itself
answers again; how long the rest of the way took is in the phase `after`, and in the recovery times.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prober.guide.breaking_points import BAD, read
from prober.outcome import Measure, Outcome, Service, Settlement, Suite
from prober.suites.drill.traffic import Sent
from prober.suites.results_drill import Backlog, DrillSlot, Followed, PhaseFigures, Recovery, Rollbacks

# Slower than the guide's critical edge (PERFORMANCE_GUIDE, "Webhook Endpoint Breaking Points").
SLOW = 2.0  # seconds

PhaseName = Literal["before", "during", "after"]
_REFUSED = frozenset({Outcome.RATE_LIMITED, Outcome.REDIRECT, Outcome.UNEXPECTED_STATUS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of an accepted message; `seen` is when its effect was seen (CLOCK_MONOTONIC)."""

    settlement: Settlement
    seen: float | None
    effects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When what happened (CLOCK_MONOTONIC).

    `fault`: the fault began; `undoing`: it began to be undone, the fault's end; `recovered`: the service's first
    good answer after that. A fault that was never made, or not undone, has none of them.
    """

    start: float
    end: float
    fault: float | None = None
    undoing: float | None = None
    recovered: float | None = None

    @property
    def phases(self) -> tuple[tuple[PhaseName, float, float], ...]:
        """The phases that there were."""
        if self.fault is None:
            return (("before", self.start, self.end),)
        if self.recovered is None:
            return (("before", self.start, self.fault), ("during", self.fault, self.end))
        over = max(self.fault, self.recovered)
        return (
            ("before", self.start, self.fault),
            ("during", self.fault, over),
            ("after", over, max(over, self.end)),
        )


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The nearest rank; None without values."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1] if ordered else None


def phase_figures(window: Window, sent: Sequence[Sent], fates: Mapping[str, Fate]) -> tuple[PhaseFigures, ...]:
    """What became of the messages of each phase."""
    return tuple(
        _phase(name, begins, ends, [s for s in sent if begins <= s.due < ends], fates, window)
        for name, begins, ends in window.phases
    )


def _phase(
    name: PhaseName,
    begins: float,
    ends: float,
    sent: Sequence[Sent],
    fates: Mapping[str, Fate],
    window: Window,
) -> PhaseFigures:
    accepted = [each for each in sent if each.accepted]
    refused = [each for each in sent if each.outcome in _REFUSED]
    failed = [each for each in sent if not each.accepted and each.outcome not in _REFUSED]
    lost = sum(_settled(fates, each) is Settlement.LOST for each in accepted)
    judged = len(sent) - sum(each.outcome is Outcome.RATE_LIMITED for each in sent)
    success = (len(accepted) - lost) / judged if judged else None
    times = [each.seconds for each in accepted]
    return PhaseFigures(
        name=name,
        begins_at=begins - window.start,
        ends_at=ends - window.start,
        sent=len(sent),
        accepted=len(accepted),
        rejected=dict(Counter(_refusal(each) for each in refused)),
        failed=dict(Counter(each.outcome.value for each in failed)),
        success_rate=success,
        error_rate=None if success is None else 1 - success,
        degraded_slow=sum(seconds > SLOW for seconds in times),
        degraded_late=sum(_is_late(each, fates, window) for each in accepted),
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        lost=lost,
    )


def _refusal(sent: Sent) -> str:
    return sent.outcome.value if sent.outcome is Outcome.RATE_LIMITED else str(sent.code)


def _settled(fates: Mapping[str, Fate], sent: Sent) -> Settlement | None:
    fate = fates.get(sent.message_sid)
    return None if fate is None else fate.settlement


def _is_late(sent: Sent, fates: Mapping[str, Fate], window: Window) -> bool:
    """Whether an effect came after its deadline, or only once the fault that it met was being undone."""
    fate = fates.get(sent.message_sid)
    if fate is None or fate.settlement is Settlement.LOST:
        return False
    if fate.settlement is Settlement.LATE:
        return True
    met = window.fault is not None and window.undoing is not None and window.fault <= sent.due < window.undoing
    return met and fate.seen is not None and window.undoing is not None and fate.seen >= window.undoing


def clues(
    window: Window, sent: Sequence[Sent], fates: Mapping[str, Fate], *, visible: bool
) -> dict[Measure, float | None]:
    """What tells one remedy from another: how long callers waited under the fault, and what nothing kept.

    Those of the phase `during`. Not kept is what was answered and refused, or accepted and lost; who gave up does
    not know. None without messages, and where losses cannot be seen.
    """
    met = [
        each
        for name, begins, ends in window.phases
        if name == "during"
        for each in sent
        if begins <= each.due < ends
    ]
    judged = [each for each in met if each.outcome is not Outcome.RATE_LIMITED]
    not_kept = [
        each
        for each in judged
        if (_settled(fates, each) is Settlement.LOST if each.accepted else each.code is not None)
    ]
    waits = [each.seconds for each in judged]
    return {
        Measure.TYPICAL_WAIT_DURING: percentile(waits, 50),
        Measure.WAIT_DURING: percentile(waits, 99),
        Measure.NOT_KEPT_DURING: len(not_kept) / len(judged) if judged and visible else None,
    }


def untouched(measures: Mapping[Measure, float | None]) -> dict[Measure, str]:
    """Why figures of a Redis drill are not judged whose messages were claimed: they end before anything is queued.

    That they went well shows nothing of Redis; that they went wrong does.
    """
    why = (
        "messages in mode no_side_effects are claimed, and end before the target queues anything: what an outage "
        "of Redis does to real ones is not observable; set probes.webhook.mode: full and a from_number of yours"
    )
    return {
        measure: why
        for measure in (Measure.ERROR_RATE, Measure.BACKLOG)
        if (value := measures.get(measure)) is not None
        and read(Suite.REDIS_FAILURE, measure, value).verdict not in BAD
    }


def series(
    window: Window, sent: Sequence[Sent], looks: Sequence[tuple[float, int | None]]
) -> tuple[DrillSlot, ...]:
    """One slot for each second; the backlog is the last that was read in it."""
    slots: list[DrillSlot] = []
    for second in range(max(0, math.ceil(window.end - window.start))):
        begins = window.start + second
        of_slot = [each for each in sent if begins <= each.due < begins + 1]
        backlog = [read for at, read in looks if begins <= at < begins + 1 and read is not None]
        slots.append(
            DrillSlot(
                begins_at=float(second),
                sent=len(of_slot),
                accepted=sum(each.accepted for each in of_slot),
                failed=sum(not each.accepted and each.outcome is not Outcome.RATE_LIMITED for each in of_slot),
                p99=percentile((each.seconds for each in of_slot if each.accepted), 99),
                backlog=backlog[-1] if backlog else None,
            )
        )
    return tuple(slots)


def followed(sent: Sequence[Sent], fates: Mapping[str, Fate]) -> Followed:
    """What became of the accepted ones; one without an end is not known, never lost."""
    accepted = [each for each in sent if each.accepted]
    ends = Counter(_settled(fates, each) for each in accepted)
    in_time, late, lost = (ends[each] for each in (Settlement.DONE, Settlement.LATE, Settlement.LOST))
    return Followed(
        accepted=len(accepted),
        in_time=in_time,
        late=late,
        lost=lost,
        repeated=sum(fates[e.message_sid].effects > 1 for e in accepted if e.message_sid in fates),
        not_known=len(accepted) - in_time - late - lost,
    )


def backlog_figures(window: Window, looks: Sequence[tuple[float, int | None]]) -> Backlog:
    """The largest backlog before and since the fault, and how long it took to be as before."""
    before = [read for at, read in looks if read is not None and (window.fault is None or at < window.fault)]
    since = [
        (at, read) for at, read in looks if read is not None and window.fault is not None and at >= window.fault
    ]
    usual = max(before, default=None)
    drained = None
    if window.undoing is not None and usual is not None:
        over = [at for at, read in since if read > usual]
        after = [
            at
            for at, read in since
            if at >= window.undoing and read <= usual and at > max(over, default=-math.inf)
        ]
        drained = max(0.0, after[0] - window.undoing) if after and over else (0.0 if after else None)
    return Backlog(before=usual, largest=max((read for _, read in since), default=None), drained_seconds=drained)


def recovery_figures(
    window: Window,
    outage: tuple[float, float, float | None] | None,
    sent: Sequence[Sent],
    fates: Mapping[str, Fate],
    *,
    visible: bool,
) -> Recovery:
    """How long it took after the fault's end. `outage`: its beginning, its end, its uncertainty.

    The webhook path is back with the first message due after the fault's end that was accepted and had its effect;
    where effects cannot be seen, that was accepted.
    """
    if window.undoing is None:
        return Recovery(service_seconds=None, service_outage_seconds=None, uncertainty=None, webhook_seconds=None)
    ends = [
        each.answered if not visible else fates[each.message_sid].seen
        for each in sent
        if each.accepted and each.due >= window.undoing and (not visible or each.message_sid in fates)
    ]
    seen = [end for end in ends if end is not None]
    failed = outage is not None and window.recovered is not None
    return Recovery(
        service_seconds=max(0.0, (window.recovered or 0.0) - window.undoing) if failed else None,
        service_outage_seconds=None if outage is None else outage[1] - outage[0],
        uncertainty=None if outage is None else outage[2],
        webhook_seconds=None if not seen else max(0.0, min(seen) - window.undoing),
    )


def measures_of(
    service: Service,
    phases: Sequence[PhaseFigures],
    backlog: Backlog,
    recovery: Recovery,
    rollbacks: Rollbacks | None,
    *,
    gave_up_after: float | None = None,
) -> tuple[dict[Measure, float | None], dict[Measure, str]]:
    """What the guide judges, and why a figure is missing. Recovered is who serves again: the later of both ways.

    `gave_up_after` (seconds): so long was waited in vain, so that the recovery took at least that.
    """
    by_name = {phase.name: phase for phase in phases}
    during, after = by_name.get("during"), by_name.get("after")
    recovered = gave_up_after
    if recovered is None and recovery.webhook_seconds is not None:
        recovered = max(recovery.webhook_seconds, recovery.service_seconds or 0.0)
    measures: dict[Measure, float | None] = {Measure.RECOVERY_TIME: recovered}
    if service is Service.REDIS:
        measures[Measure.ERROR_RATE] = None if during is None else during.error_rate
        measures[Measure.BACKLOG] = None if backlog.largest is None else float(backlog.largest)
    else:
        measures[Measure.SUCCESS_DURING] = None if during is None else during.success_rate
        measures[Measure.SUCCESS_AFTER] = None if after is None else after.success_rate
        measures[Measure.ROLLBACKS] = (
            rollbacks.rolled_back / rollbacks.transactions if rollbacks and rollbacks.transactions else None
        )
    reasons = {
        Measure.RECOVERY_TIME: "the drill ended before the service and the webhook path were seen to be back",
        Measure.ERROR_RATE: "no message was sent during the fault that could be judged",
        Measure.SUCCESS_DURING: "no message was sent during the fault that could be judged",
        Measure.SUCCESS_AFTER: "no message was sent after the recovery that could be judged",
        Measure.BACKLOG: "Redis could not be asked for its queues from the fault on",
        Measure.ROLLBACKS: "no transaction of our own could be begun and counted",
    }
    return measures, {measure: reasons[measure] for measure, value in measures.items() if value is None}
