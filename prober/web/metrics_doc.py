"""docs/metrics.md, made from the catalogue: `python -m prober.web.metrics_doc > docs/metrics.md`."""

from __future__ import annotations

import sys

from prober.web.catalogue import METRICS
from prober.web.metric import OTHER, Group, Kind, Label, Metric

_HEAD = f"""\
# Metrics

Generated from `prober/web/catalogue/`; a test fails when this file is not current.

Label values come from closed sets. What is outside of a set, whatever a target sends, is exported as `{OTHER}`.
Counters and histograms exist at 0 from the start for all labels that this config can have. A gauge is absent
until it was measured, absent again once the measurement is stale, and absent where this mode, grant or contract
cannot see it: absent is *not observable*, never 0. Metrics of a probe that is switched off do not exist.

Counters begin at 0 when the prober starts, as Prometheus expects of a process. Those marked *kept across
restarts* are restored from the journal instead.
"""

_FOOT = """\
## The processes

CPU time, memory, file descriptors and start time of the two processes, as every Prometheus client exports them:
`process_*` is the process that probes, `prober_web_process_*` the one that answers scrapes.
`process_start_time_seconds`, `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_open_fds` and `process_max_fds`.

## Exemplars

With OpenMetrics, the buckets of `whatsapp_webhook_duration_seconds` and `vendor_routing_response_time_seconds`
and the samples of `whatsapp_webhook_requests_total` carry the `trace_id` of the `traceparent` header that was
sent, so that a slow bucket leads to its trace in the target.
"""


def markdown() -> str:
    """Render the whole document."""
    chapters = [_chapter(group) for group in Group]
    return "\n".join([_HEAD, *chapters, _FOOT])


def plain() -> str:
    """Render a list for a terminal: each name with its type and labels, and below it what it means."""
    lines = []
    for metric in METRICS:
        labels = ",".join(metric.label_names)
        lines.append(f"{metric.name}{f'{{{labels}}}' if labels else ''} ({_kind(metric)})")
        lines.append(f"    {metric.help}")
    return "\n".join([*lines, ""])


def _chapter(group: Group) -> str:
    rows = [metric for metric in METRICS if metric.group is group]
    lines = [f"## {group}", "", "| name | type | labels | unit | meaning |", "|---|---|---|---|---|"]
    lines += [
        f"| `{metric.name}` | {_kind(metric)} | {_labels(metric)} | {metric.unit} | {metric.help} |"
        for metric in rows
    ]
    lines.append("")
    buckets = [metric for metric in rows if metric.kind is Kind.HISTOGRAM]
    if buckets:
        lines += ["Buckets:", ""]
        lines += [f"- `{metric.name}`: {_edges(metric)}" for metric in buckets]
        lines.append("")
    return "\n".join(lines)


def _kind(metric: Metric) -> str:
    return "gauge (info)" if metric.kind is Kind.INFO else metric.kind.value


def _labels(metric: Metric) -> str:
    return "<br>".join(_label(label) for label in metric.labels)


def _label(label: Label) -> str:
    values = ", ".join(f"`{value}`" for value in label.values)
    return f"`{label.name}`: {values or label.configured}"


def _edges(metric: Metric) -> str:
    return " ".join(f"{edge:g}" for edge in metric.buckets)


if __name__ == "__main__":
    sys.stdout.write(markdown())
