"""The few shapes of PromQL that all our expressions are built of."""

from __future__ import annotations

from prober.guide.breaking_points import Edge
from prober.web.metric import Metric

# Only our own series: an application may export the same names from another job.
JOB = 'job="prober"'
# What an aggregation over instances keeps. `region` is there where it is a label of the target; as an external
# label it is added on the way out and is in no series that a rule sees.
KEPT = "job, region"
# A value is taken from the last scrape that brought one, if it is not older than this: four scrapes of 10 s.
HELD = "40s"
# So many events at least, before any share of events says something. `increase` extrapolates: three events read
# as 2.9 or 3.1, two never as more than 2.2 over a window of minutes.
EVENTS = 3
ENOUGH = EVENTS - 0.5
# In a template: how many events. Without the fractions that the extrapolation of `increase` makes of them.
COUNT = '{{ $value | printf "%.0f" }}'


def of(metric: Metric | str, *matchers: str, suffix: str = "") -> str:
    """A selector of our own series: `name{job="prober",…}`."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{suffix}{{{','.join((JOB, *matchers))}}}"


def eq(label: str, value: object) -> str:
    """A matcher: `label="value"`."""
    return f'{label}="{value}"'


def any_of(label: str, *values: object) -> str:
    """A matcher for several values: `label=~"one|other"`."""
    return f'{label}=~"{"|".join(map(str, values))}"'


def held(selector: str, window: str = HELD) -> str:
    """The last value within the window, so that a missed scrape or two neither fires nor resolves anything."""
    return f"last_over_time({selector}[{window}])"


def over(function: str, argument: str, *more: str) -> str:
    """An aggregation over instances: `sum by (job, region, …) (argument)`."""
    return f"{function} by ({', '.join((KEPT, *more))}) ({argument})"


def increase(selector: str, window: str) -> str:
    """How much a counter grew within the window, resets (a restart of the prober) taken into account."""
    return f"increase({selector}[{window}])"


def worse(edge: Edge) -> str:
    """The comparison by which a figure is at least as bad as an edge of the guide: `> 2`."""
    return f"{edge.comparison} {number(edge.value)}"


def number(value: float) -> str:
    """A number as PromQL and people write it."""
    return f"{value:.12g}"


def le(metric: Metric, edge: float) -> str:
    """The matcher of a bucket; ValueError where the histogram has no such edge: nothing is interpolated."""
    if edge not in metric.buckets:
        raise ValueError(f"{metric.name} has no bucket that ends at {edge:g}; it has {metric.buckets}")
    return eq("le", edge)


def p99_by_operation(metric: Metric) -> str:
    """The p99 of a histogram of operations over five minutes."""
    rates = over("sum", f"rate({of(metric, suffix='_bucket')}[5m])", "operation", "le")
    return f"histogram_quantile(0.99, {rates})"


def slower(metric: Metric, limit: float) -> str:
    """The p99 of a histogram of operations is at or over the limit, and at least three were: in five minutes."""
    total = increase(of(metric, suffix="_count"), "5m")
    quick = increase(of(metric, le(metric, limit), suffix="_bucket"), "5m")
    slow = over("sum", f"{total} - ignoring (le) {quick}", "operation")
    return f"{p99_by_operation(metric)} >= {number(limit)}\nand {slow} > {number(ENOUGH)}"
