"""Latencies as an HDR histogram: percentiles to three digits, and the distribution for a plot. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from hdrh.histogram import HdrHistogram

from prober.suites.results_load import Latency

# One microsecond to an hour, three significant digits.
SHORTEST, LONGEST, DIGITS = 1, 3_600_000_000, 3
# Edges of the distribution: each a sixth more than the one before, so that a plot by logarithm is even.
GROWTH = 7 / 6


def histogram(counts: Mapping[int, int]) -> HdrHistogram:
    """Of latencies in microseconds, by how often each came."""
    made = HdrHistogram(SHORTEST, LONGEST, DIGITS)
    for value, count in counts.items():
        made.record_value(min(max(value, SHORTEST), LONGEST), count)
    return made


def latency(counts: Mapping[int, int]) -> Latency:
    """The whole distribution in seconds; None where there is no sample."""
    total = sum(counts.values())
    if not total:
        return Latency(
            count=0,
            min=None,
            mean=None,
            p50=None,
            p90=None,
            p95=None,
            p99=None,
            p999=None,
            max=None,
            distribution=(),
        )
    made = histogram(counts)
    most = max(counts)

    def at(percent: float) -> float:
        # By nearest rank: the library rounds it, and would call the tenth of eleven samples the 95th percentile.
        rank = -int(-total * percent // 100)
        # It tells the upper end of what it cannot tell apart, which nothing may have reached.
        return min(int(made.get_value_at_percentile(100 * rank / total)), most) / 1e6

    return Latency(
        count=total,
        min=min(counts) / 1e6,
        mean=sum(value * count for value, count in counts.items()) / total / 1e6,
        p50=at(50),
        p90=at(90),
        p95=at(95),
        p99=at(99),
        p999=at(99.9),
        max=most / 1e6,
        distribution=distribution(counts),
    )


def distribution(counts: Mapping[int, int]) -> tuple[tuple[float, int], ...]:
    """Upper edges in seconds, each with the samples since the one before; empty stretches are left out."""
    found: list[tuple[float, int]] = []
    edge, since = 1.0, 0
    for value, count in sorted(counts.items()):
        if value > edge:
            if since:
                found.append((round(edge) / 1e6, since))
            since = 0
            while value > edge:
                edge = max(edge * GROWTH, edge + 1)
        since += count
    if since:
        found.append((round(edge) / 1e6, since))
    return tuple(found)


def percentile(samples: Sequence[int], percent: float) -> float | None:
    """The nearest-rank percentile of some samples, in seconds; None without any."""
    if not samples:
        return None
    ordered = sorted(samples)
    return ordered[max(1, -int(-len(ordered) * percent // 100)) - 1] / 1e6


def counted(parts: Iterable[Iterable[int]]) -> Counter[int]:
    """How often each value came, over all parts."""
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(part)
    return counts
