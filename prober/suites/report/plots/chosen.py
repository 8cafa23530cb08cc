"""Which plots a report has, by what was run."""

from __future__ import annotations

from prober.publish.printable import printable
from prober.suites.report.markup import NOTHING, Markup, join, tag, text
from prober.suites.report.plots.distribution import histogram
from prober.suites.report.plots.frame import Band, Key
from prober.suites.report.plots.race import strip, timeline, worth_a_look
from prober.suites.report.plots.series import Columns, Line, columns, lines
from prober.suites.report.slots import whole_slots
from prober.suites.report.wording import count, per_second, seconds, share
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail
from prober.suites.results_load import LoadDetail, Slot
from prober.suites.results_race import Race, RaceDetail

_ANSWERED = (Key("accepted", "accepted"), Key("rejected", "refused"), Key("failed", "failed"))
_SENT = (Key("accepted", "accepted"), Key("rejected", "rate limited"), Key("failed", "refused or failed"))


def plots(results: Results) -> tuple[Markup, ...]:
    """Every figure of these results for which there are samples."""
    match results.detail:
        case LoadDetail() as load:
            made = _load(load)
        case RaceDetail() as race:
            made = (strip(race), *(_told(one) for one in worth_a_look(race)))
        case DrillDetail() as drill:
            made = _drill(drill)
    return tuple(one for one in made if one != NOTHING)


def _told(race: Race) -> Markup:
    """The timeline of a race, and what the judge says of it."""
    drawn = timeline(race)
    return drawn if drawn == NOTHING else join([drawn, tag("small", None, text(race.sentence))])


def _load(load: LoadDetail) -> tuple[Markup, ...]:
    latency, series = load.latency, whole_slots(load.series)
    refused, failed = (sum(kinds.values()) for kinds in (load.requests.rejected, load.requests.failed))
    rates = [(slot.begins_at, slot.begins_at + slot.seconds, _rates(slot)) for slot in series if slot.seconds > 0]
    return (
        lines(
            "Answer time over time",
            f"p50 and p99 of the accepted requests, over {seconds(load.measured_seconds)}; "
            f"over the whole run p50 {seconds(latency.p50)}, p99 {seconds(latency.p99)}.",
            (
                Line(Key("first", "p50"), [(_middle(slot), slot.p50) for slot in series]),
                Line(Key("second", "p99"), [(_middle(slot), slot.p99) for slot in series]),
            ),
            seconds,
            until=load.measured_seconds,
        ),
        histogram(
            "Distribution of answer times",
            f"{count(latency.count)} accepted requests; p50 {seconds(latency.p50)}, p95 {seconds(latency.p95)}, "
            f"p99 {seconds(latency.p99)}.",
            latency.distribution,
            {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99},
        ),
        columns(
            "Throughput",
            f"Answers a second: {count(load.requests.accepted)} accepted, "
            f"{count(refused)} refused, {count(failed)} failed.",
            Columns(_ANSWERED, rates),
            per_second,
            until=load.measured_seconds,
        ),
        *_resources(load),
    )


def _resources(load: LoadDetail) -> tuple[Markup, ...]:
    series, until = whole_slots(load.series), load.measured_seconds
    return (
        lines(
            "Connection pool in use",
            "The application's database sessions that are not idle, of those that its pools may open.",
            (Line(Key("third", "in use"), [(_middle(slot), slot.pool_usage) for slot in series]),),
            share,
            top=1.0,
            until=until,
        ),
        lines(
            "Backlog",
            "Jobs that wait in the largest queue.",
            (Line(Key("fourth", "jobs"), [(_middle(slot), slot.backlog) for slot in series]),),
            lambda value: count(round(value)),
            whole=True,
            until=until,
        ),
        lines(
            "Memory of the target",
            "As its source in the contract says.",
            (Line(Key("first", "memory"), [(_middle(s), _mebibytes(s.target_memory)) for s in series]),),
            lambda value: f"{value:,g} MiB",
            until=until,
        ),
    )


def _mebibytes(memory: int | None) -> float | None:
    return None if memory is None else memory / (1 << 20)


def _middle(slot: Slot) -> float:
    return slot.begins_at + slot.seconds / 2


def _rates(slot: Slot) -> tuple[float, ...]:
    return slot.accepted / slot.seconds, slot.rejected / slot.seconds, slot.failed / slot.seconds


def _drill(drill: DrillDetail) -> tuple[Markup, ...]:
    series = drill.series
    until = max((phase.ends_at for phase in drill.phases), default=0.0)
    marked = tuple(
        Band(one.began_at, one.undone_at if one.undone_at is not None else until, printable(one.fault))
        for one in drill.injections
    )
    said = ", ".join(f"{phase.name} {share(phase.success_rate)}" for phase in drill.phases)
    sent = Columns(
        _SENT,
        [
            (s.begins_at, s.begins_at + 1, (s.accepted, max(0, s.sent - s.accepted - s.failed), s.failed))
            for s in series
        ],
    )
    return (
        columns(
            "Messages sent, by what became of them",
            f"Success {said}.",
            sent,
            lambda n: f"{n:g}",
            until=until,
            marked=marked,
        ),
        lines(
            "Success rate",
            f"Of the messages sent in each second; {said}.",
            (
                Line(
                    Key("won", "accepted"),
                    [(s.begins_at + 0.5, s.accepted / s.sent if s.sent else None) for s in series],
                ),
            ),
            share,
            marked=marked,
            top=1.0,
            until=until,
        ),
        lines(
            "Backlog",
            "Jobs that wait in the largest queue; a gap where Redis could not be asked.",
            (Line(Key("fourth", "jobs"), [(s.begins_at, s.backlog) for s in series]),),
            lambda value: count(round(value)),
            marked=marked,
            whole=True,
            until=until,
        ),
        lines(
            "Answer time",
            "p99 of the accepted messages of each second.",
            (Line(Key("second", "p99"), [(s.begins_at + 0.5, s.p99) for s in series]),),
            seconds,
            marked=marked,
            until=until,
        ),
    )
