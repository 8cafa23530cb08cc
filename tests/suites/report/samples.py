"""Results as suites make them, built from generated samples: every total is counted from them."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from itertools import groupby

from prober.guide.judging import judge
from prober.outcome import Ask, Claim, Ending, Measure, RaceOutcome, Suite
from prober.suites.results import By, Results, Where
from prober.suites.results_drill import (
    Backlog,
    DrillDetail,
    DrillSlot,
    Followed,
    Injection,
    PhaseFigures,
    Recovery,
    Rollbacks,
)
from prober.suites.results_load import Effects, Generator, Latency, LoadDetail, Requests, Slot
from prober.suites.results_race import Asked, Race, RaceDetail

STRANGER = '<script>alert(1)</script> & "it\'s" \x1b[31m | `x` **y**'


def load(
    *,
    seed: int = 1,
    seconds: int = 30,
    rate: int = 400,
    median: float = 0.02,
    failing: float = 0.0005,
    lost: int = 0,
    rate_limited: bool = False,
    sentence: str = "50 connections sent for 30 s, and all of them were answered.",
    ending: Ending = Ending.COMPLETE,
) -> Results:
    """A closed loop whose answer times are lognormal, with a stall in the middle."""
    chance = random.Random(seed)
    slots: list[Slot] = []
    everything: list[float] = []
    failed: Counter[str] = Counter()
    for second in range(seconds):
        slower = 3.0 if second == seconds // 2 else 1.0 + chance.uniform(-0.1, 0.1)
        sent = max(1, round(chance.gauss(rate, rate * 0.05) / slower))
        times = [median * slower * math.exp(chance.gauss(0, 0.5)) for _ in range(sent)]
        bad = Counter(chance.choice(("timeout", "reset")) for _ in times if chance.random() < failing)
        times = sorted(times[: sent - bad.total()])
        failed += bad
        everything += times
        slots.append(
            Slot(
                begins_at=float(second),
                seconds=1.0,
                sent=sent,
                accepted=len(times),
                rejected=0,
                failed=bad.total(),
                p50=_percentile(times, 0.5),
                p99=_percentile(times, 0.99),
                pool_usage=min(1.0, 0.3 * slower),
                backlog=round(10 * slower),
                target_memory=(120 + second) << 20,
            )
        )
    everything.sort()
    accepted = len(everything)
    rejected = {"rate_limited": accepted // 2} if rate_limited else {}
    error_rate = failed.total() / (failed.total() + accepted)
    measures = {
        Measure.RPS: None if rate_limited else accepted / seconds,
        Measure.LATENCY_P95: _percentile(everything, 0.95),
        Measure.LATENCY_P99: _percentile(everything, 0.99),
        Measure.ERROR_RATE: error_rate,
    }
    why_not = {Measure.RPS: "the target's rate limit was measured, not its capacity"} if rate_limited else {}
    detail = LoadDetail(
        concurrency=50,
        rate=None,
        warm_up_seconds=1.0,
        measured_seconds=float(seconds),
        requests=Requests(
            sent=accepted + failed.total() + sum(rejected.values()),
            accepted=accepted,
            rejected=rejected,
            failed=failed,
        ),
        latency=_latency(everything),
        series=tuple(slots),
        effects=Effects(
            accepted=accepted,
            effective=accepted - lost,
            lost=lost,
            repeated=0,
            not_known=0,
            seconds_to_last=0.8,
        ),
        rate_limited=rate_limited,
        generator=Generator(
            processes=1,
            cpu_seconds=4.2,
            cpu_share=0.14,
            loop_lag_p99=0.0012,
            late_p99=None,
            bound=False,
            sentence="The generator had room: 14 % of a core.",
        ),
        pool_usage_max=max(slot.pool_usage or 0 for slot in slots),
        backlog_max=max(slot.backlog or 0 for slot in slots),
        backlog_drained_seconds=1.5,
        target_memory_first=slots[0].target_memory,
        target_memory_last=slots[-1].target_memory,
    )
    return _results(
        Suite.WEBHOOK_LOAD,
        "moderate",
        detail,
        measures,
        why_not,
        sentence=sentence,
        ending=ending,
        seed=seed,
        parameters={"concurrency": 50, "duration": float(seconds), "rate": None},
    )


def race(
    *, seed: int = 1, races: int = 50, vendors: int = 10, slow: float = 0.03, double: int = 0, unset: int = 0
) -> Results:
    """Races that each vendor's answer time decides; `double` of them have two winners, `unset` were not set up."""
    chance = random.Random(seed)
    made: list[Race] = []
    for index in range(races):
        if index < unset:
            made.append(_not_set_up(index, seed))
            continue
        begun = [(f"synthetic-vendor-{n:02d}", chance.uniform(0, 0.0003)) for n in range(vendors)]
        times = [slow * math.exp(chance.gauss(0, 0.3)) for _ in begun]
        winners = set(sorted(range(vendors), key=times.__getitem__)[: 2 if races - index <= double else 1])
        answers = [
            Asked(
                vendor=vendor,
                ask=Ask.RACE,
                sent_at=sent,
                answered_at=sent + times[n],
                claim=Claim.WON if n in winners else Claim.LOST,
                status=200,
            )
            for n, (vendor, sent) in enumerate(begun)
        ]
        made.append(
            Race(
                index=index,
                run_id=f"r{seed}-{index}",
                outcome=RaceOutcome.MULTIPLE_WINNERS if len(winners) > 1 else RaceOutcome.ONE_WINNER,
                sentence=f"{len(winners)} of {vendors} were told that they won",
                seconds=max(answer.answered_at or 0.0 for answer in answers),
                spread=max(sent for _, sent in begun) - min(sent for _, sent in begun),
                answers=tuple(answers),
                leftovers=0,
            )
        )
    outcomes = Counter(one.outcome for one in made)
    judged = [one for one in made if one.outcome.is_judged]
    lengths = sorted(one.seconds for one in judged if one.seconds is not None)
    answered = sorted(
        a.answered_at - a.sent_at
        for one in judged
        for a in one.answers
        if a.answered_at is not None and a.sent_at is not None
    )
    convicted = sum(1 for one in judged if one.outcome.is_violation)
    mean = sum(lengths) / len(lengths) if lengths else None
    measures = {
        Measure.WIN_RATE: (len(judged) - convicted) / len(judged) if judged else None,
        Measure.RACE_CONDITIONS: convicted / len(judged) if judged else None,
        Measure.RACE_TIME: mean,
    }
    why_not = {} if judged else dict.fromkeys(measures, "no race could be judged")
    detail = RaceDetail(
        vendors=vendors,
        wanted=races,
        outcomes=outcomes,
        judged=len(judged),
        seconds_min=min(lengths, default=None),
        seconds_mean=mean,
        seconds_p95=_percentile(lengths, 0.95),
        seconds_max=max(lengths, default=None),
        answer_p50=_percentile(answered, 0.5),
        answer_p99=_percentile(answered, 0.99),
        races=tuple(made),
    )
    return _results(
        Suite.VENDOR_RACE,
        "moderate",
        detail,
        measures,
        why_not,
        sentence=f"{races} races of {vendors} vendors were held.",
        ending=Ending.COMPLETE,
        seed=seed,
        parameters={"vendors": vendors, "races": races},
    )


def drill(
    suite: Suite = Suite.REDIS_FAILURE,
    *,
    seed: int = 1,
    scenario: str = "crash",
    before: int = 15,
    during: int = 30,
    after: int = 15,
    working: float = 0.0,
    lost: int = 0,
) -> Results:
    """A fault in the middle, while which only the share `working` of the messages is taken."""
    chance = random.Random(seed)
    slots: list[DrillSlot] = []
    phases: list[PhaseFigures] = []
    times: dict[str, list[float]] = {"before": [], "during": [], "after": []}
    backlog, second = 4, 0
    for name, length, success in (("before", before, 1.0), ("during", during, working), ("after", after, 1.0)):
        begin, sent, failed = second, 0, 0
        for _ in range(length):
            tries = 10
            taken = sum(chance.random() < success for _ in range(tries))
            answers = sorted(0.01 * math.exp(chance.gauss(0, 0.6)) for _ in range(taken))
            times[name] += answers
            backlog = backlog + 9 if name == "during" else max(4, backlog - 40)
            slots.append(
                DrillSlot(
                    begins_at=float(second),
                    sent=tries,
                    accepted=taken,
                    failed=tries - taken,
                    p99=_percentile(answers, 0.99),
                    backlog=None if name == "during" and suite is Suite.REDIS_FAILURE and second % 3 else backlog,
                )
            )
            sent, failed, second = sent + tries, failed + tries - taken, second + 1
        phases.append(_phase(name, begin, second, sent, failed, sorted(times[name])))
    is_redis = suite is Suite.REDIS_FAILURE
    accepted = sum(phase.accepted for phase in phases)
    largest = max(slot.backlog for slot in slots if slot.backlog is not None)
    rollbacks = Rollbacks(transactions=400, rolled_back=3, sentence="Counted by the drill's own transactions.")
    measures: dict[Measure, float | None] = {Measure.RECOVERY_TIME: 2.4}
    if is_redis:
        measures |= {Measure.ERROR_RATE: phases[1].error_rate, Measure.BACKLOG: largest}
    else:
        measures |= {
            Measure.SUCCESS_DURING: phases[1].success_rate,
            Measure.SUCCESS_AFTER: phases[2].success_rate,
            Measure.ROLLBACKS: rollbacks.rolled_back / rollbacks.transactions,
        }
    service = "redis" if is_redis else "database"
    detail = DrillDetail(
        service="redis" if is_redis else "database",
        rate=10.0,
        injections=(
            Injection(
                fault=f"{service} killed",
                driver="own process",
                sentence=f"SIGKILL to {service}, started again at the end",
                began_at=float(before),
                undone_at=float(before + during),
                checked=True,
            ),
        ),
        phases=tuple(phases),
        series=tuple(slots),
        followed=Followed(
            accepted=accepted, in_time=accepted - lost - 4, late=4, lost=lost, repeated=0, not_known=0
        ),
        backlog=Backlog(before=4, largest=largest, drained_seconds=6.5),
        recovery=Recovery(
            service_seconds=0.8, service_outage_seconds=during + 0.8, uncertainty=0.021, webhook_seconds=2.4
        ),
        rollbacks=None if is_redis else rollbacks,
    )
    return _results(
        suite,
        scenario,
        detail,
        measures,
        {},
        sentence=f"The {service} was killed for {during} s and came back.",
        ending=Ending.COMPLETE,
        seed=seed,
        parameters={"rate": 10.0, "before": before, "during": during, "after": after},
    )


def every_kind() -> dict[str, Results]:
    """One of each kind of report."""
    return {
        "load": load(rate=400, median=0.16),
        "race": race(double=2, unset=3),
        "redis-drill": drill(),
        "db-drill": drill(Suite.DB_RESTART, working=0.06, lost=2),
    }


def _phase(name: str, begin: int, end: int, sent: int, failed: int, times: list[float]) -> PhaseFigures:
    return PhaseFigures.model_validate(
        {
            "name": name,
            "begins_at": begin,
            "ends_at": end,
            "sent": sent,
            "accepted": sent - failed,
            "rejected": {},
            "failed": {"timeout": failed} if failed else {},
            "success_rate": (sent - failed) / sent if sent else None,
            "error_rate": failed / sent if sent else None,
            "degraded_slow": sum(time > 2 for time in times),
            "lost": 0,
            "degraded_late": 4 if name == "during" else 0,
            "p50": _percentile(times, 0.5),
            "p99": _percentile(times, 0.99),
        }
    )


def _not_set_up(index: int, seed: int) -> Race:
    return Race(
        index=index,
        run_id=f"r{seed}-{index}",
        outcome=RaceOutcome.SETUP_FAILED,
        sentence="the order could not be inserted",
        seconds=None,
        spread=None,
        answers=(),
        leftovers=0,
    )


def _latency(times: list[float]) -> Latency:
    """Edges one percent apart, as an HDR histogram of two digits has them."""
    binned = groupby(times, key=lambda time: math.ceil(math.log(time) / math.log(1.01)))
    return Latency(
        count=len(times),
        min=min(times, default=None),
        mean=sum(times) / len(times) if times else None,
        p50=_percentile(times, 0.5),
        p90=_percentile(times, 0.9),
        p95=_percentile(times, 0.95),
        p99=_percentile(times, 0.99),
        p999=_percentile(times, 0.999),
        max=max(times, default=None),
        distribution=tuple((1.01**edge, sum(1 for _ in group)) for edge, group in binned),
    )


def _percentile(times: list[float], q: float) -> float | None:
    return times[math.ceil(q * len(times)) - 1] if times else None


def _results(
    suite: Suite,
    scenario: str,
    detail: LoadDetail | RaceDetail | DrillDetail,
    measures: Mapping[Measure, float | None],
    why_not: Mapping[Measure, str],
    *,
    sentence: str,
    ending: Ending,
    seed: int,
    parameters: Mapping[str, str | float | int | bool | None],
) -> Results:
    return Results(
        suite=suite,
        scenario=scenario,
        run_id=f"20260102-030405-{seed:04x}",
        started="2026-01-02T03:04:05.678Z",
        ended="2026-01-02T03:05:05.678Z",
        duration_seconds=60.0,
        ending=ending,
        sentence=sentence,
        target=Where(url="http://127.0.0.1:8080", environment="demo", contract="whatsapp-ordering-system"),
        prober=By(version="0.1.0", instance="demo", python="3.11.2", cores=2),
        parameters=parameters,
        measures=measures,
        judgement=judge(suite, measures, why_not),
        notes=("The target and the generator shared two cores.",),
        detail=detail,
    )
