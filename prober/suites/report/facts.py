"""The tables of what was measured that every form of a report shows: results in, words out."""

from __future__ import annotations

from dataclasses import dataclass

from prober.outcome import Measure
from prober.publish.printable import printable
from prober.suites.report.wording import (
    NOT_MEASURED,
    count,
    counted,
    number,
    per_second,
    seconds,
    share,
    size,
    yes,
)
from prober.suites.results import Results
from prober.suites.results_drill import DrillDetail, Injection
from prober.suites.results_load import Generator, LoadDetail
from prober.suites.results_race import RaceDetail


@dataclass(frozen=True, slots=True)
class Table:
    """The first column names what the row is about; a `note` says what limits it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str | None = None


def tables(results: Results) -> tuple[Table, ...]:
    """What was measured, the most important table first."""
    match results.detail:
        case LoadDetail() as load:
            return _load(load)
        case RaceDetail() as race:
            return _race(race)
        case DrillDetail() as drill:
            return _drill(drill)


def circumstances(results: Results) -> tuple[Table, ...]:
    """What was asked for, of whom, by whom, and when."""
    parameters = tuple((printable(name), _plain(value)) for name, value in results.parameters.items())
    target, prober = results.target, results.prober
    made = (
        ("run", results.run_id),
        ("started", results.started),
        ("ended", f"{results.ended} ({seconds(results.duration_seconds)}, {results.ending})"),
        ("target", f"{target.url}, {target.environment}, contract {target.contract}"),
        (
            "prober",
            f"{prober.version}, instance {prober.instance}, Python {prober.python}, "
            f"{prober.processes} process{'es' if prober.processes > 1 else ''} on {prober.cores} "
            f"core{'s' if prober.cores > 1 else ''}",
        ),
    )
    return (
        Table("Parameters", ("parameter", "value"), parameters),
        Table("How it was measured", ("", ""), tuple((name, printable(text)) for name, text in made)),
    )


def _plain(value: str | float | int | bool | None) -> str:
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return yes(value)
    return (
        printable(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else f"{value:,}"
    )


def _load(load: LoadDetail) -> tuple[Table, ...]:
    requests, latency = load.requests, load.latency
    way = f"{load.concurrency:,} at once" if load.rate is None else f"{load.rate:g} a second, whatever comes back"
    sent = [
        ("sent", count(requests.sent)),
        ("accepted", count(requests.accepted)),
        ("refused by the target", counted(requests.rejected)),
        ("failed", counted(requests.failed)),
    ]
    if load.rate is not None:
        sent.append(("due, but not sent", count(requests.unsent)))
    times = [
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p95", latency.p95),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
        ("largest", latency.max),
        ("smallest", latency.min),
        ("mean", latency.mean),
    ]
    return (
        Table(
            "Requests",
            ("what", "how many"),
            tuple(sent),
            f"{way}, measured for {seconds(load.measured_seconds)}. {count(load.warm_up_sent)} messages to "
            f"warm up, in {seconds(load.warm_up_seconds)}, are in no figure.",
        ),
        Table(
            "Answer times",
            ("of accepted requests", "time"),
            tuple((name, seconds(value)) for name, value in times),
            f"{count(latency.count)} samples"
            + ("" if load.rate is None else ", counted from when each was due, not from when it could be sent")
            + ".",
        ),
        _effects(load),
        _resources(load),
        _generator(load.generator, load),
    )


def _effects(load: LoadDetail) -> Table:
    title, columns = "What the database says of them", ("accepted messages", "how many")
    effects = load.effects
    if effects is None:
        return Table(title, columns, (("with their effect", NOT_MEASURED),), "The database could not be asked.")
    return Table(
        title,
        columns,
        (
            ("accepted", count(effects.accepted)),
            ("with their effect", count(effects.effective)),
            ("lost", count(effects.lost)),
            ("with more than one effect", count(effects.repeated)),
            ("not known", count(effects.not_known)),
            ("from the last answer to the last effect", seconds(effects.seconds_to_last)),
        ),
    )


def _resources(load: LoadDetail) -> Table:
    memory = NOT_MEASURED
    if load.target_memory_first is not None and load.target_memory_last is not None:
        memory = f"{size(load.target_memory_first)}, at the end {size(load.target_memory_last)}"
    return Table(
        "The target under load",
        ("what", "figure"),
        (
            ("connection pool in use, at most", share(load.pool_usage_max)),
            ("largest backlog", count(load.backlog_max)),
            ("backlog drained after the end", seconds(load.backlog_drained_seconds)),
            ("memory at the start", memory),
        ),
    )


def _generator(generator: Generator, load: LoadDetail) -> Table:
    return Table(
        "The generator itself",
        ("what", "figure"),
        (
            ("engine", f"{printable(load.engine)}, {generator.processes} process{_es(generator.processes)}"),
            ("busiest process, of one core", share(generator.cpu_share)),
            ("CPU time", seconds(generator.cpu_seconds)),
            ("lag of its event loop, p99", seconds(generator.loop_lag_p99)),
            (
                "requests behind their schedule, p99",
                "closed loop" if load.rate is None else seconds(generator.late_p99),
            ),
            ("was it the limit", yes(generator.bound)),
        ),
        printable(generator.sentence),
    )


def _race(race: RaceDetail) -> tuple[Table, ...]:
    held = sum(race.outcomes.values())
    outcomes = tuple(
        (f"{outcome}{' (violation)' if outcome.is_violation else ''}", count(n), share(n / held) if held else "")
        for outcome, n in sorted(race.outcomes.items(), key=lambda one: (not one[0].is_violation, -one[1], one[0]))
        if n
    )
    times = (
        ("shortest race", race.seconds_min),
        ("mean race", race.seconds_mean),
        ("p95 of the races", race.seconds_p95),
        ("longest race", race.seconds_max),
        ("p50 of the answers", race.answer_p50),
        ("p99 of the answers", race.answer_p99),
    )
    spreads = [one.spread for one in race.races if one.spread is not None]
    unknown = sum(one.leftovers < 0 for one in race.races)
    left = count(sum(max(0, one.leftovers) for one in race.races))
    return (
        Table(
            "Outcomes",
            ("outcome", "races", "share"),
            outcomes,
            f"{race.vendors} vendors each, {held:,} of {race.wanted:,} races held, {race.judged:,} judged. Those "
            "without a verdict are counted here and stay out of the win rate.",
        ),
        Table(
            "Times",
            ("from the release to the answers", "time"),
            (
                *((name, seconds(value)) for name, value in times),
                ("spread of the release, at most", seconds(max(spreads, default=None))),
            ),
        ),
        Table(
            "Left behind",
            ("what", "how many"),
            (("synthetic rows not removed", f"{left}{f', not known of {unknown:,} races' if unknown else ''}"),),
        ),
    )


def _drill(drill: DrillDetail) -> tuple[Table, ...]:
    return (
        _phases(drill),
        Table(
            "The fault",
            ("fault", "by", "from", "to", "seen to be undone"),
            tuple(_injection(one) for one in drill.injections),
            " ".join(printable(one.sentence).rstrip(".") + "." for one in drill.injections) or None,
        ),
        _recovery(drill),
        _followed(drill),
    )


def _phases(drill: DrillDetail) -> Table:
    phases = drill.phases
    rows = (
        ("from", tuple(seconds(one.begins_at) for one in phases)),
        ("to", tuple(seconds(one.ends_at) for one in phases)),
        ("sent", tuple(count(one.sent) for one in phases)),
        ("accepted", tuple(count(one.accepted) for one in phases)),
        ("success", tuple(share(one.success_rate) for one in phases)),
        ("errors", tuple(share(one.error_rate) for one in phases)),
        ("refused", tuple(counted(one.rejected) for one in phases)),
        ("failed", tuple(counted(one.failed) for one in phases)),
        ("accepted, but slow", tuple(count(one.degraded_slow) for one in phases)),
        ("accepted, effect late", tuple(count(one.degraded_late) for one in phases)),
        ("accepted, but lost", tuple(count(one.lost) for one in phases)),
        ("p50", tuple(seconds(one.p50) for one in phases)),
        ("p99", tuple(seconds(one.p99) for one in phases)),
    )
    return Table(
        "Before, during and after",
        ("messages", *(one.name for one in phases)),
        tuple((name, *values) for name, values in rows),
        f"By when each was sent, {number(drill.rate)} a second.",
    )


def _injection(one: Injection) -> tuple[str, ...]:
    undone = "not undone" if one.undone_at is None else seconds(one.undone_at)
    return printable(one.fault), printable(one.driver), seconds(one.began_at), undone, yes(one.checked)


def _recovery(drill: DrillDetail) -> Table:
    recovery, backlog, rollbacks = drill.recovery, drill.backlog, drill.rollbacks
    rows = [
        (f"{drill.service} answers after the fault's end", seconds(recovery.service_seconds)),
        (
            f"outage of {drill.service} as measured",
            _uncertain(recovery.service_outage_seconds, recovery.uncertainty),
        ),
        ("webhook path works after the fault's end", seconds(recovery.webhook_seconds)),
        ("backlog before", count(backlog.before)),
        ("largest backlog", count(backlog.largest)),
        ("backlog drained after the fault's end", seconds(backlog.drained_seconds)),
    ]
    note = None
    if rollbacks is not None:
        rows.append(("transactions of ours begun", count(rollbacks.transactions)))
        rows.append(("of these not committed", count(rollbacks.rolled_back)))
        note = printable(rollbacks.sentence)
    return Table("Recovery", ("what", "figure"), tuple(rows), note)


def _uncertain(value: float | None, by: float | None) -> str:
    return seconds(value) if value is None or by is None else f"{seconds(value)} (uncertain by {seconds(by)})"


def _followed(drill: DrillDetail) -> Table:
    followed = drill.followed
    title, columns = "Every message followed to its end", ("accepted messages", "how many")
    if followed is None:
        return Table(title, columns, (("with their effect", NOT_MEASURED),), "The database could not be asked.")
    return Table(
        title,
        columns,
        (
            ("accepted", count(followed.accepted)),
            ("effect in time", count(followed.in_time)),
            ("effect late", count(followed.late)),
            ("lost", count(followed.lost)),
            ("more than one effect", count(followed.repeated)),
            ("not known", count(followed.not_known)),
        ),
    )


def _es(processes: int) -> str:
    return "" if processes == 1 else "es"


def one_line(results: Results) -> str:
    """What came out, in a line: the figures that one looks for first."""
    match results.detail:
        case LoadDetail(requests=requests, latency=latency):
            measured = results.detail.measured_seconds
            rate = results.measures.get(Measure.RPS) or (requests.accepted / measured if measured else None)
            return (
                f"{count(requests.accepted)} of {count(requests.sent)} accepted ({per_second(rate)}); "
                f"p50 {seconds(latency.p50)}, p95 {seconds(latency.p95)}, p99 {seconds(latency.p99)}"
            )
        case RaceDetail(outcomes=outcomes, vendors=vendors):
            said = counted({str(outcome): n for outcome, n in outcomes.items()})
            return f"{sum(outcomes.values()):,} races of {vendors} vendors: {said}"
        case DrillDetail(phases=phases):
            said = ", ".join(f"{one.name} {share(one.success_rate)} of {one.sent:,}" for one in phases)
            return f"success {said}; the service was back after {seconds(results.detail.recovery.service_seconds)}"
