"""Whether the generator itself was the limit. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from prober.suites.results_load import Generator, Latency

# A process that works for so much of the time has none left to ask for more.
BUSY = 0.85
# Our own delay, as a share of what was measured, from which on the figure is more ours than the target's: on
# average, where throughput is concerned, and in one of a hundred, where the tail is.
OF_MEAN = 0.2
OF_TAIL = 0.5
# Delays below that (seconds) are the machine's own restlessness.
UNREST = 0.005


@dataclass(frozen=True, slots=True)
class Limit:
    """What we were the limit of: the throughput, the tail of the latencies, both or nothing."""

    generator: Generator
    throughput: bool
    tail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What the generator did; times in seconds, `cpu_share` of one core by the busiest process.

    `waited_share` is how much of the time that process was ready to work and had no core to work on.
    `lag` is how late its event loop was for timers of its own, `late` how late an open loop's messages came to be
    looked at; `starved` how often a connection waited for a message of ours.
    """

    processes: int
    cpu_seconds: float
    cpu_share: float
    waited_share: float
    lag_mean: float | None
    lag_p99: float | None
    late_p99: float | None
    starved: int
    sent: int


def judge_generator(effort: Effort, latency: Latency) -> Limit:
    """Say whether we were the limit, and of what."""
    both, throughput, tail = [], [], []
    if effort.cpu_share + effort.waited_share >= BUSY:
        waited = f" and waited for one for {effort.waited_share * 100:.0f} %" if effort.waited_share > 0.01 else ""
        both.append(f"its busiest process worked for {effort.cpu_share * 100:.0f} % of the time on a core{waited}")
    if effort.starved > effort.sent / 100:
        both.append(f"{effort.starved} times a connection had to wait until a message was claimed")
    if _exceeds(effort.lag_mean, latency.mean, OF_MEAN):
        throughput.append(f"its event loop was {_ms(effort.lag_mean)} late on average")
    if _exceeds(effort.lag_p99, latency.p99, OF_TAIL):
        tail.append(f"its event loop was {_ms(effort.lag_p99)} late in one of a hundred looks")
    if _exceeds(effort.late_p99, latency.p99, OF_TAIL):
        tail.append(f"one of a hundred messages left {_ms(effort.late_p99)} after it was due")
    reasons = [*both, *throughput, *tail]
    used = f"{effort.cpu_share * 100:.0f} % of a core"
    if reasons:
        sentence = f"the generator was the limit: {'; '.join(reasons)}. The target may be better than this shows"
    else:
        sentence = f"the generator was not the limit: its busiest process used {used}"
    generator = Generator(
        processes=effort.processes,
        cpu_seconds=effort.cpu_seconds,
        cpu_share=effort.cpu_share,
        loop_lag_p99=effort.lag_p99,
        late_p99=effort.late_p99,
        bound=bool(reasons),
        sentence=sentence,
    )
    return Limit(generator, throughput=bool(both or throughput), tail=bool(both or tail))


def _exceeds(ours: float | None, measured: float | None, share: float) -> bool:
    return ours is not None and ours > UNREST and (measured is None or ours > share * measured)


def _ms(seconds: float | None) -> str:
    return f"{(seconds or 0.0) * 1000:.0f} ms"
