"""The row that every dashboard but the overview ends with: whether the prober's own figures can be believed."""

from __future__ import annotations

from prober.dashboards.panel import Look, Panel, Query, Row, Unit
from prober.dashboards.promql import RANGE, counted, of, over, quantile
from prober.dashboards.thresholds import ANY_IS_NOTABLE, NO_JUDGEMENT
from prober.web.catalogue import probing


def prober_itself(probes: str) -> Row:
    """Lateness, skipped runs, loop lag and caps; `probes`: a regular expression."""
    these = f'probe=~"{probes}"'
    return Row(
        "The prober itself",
        (
            Panel(
                title="Late starts, p99",
                question="Do our probes run when they should?",
                good="under 50 ms. Late probes measure the prober's machine and not the target.",
                look=Look.LINES,
                unit=Unit.SECONDS,
                queries=(Query(quantile(0.99, probing.PROBE_LATENESS, "probe", matchers=these), "{{probe}}"),),
                width=6,
            ),
            Panel(
                title="Runs that did not happen",
                question="Which runs were left out, and why?",
                good="nothing, or `maintenance` and `paused` when wanted; `overrun` is a hanging target.",
                look=Look.BARS,
                unit=Unit.COUNT,
                queries=(Query(counted(probing.PROBE_SKIPPED, "reason", matchers=these), "{{reason}}"),),
                width=6,
            ),
            Panel(
                title="Event loop lag, p99",
                question="How much may our own slowness add to a latency?",
                good="a few milliseconds. From 50 ms on, take no latency at its word.",
                look=Look.LINES,
                unit=Unit.SECONDS,
                queries=(Query(quantile(0.99, probing.LOOP_LAG, "instance"), "{{instance}}"),),
                width=6,
            ),
            Panel(
                title="Caps and leftovers",
                question="Did our own caps hold anything back, and is something of ours left in the target?",
                good="0 of each. Leftovers are removed by the next sweep; `prober cleanup` does it at once.",
                look=Look.STAT,
                unit=Unit.COUNT,
                queries=(
                    Query(counted(probing.RATE_CAP_HITS, window=RANGE), "cap hits"),
                    Query(over("max", of(probing.LEFTOVERS), "kind"), "left: {{kind}}"),
                ),
                steps=ANY_IS_NOTABLE,
                width=6,
            ),
            Panel(
                title="Last run: success",
                question="What did each probe find last?",
                good="1 everywhere.",
                look=Look.LINES,
                unit=Unit.STATE,
                queries=(Query(over("min", of(probing.PROBE_SUCCESS, these), "probe"), "{{probe}}"),),
                top=1,
                width=8,
            ),
            Panel(
                title="Last run: duration and timeout",
                question="How close do runs come to their timeout?",
                good="far below the timeout, which is shown beside it.",
                look=Look.LINES,
                unit=Unit.SECONDS,
                queries=(
                    Query(over("max", of(probing.PROBE_DURATION, these), "probe"), "{{probe}}"),
                    Query(over("max", of(probing.PROBE_TIMEOUT, these), "probe"), "{{probe}} timeout"),
                ),
                width=8,
            ),
            Panel(
                title="Versions",
                question="What runs here?",
                good="the same version everywhere.",
                look=Look.STAT,
                unit=Unit.COUNT,
                queries=(
                    Query(over("count", of(probing.BUILD_INFO), "version", "python"), "{{version}} on {{python}}"),
                ),
                steps=NO_JUDGEMENT,
                width=8,
            ),
        ),
    )
