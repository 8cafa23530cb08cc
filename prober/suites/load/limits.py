"""Whether the generator itself was the limit. Pure."""

from __future__ import annotations

from prober.suites.results_load import Generator

# A process that works for so much of the time has none left to ask for more.
BUSY = 0.85
# An event loop that is so late, in one look of a hundred, adds that to what it measures (seconds), …
LAGGING = 0.05
# … unless the target itself takes many times as long.
BESIDE = 10.0


def judge_generator(
    *,
    processes: int,
    cpu_seconds: float,
    cpu_share: float,
    loop_lag_p99: float | None,
    late_p99: float | None,
    median: float | None,
    starved: int,
    sent: int,
) -> Generator:
    """Say whether we were the limit; times in seconds, `median` of the target's answers.

    `starved` is how often a connection waited for a message of ours.
    """
    reasons = []
    if cpu_share >= BUSY:
        reasons.append(f"its busiest process used {cpu_share * 100:.0f} % of a core")
    bearable = max(LAGGING, (median or 0.0) / BESIDE)
    if loop_lag_p99 is not None and loop_lag_p99 > bearable:
        reasons.append(f"its event loop was {loop_lag_p99 * 1000:.0f} ms late in one of a hundred looks")
    if late_p99 is not None and late_p99 > bearable:
        reasons.append(f"one of a hundred messages came due {late_p99 * 1000:.0f} ms before it could be looked at")
    if starved > sent / 100:
        reasons.append(f"{starved} times a connection had to wait for a message to be claimed")
    if reasons:
        sentence = (
            f"the generator was the limit: {'; '.join(reasons)}. The target may be better than these figures"
        )
    else:
        sentence = f"the generator was not the limit: {cpu_share * 100:.0f} % of a core at most"
    return Generator(
        processes=processes,
        cpu_seconds=cpu_seconds,
        cpu_share=cpu_share,
        loop_lag_p99=loop_lag_p99,
        late_p99=late_p99,
        bound=bool(reasons),
        sentence=sentence,
    )
