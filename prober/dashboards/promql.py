"""Expressions of the dashboards, made from the metric catalogue, so that no name in them is made up."""

from __future__ import annotations

from prober.web.catalogue import delivery
from prober.web.metric import Kind, Metric

CHOSEN = 'job=~"$job",region=~"$region"'  # by the variables at the top; `region` may be in no series
RATE = "$__rate_interval"
RANGE = "$__range"
QUANTILES = (0.5, 0.95, 0.99)


def of(metric: Metric, matchers: str = "", *, suffix: str = "") -> str:
    """A selector of the metric's series of the chosen instances; `matchers` as PromQL has them."""
    if (metric.kind is Kind.HISTOGRAM) != bool(suffix):
        raise ValueError(f"{metric.name}: expected a suffix for a histogram and for nothing else, got {suffix!r}")
    inside = ",".join(part for part in (CHOSEN, 'instance=~"$instance"', matchers) if part)
    return f"{metric.name}{suffix}{{{inside}}}"


def over(operator: str, expr: str, *by: str) -> str:
    """Aggregate, and keep these labels."""
    return f"{operator} by ({', '.join(by)}) ({expr})" if by else f"{operator}({expr})"


def rate(metric: Metric, matchers: str = "", *, suffix: str = "") -> str:
    """How many a second."""
    return f"rate({of(metric, matchers, suffix=suffix)}[{RATE}])"


def counted(metric: Metric, *by: str, matchers: str = "", suffix: str = "", window: str = RATE) -> str:
    """How many in the window, over all chosen instances."""
    return over("sum", f"increase({of(metric, matchers, suffix=suffix)}[{window}])", *by)


def happened(counts: str) -> str:
    """Of counts those above 0: a legend of dozens of labels that never came up hides the one that did."""
    return f"{counts} > 0"


def quantile(q: float, metric: Metric, *by: str, matchers: str = "") -> str:
    """A quantile of a histogram; nothing where there was no sample."""
    rates = over("sum", rate(metric, matchers, suffix="_bucket"), *by, "le")
    return f"histogram_quantile({q:g}, {rates})"


def recorded(q: float) -> str:
    """A quantile of the webhook's answers over five minutes, as the shipped rules record it (SPEC 7)."""
    return f'{delivery.WEBHOOK_DURATION.name}{{{CHOSEN},quantile="{q:g}"}}'


def mean(metric: Metric, *by: str) -> str:
    """The mean of a histogram's samples."""
    return f"{over('sum', rate(metric, suffix='_sum'), *by)} / {over('sum', rate(metric, suffix='_count'), *by)}"


def majority(metric: Metric, *by: str, matchers: str = "") -> str:
    """1 where at least half of the live probers say 1 (SPEC 9), else 0.

    Not the recorded `job:prober_down:bool` of the alerts, which waits ten seconds and knows no instances.
    """
    return f"{over('avg', of(metric, matchers), *by)} >= bool 0.5"


def gained(metric: Metric, *by: str, matchers: str = "", window: str = RATE) -> str:
    """By how much a counter grew that every instance counts for itself: the most that one of them saw."""
    return over("max", f"increase({of(metric, matchers)}[{window}])", *by)


def age(metric: Metric, *by: str, matchers: str = "") -> str:
    """How long ago the newest of these points in time was."""
    return f"time() - {over('max', of(metric, matchers), *by)}"
