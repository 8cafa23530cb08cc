"""What promtool is asked of one alert, and the shapes that such cases have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.web.catalogue.delivery import RACE_DURATION, WEBHOOK_DURATION
from prober.web.metric import Metric

from .timeline import Counter, Gauge, Moment, Observed, Series, histogram

Seen = tuple[tuple[int, int], tuple[int, int]]
ONE: Seen = ((1, 3), (0, 3))
HALF: Seen = ((2, 4), (2, 5))  # at least half
ALL: Seen = ((3, 3), (2, 3))
SUMMED: Seen = ((3, 3), (0, 3))  # a share over all of them


@dataclass(frozen=True)
class Case:
    """`within` seconds after it got bad it fires, `not_yet` after that; `resolves` seconds after it is well.

    `held`: it goes on through two missed scrapes. `minutes`: too slow for samples each 10 s, so they are minutes.
    `every`: seconds from one evaluation to the next.
    """

    alert: str
    series: Sequence[Series]
    within: int
    resolves: int = 120
    not_yet: int = 0
    warm: int = 120
    held: bool = True
    minutes: int = 0
    every: int = 10
    absent_fires: bool = False
    nan: bool = True  # its gauges can be NaN
    restart: bool = True  # it goes on after a restart of the prober, as long as it is bad
    # Of so many probers so many see it: there it fires, and there not.
    seen_by: Seen | None = ONE
    few: Sequence[Series] = ()  # bad: three events in a window, and below: two, as high as they can read (2.2)
    fills: int = 0  # seconds that the window of `few` takes, where `within` is shorter
    after_outage: bool = False  # it is silent where an outage has paged


PROBE = 'source="probe"'
LOAD = 'suite="webhook-load",scenario="moderate"'
RPS = f'{LOAD},measure="requests_per_second"'
DRILL = 'suite="redis-failure",scenario="crash"'
THREE, TWO = 3.0, 2.2  # events in a window, as `increase` reads them
NEVER = 10**9


def down(alert: str, probe: str, *, bad: float, below: float) -> Case:
    return Case(
        alert, (Gauge(f'prober_outage_age_seconds{{probe="{probe}"}}', 0, bad, below),), 10, 10, seen_by=HALF
    )


def slow(alert: str, *, bad: float, below: float, within: int, not_yet: int) -> Case:
    """Half of the answers that slow; just below: all of them a little faster."""
    seen = histogram(WEBHOOK_DURATION, {0.05: 1}, {0.05: 0.5, bad: 0.5}, {below: 1}, PROBE)
    three, two = ({0.05: 1 - events / 30, bad: events / 30} for events in (THREE, TWO))
    few = histogram(WEBHOOK_DURATION, {0.05: 1}, three, two, PROBE)
    return Case(
        alert, seen, within, 420, not_yet=not_yet, warm=300, seen_by=SUMMED, few=few, fills=300, after_outage=True
    )


def errors(
    alert: str,
    *,
    bad: float,
    below: float,
    within: int,
    resolves: int,
    not_yet: int,
    minutes: int = 0,
    window: int = 0,
    after_outage: bool = True,
) -> Case:
    """A share of the webhooks fails. With a window (seconds): few of many fewer webhooks within it."""
    step = minutes * 60 or 10

    def samples(per: float, *shares: float) -> tuple[Counter, ...]:
        """Of so many webhooks a step these shares fail when all is well, when it is bad, and below."""
        name = 'prober_probe_samples_total{probe="webhook",result="%s"}'
        return (
            Counter(name % "good", *((1 - share) * per for share in shares)),
            Counter(name % "bad", *(share * per for share in shares)),
        )

    return Case(
        alert,
        samples(step / 10, 0, bad, below),
        within,
        resolves,
        not_yet=not_yet,
        minutes=minutes,
        warm=900 if minutes else 300,
        nan=not minutes,
        seen_by=SUMMED,
        few=samples(TWO * step / window / bad, 0, bad * THREE / TWO, bad) if window else (),
        fills=window,
        after_outage=after_outage,
    )


def budget(
    alert: str,
    edge: float,
    *,
    bad: float,
    below: float,
    within: int,
    resolves: int,
    not_yet: int,
    minutes: int,
    after_outage: bool = True,
) -> Case:
    """A share of the answers takes longer than the edge."""
    per = 6 * minutes

    def seen(share: float) -> Observed:
        return {0.05: (1 - share) * per, edge * 1.4: share * per}

    series = histogram(WEBHOOK_DURATION, {0.05: per}, seen(bad), seen(below), PROBE, edges=(edge,))
    return Case(
        alert,
        series,
        within,
        resolves,
        not_yet=not_yet,
        minutes=minutes,
        warm=900,
        nan=False,
        seen_by=SUMMED,
        after_outage=after_outage,
    )


def throughput(alert: str, *, bad: float, below: float) -> Case:
    series = (
        Gauge(f"prober_suite_last_result{{{RPS}}}", 900, bad, below),
        Gauge(f"prober_suite_last_verdict{{{RPS}}}", 1, 3, 1),
        Moment(f"prober_suite_last_timestamp_seconds{{{LOAD}}}", 60, 60, 60),
    )
    return Case(alert, series, 10, 10)


def verdict(alert: str, *, bad: int, below: int) -> Case:
    series = (
        Gauge(f'prober_suite_last_verdict{{{DRILL},measure="error_rate"}}', 0, bad, below),
        Moment(f"prober_suite_last_timestamp_seconds{{{DRILL}}}", 60, 60, 60),
    )
    return Case(alert, series, 10, 10)


def open_violations(alert: str, kind: str) -> Case:
    return Case(alert, (Gauge(f'prober_open_violations{{kind="{kind}"}}', 0, 1, 0),), 10, 10)


def win_rate(alert: str, *, bad: float, below: float) -> Case:
    series = (
        Gauge("vendor_routing_win_rate{}", 1, bad, below),
        Gauge('vendor_routing_win_rate_races{verdict="judged"}', 20, 20, 20),
        Gauge('prober_known_violations{kind="no_winner"}', 0, 0, 0),
    )
    return Case(alert, series, 80, 10, not_yet=50)


def race_time(alert: str, *, bad: float, below: float) -> Case:
    seen = histogram(RACE_DURATION, {0.05: 1 / 6}, {bad: 1 / 6}, {below: 1 / 6})
    three, two = ({0.05: (15 - events) / 90, 9: events / 90} for events in (THREE, TWO))
    few = histogram(RACE_DURATION, {0.05: 1 / 6}, three, two)
    return Case(alert, seen, 900, 1000, warm=300, seen_by=SUMMED, few=few, after_outage=True)


def operations(alert: str, metric: Metric, operation: str, *, bad: float, below: float) -> Case:
    labels = f'operation="{operation}"'
    seen = histogram(metric, {0.0008: 10}, {0.0008: 5, bad: 5}, {below: 10}, labels)
    three, two = ({0.0008: 1 - events / 30, bad: events / 30} for events in (THREE, TWO))
    few = histogram(metric, {0.0008: 1}, three, two, labels)
    return Case(alert, seen, 620, 500, not_yet=280, seen_by=SUMMED, few=few)


def share_of(alert: str, metric_series: Sequence[Series], within: int, not_yet: int) -> Case:
    return Case(alert, tuple(metric_series), within, 900, warm=600, not_yet=not_yet)


def gauge(
    alert: str, series: str, *, ok: float, bad: float, below: float, pending: int, seen_by: Seen = ONE
) -> Case:
    every = 60 if pending >= 1800 else 10
    not_yet = pending - every if pending else 0
    return Case(
        alert,
        (Gauge(series, ok, bad, below),),
        pending + (2 * every if pending else 10),
        60,
        not_yet=not_yet,
        every=every,
        seen_by=seen_by,
    )
