"""Puts what a drill sent, broke and saw into its results: figures, what keeps them from being judged, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.outcome import Ending, Measure, Mode, ProbeName, Service
from prober.suites.drill import figures
from prober.suites.drill.breaking import Made
from prober.suites.drill.figures import Window
from prober.suites.drill.parts import Parts
from prober.suites.drill.service_watch import ended_at
from prober.suites.drill.telling import summed_up
from prober.suites.results_drill import DrillDetail, Injection, Rollbacks
from prober.suites.running import Measured, Session


@dataclass(slots=True)
class Times:
    """What happened when (CLOCK_MONOTONIC), as far as it did."""

    start: float = 0.0
    fault: float | None = None
    undoing: float | None = None
    recovered: float | None = None
    gave_up_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One drill that is over. `end` of its traffic, by CLOCK_MONOTONIC; `gone`: that its place is no more."""

    session: Session
    service: Service
    scenario: str
    rate: float
    times: Times
    end: float
    ending: Ending
    failure: str
    gone: str
    notes: tuple[str, ...]


def measured(run: Run, parts: Parts, made: Sequence[Made], rollbacks: Rollbacks | None) -> Measured:
    """The results of one drill."""
    times, sent, fates = run.times, parts.traffic.sent, parts.following.fates
    window = Window(
        start=times.start, end=run.end, fault=times.fault, undoing=times.undoing, recovered=times.recovered
    )
    outage = parts.watch.outages[-1] if parts.watch.outages else None
    seen = None if outage is None else (outage.began.mono, ended_at(outage), outage.uncertainty)
    visible, mode = parts.following.visible, run.session.settings.config.probes.webhook.mode
    phases = figures.phase_figures(window, sent, fates)
    looks = () if parts.queues is None else parts.queues.looks
    backlog = figures.backlog_figures(window, looks)
    recovery = figures.recovery_figures(window, seen, sent, fates, visible=visible)
    followed = figures.followed(sent, fates) if visible else None
    detail = DrillDetail(
        service=run.service.value,
        rate=run.rate,
        injections=tuple(_injection(each, times.start) for each in made),
        phases=phases,
        series=figures.series(window, sent, looks),
        followed=followed,
        backlog=backlog,
        recovery=recovery,
        rollbacks=rollbacks,
    )
    notes, gave_up_after = _notes(run, parts, rollbacks), times.gave_up_after
    if gave_up_after is None and times.recovered is not None and recovery.webhook_seconds is None:
        gave_up_after = run.end - (times.undoing or run.end)
        notes.insert(
            0, f"the webhook path was not seen to be back {gave_up_after:.1f} s after the fault was undone"
        )
    measures, why_not = figures.measures_of(
        run.service, phases, backlog, recovery, rollbacks, gave_up_after=gave_up_after
    )
    measures |= figures.clues(window, sent, fates, visible=visible)
    # The guide's budgets are of a system that is well: what comes before the fault.
    for measure, probe in ((Measure.DATABASE_P99, ProbeName.DATABASE), (Measure.QUEUE_P99, ProbeName.REDIS)):
        measures[measure] = figures.percentile(parts.watch.operations(probe, times.fault or run.end), 99)
    if run.service is Service.REDIS and mode is Mode.NO_SIDE_EFFECTS:
        why_not |= figures.untouched(measures)
    if run.gone:
        why_not |= dict.fromkeys(measures, "the place of the drill has gone, and that says nothing of the target")
    sentence = summed_up(run.service, run.scenario, phases, recovery, followed)
    return Measured(
        measures=measures,
        detail=detail,
        sentence="; ".join(part for part in (run.failure, run.session.stop.reason, sentence) if part),
        ending=run.ending,
        why_not=why_not,
        notes=tuple(notes),
        violations=0 if followed is None else followed.lost + followed.repeated,
    )


def _injection(made: Made, start: float) -> Injection:
    return Injection(
        fault=made.driver.fault.value,
        driver=made.driver.kind.value,
        sentence=made.driver.sentence,
        began_at=max(0.0, made.began - start),
        undone_at=None if made.undone is None else max(0.0, made.undone - start),
        checked=made.undone is not None,
    )


def _notes(run: Run, parts: Parts, rollbacks: Rollbacks | None) -> list[str]:
    traffic, times = parts.traffic, run.times
    notes = [
        *run.notes,
        f"a message was due every {1 / run.rate:.2f} s: so fine is the time when the webhook path was back",
        "recovered is who serves again: the later of the service and the webhook path, from the moment when "
        "the fault began to be undone",
    ]
    if rollbacks is not None:
        notes.append(rollbacks.sentence)
    elif parts.transactions is not None and parts.transactions.why_not:
        notes.append(f"rollbacks were not counted: {parts.transactions.why_not}")
    if not parts.following.visible:
        notes.append("effects are not observable in this mode: an accepted message counts as a success")
    if parts.queues is not None and any(read is None for _, read in parts.queues.looks):
        notes.append("while Redis did not answer its queues could not be counted; jobs kept elsewhere are no part")
    if times.undoing is not None and not parts.watch.outages and not parts.watch.down:
        notes.append(f"{run.service} itself never failed by our own probes, who kept the sessions they had")
    if traffic.held_up:
        notes.append(f"{traffic.held_up} messages were due while too many were under way, and not sent")
    if traffic.exhausted:
        notes.append("every message that was prepared was sent before the service was back")
    return notes
