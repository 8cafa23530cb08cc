"""What the counts of a load mean: measures, what keeps them from being judged, and the one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prober.guide.judging import judge
from prober.outcome import Ending, Measure, Outcome, Suite, Verdict
from prober.suites.load.limits import Limit
from prober.suites.load.tally import Tally
from prober.suites.results_load import Latency

LIMITED = Outcome.RATE_LIMITED.value
# An open loop has kept up when it sent and got answered so much of what was asked for.
KEPT_UP = 0.98
# What to do about an answer that every message got.
_ADVICE = {
    "401": "it wants an authorization that the contract does not send",
    "403": "the token, the public URL or the HTTPS header is not what it expects",
    "404": "there is no such path there: check target.url and webhook.path",
    Outcome.REDIRECT.value: "it wants another address, or the HTTPS header (webhook.headers)",
    Outcome.REFUSED.value: "nobody listens there",
    Outcome.DNS.value: "check target.url",
    Outcome.TIMEOUT.value: "it is down, frozen, or slower than probes.webhook.timeout",
}
_LATENCIES = (Measure.LATENCY_P95, Measure.LATENCY_P99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a run comes to."""

    measures: Mapping[Measure, float | None]
    why_not: Mapping[Measure, str]
    sentence: str
    ending: Ending
    notes: tuple[str, ...] = ()
    violations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What was counted; `in_time` accepted messages within the `seconds` of sending."""

    tally: Tally
    latency: Latency
    seconds: float
    in_time: int
    rate: float | None
    concurrency: int
    limit: Limit
    lost: int | None  # None where it could not be looked at
    repeated: int | None
    interrupted: str = ""
    notes: list[str] = field(default_factory=list)


def read_warm_up(warm_up: Tally, what: str) -> str | None:
    """Why there is nothing to measure, as a sentence; None where a message was accepted."""
    if warm_up.accepted:
        return None
    return f"nothing was measured: {all_alike(warm_up, what)}"


def all_alike(tally: Tally, what: str) -> str:
    """What became of messages of which none was accepted."""
    kinds = tally.rejected + tally.failed
    if not kinds:
        return f"{what} sent no answer"
    ((kind, count),) = kinds.most_common(1)
    others = sum(kinds.values()) - count
    if kind == LIMITED:
        told = f"{what} answered 429 to {_all(count, others)}: its rate limit, not its capacity, was met"
        return f"{told}; wait until its window is over, or raise the limit for this test"
    detail = tally.details.get(kind, "")
    told = f"{what} answered {kind} to" if kind.isdigit() else f"{kind.replace('_', ' ')} ({detail}) for"
    advice = _ADVICE.get(kind)
    because = f": {advice}" if advice else ""
    return f"{told} {_all(count, others)}{because}; `prober doctor` walks through it step by step"


def _all(count: int, others: int) -> str:
    if others:
        return f"{count} of {count + others} messages, and none was accepted"
    return f"all {count} messages" if count != 1 else "the one message"


def read(counted: Counted, what: str) -> Reading:
    """Judge what can be judged of a run that was measured."""
    tally, notes = counted.tally, list(counted.notes)
    ending = Ending.INTERRUPTED if counted.interrupted else Ending.COMPLETE
    limited = tally.rejected.get(LIMITED, 0)
    asked = tally.sent - limited
    wrong = sum(tally.failed.values()) + sum(tally.rejected.values()) - limited
    rps = counted.in_time / counted.seconds if counted.seconds > 0 else None
    measures: dict[Measure, float | None] = {
        Measure.RPS: rps,
        Measure.LATENCY_P95: counted.latency.p95,
        Measure.LATENCY_P99: counted.latency.p99,
        Measure.ERROR_RATE: wrong / asked if asked > 0 else None,
    }
    why_not: dict[Measure, str] = {}
    if tally.accepted == 0:
        sentence = f"nothing was accepted: {all_alike(tally, what)}" if tally.sent else "nothing was sent"
        measures[Measure.RPS] = None
        why_not |= dict.fromkeys((Measure.RPS, *_LATENCIES), "no message was accepted")
        if not wrong:
            # That it fails under load is a result; that it was never asked is none.
            ending = Ending.FAILED if ending is Ending.COMPLETE else ending
            why_not[Measure.ERROR_RATE] = "no message got past the target's rate limit"
    else:
        sentence = _sentence(counted, rps, wrong, asked)
    if limited and tally.accepted:
        why_not[Measure.RPS] = (
            f"the target limits the rate ({limited} of {tally.sent} messages were answered 429): "
            "its limit was measured, not its capacity"
        )
        notes.append(
            f"rate limited: {limited} of {tally.sent} messages were answered 429, which is no error of the "
            "endpoint and says nothing of its capacity; raise the target's limit for this test to see that"
        )
    _read_open_loop(counted, rps, why_not, notes)
    _read_generator(counted, measures, why_not, notes)
    if counted.interrupted:
        notes.append(f"{counted.interrupted}: what was measured until then stands")
    return Reading(
        measures=measures,
        why_not=why_not,
        sentence=sentence,
        ending=ending,
        notes=tuple(notes),
        violations=(counted.lost or 0) + (counted.repeated or 0),
    )


def _read_open_loop(counted: Counted, rps: float | None, why_not: dict[Measure, str], notes: list[str]) -> None:
    rate = counted.rate
    if rate is None or rps is None:
        return
    if rps >= KEPT_UP * rate and not is_good(Measure.RPS, rps):
        why_not.setdefault(
            Measure.RPS, f"{rate:g} a second were asked for and the target kept up; its capacity is not known"
        )
    if counted.tally.unsent:
        notes.append(
            f"{counted.tally.unsent} messages were due and not sent, since {counted.concurrency} were under way; "
            "their latency would be longer than any that was measured"
        )


def _read_generator(
    counted: Counted,
    measures: Mapping[Measure, float | None],
    why_not: dict[Measure, str],
    notes: list[str],
) -> None:
    """Where we were the limit, a good figure stands and a bad one is not blamed on the target."""
    if not counted.limit.generator.bound:
        return
    notes.append(counted.limit.generator.sentence)
    ours = {Measure.RPS: counted.limit.throughput, **dict.fromkeys(_LATENCIES, counted.limit.tail)}
    for measure in (Measure.RPS, *_LATENCIES):
        value = measures[measure]
        if ours[measure] and value is not None and not is_good(measure, value):
            why_not.setdefault(measure, "the generator was the limit, not the target")


def is_good(measure: Measure, value: float) -> bool:
    """Whether the guide has nothing against this figure of a load."""
    judged = judge(Suite.WEBHOOK_LOAD, {measure: value})
    verdicts = [row.verdict for row in judged.breaking_points if row.measure is measure]
    targets = [target.met for target in judged.targets if target.measure is measure]
    return all(verdict in (Verdict.EXCELLENT, Verdict.GOOD) for verdict in verdicts) and False not in targets


def _sentence(counted: Counted, rps: float | None, wrong: int, asked: int) -> str:
    tally, latency = counted.tally, counted.latency
    how = f"over {counted.concurrency} connections" if counted.rate is None else f"at {counted.rate:g} a second"
    parts = [
        f"{tally.accepted} of {tally.sent} messages were accepted in {counted.seconds:.1f} s {how}"
        + (f", {rps:.0f} a second" if rps is not None else "")
        + (f", 99 % within {latency.p99 * 1000:.0f} ms" if latency.p99 is not None else "")
    ]
    if wrong:
        kinds = tally.failed + tally.rejected
        del kinds[LIMITED]
        named = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.most_common(3))
        parts.append(f"{wrong} of {asked} went wrong ({named})")
    if tally.rejected.get(LIMITED):
        parts.append(f"{tally.rejected[LIMITED]} met its rate limit")
    if counted.lost:
        parts.append(f"{counted.lost} were accepted and lost")
    if counted.repeated:
        parts.append(f"{counted.repeated} had their effect more than once")
    if counted.lost == 0 and not counted.repeated:
        parts.append("none was lost")
    return "; ".join(parts)
