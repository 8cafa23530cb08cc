"""Webhooks: answered, how fast, where the time goes, processed or lost."""

from __future__ import annotations

from prober.dashboards.health import prober_itself
from prober.dashboards.panel import Dashboard, Look, Panel, Place, Query, Row, Unit
from prober.dashboards.promql import (
    QUANTILES,
    RANGE,
    counted,
    gained,
    happened,
    of,
    over,
    quantile,
    rate,
    recorded,
)
from prober.dashboards.thresholds import ANY_IS_BAD, ANY_IS_NOTABLE, breaking
from prober.outcome import Measure, Suite
from prober.web.catalogue import delivery, probing

_PROBED = 'source="probe"'
_P99 = breaking(Suite.WEBHOOK_LOAD, Measure.LATENCY_P99)

ANSWERS = Row(
    "Answers",
    (
        Panel(
            title="Answer time, five minutes",
            question="How fast are webhooks answered, as the alerts judge it?",
            good="p99 under 500 ms (orange from there, red from 2 s, dark red from 5 s), p95 under 200 ms.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=tuple(Query(over("max", recorded(q)), f"p{q * 100:g}") for q in QUANTILES),
            steps=_P99,
            width=12,
        ),
        Panel(
            title="Answer time, as it happens",
            question="When exactly did it become slow?",
            good="flat. With one probe every 10 s a single slow answer is the whole p99 of its minute.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=tuple(
                Query(quantile(q, delivery.WEBHOOK_DURATION, matchers=_PROBED), f"p{q * 100:g}") for q in QUANTILES
            ),
            steps=_P99,
            width=12,
        ),
        Panel(
            title="Errors, share of webhooks",
            question="How many webhooks does the endpoint fail?",
            good="under 0.1 %; from 1 % on it is critical. A 429 is no error.",
            look=Look.LINES,
            unit=Unit.RATIO,
            queries=(
                Query(
                    f"{over('sum', rate(delivery.WEBHOOK_ERRORS, _PROBED))} / "
                    f"{over('sum', rate(delivery.WEBHOOK_REQUESTS, _PROBED))}",
                    "errors",
                ),
            ),
            steps=breaking(Suite.WEBHOOK_LOAD, Measure.ERROR_RATE),
            width=8,
        ),
        Panel(
            title="Errors by reason",
            question="What do failing webhooks meet?",
            good="nothing. `refused`: the process is gone; `timeout`: it hangs; `server_error`: its own word.",
            look=Look.BARS,
            unit=Unit.COUNT,
            queries=(Query(happened(counted(delivery.WEBHOOK_ERRORS, "reason", matchers=_PROBED)), "{{reason}}"),),
            width=8,
        ),
        Panel(
            title="Webhooks by check and status",
            question="What was sent, and what did the endpoint say?",
            good="2xx for delivery and duplicate, 403 for both signature checks (and for the path check).",
            look=Look.LINES,
            unit=Unit.PER_SECOND,
            queries=(
                Query(
                    happened(over("sum", rate(delivery.WEBHOOK_REQUESTS), "check", "code")), "{{check}} {{code}}"
                ),
            ),
            width=8,
        ),
        Panel(
            title="Where the time goes",
            question="Which phase of the exchange is slow, on the average?",
            good="nearly all in `wait`, the target's own time; `connect` or `tls` growing is the network.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(
                Query(
                    f"{over('sum', rate(delivery.WEBHOOK_PHASE, suffix='_sum'), 'phase')} / "
                    f"{over('sum', rate(delivery.WEBHOOK_PHASE, suffix='_count'), 'phase')}",
                    "{{phase}}",
                ),
            ),
            width=12,
        ),
        Panel(
            title="Certificate ends in",
            question="How long is the endpoint's certificate still good?",
            good="more than three weeks: renewal happens a month before the end.",
            look=Look.STAT,
            unit=Unit.SECONDS,
            queries=(
                Query(
                    f"{over('min', of(delivery.TLS_NOT_AFTER))} - time()",
                    "certificate",
                    unseen="the demo's target speaks plain HTTP, so there is no certificate",
                ),
            ),
            width=4,
        ),
        Panel(
            title="Health pages and routes",
            question="Does a health page claim health while a service is down, or is a route missing?",
            good="0 everywhere.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(
                Query(over("max", of(probing.HEALTH_LIES), "page"), "{{page}} lies"),
                Query(over("sum", over("max", of(probing.ROUTES_MISSING), "route")), "routes missing"),
            ),
            steps=ANY_IS_BAD,
            width=8,
        ),
    ),
)

EFFECTS = Row(
    "Effects",
    (
        Panel(
            title="Processing delay",
            question="How long until an accepted webhook has its effect?",
            good="well under the processing deadline of 60 s, and no slope: a slope is a queue that fills.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=tuple(Query(quantile(q, delivery.WEBHOOK_PROCESSING), f"p{q * 100:g}") for q in QUANTILES),
            width=8,
        ),
        Panel(
            title="How waits ended",
            question="Did accepted webhooks take effect?",
            good="`done` alone. `not_known` could not be asked, and is not lost.",
            look=Look.BARS,
            unit=Unit.COUNT,
            queries=(Query(counted(delivery.WEBHOOK_SETTLED, "settlement"), "{{settlement}}"),),
            width=8,
        ),
        Panel(
            title="Lost and late, in the time shown",
            question="How many accepted webhooks never took effect, or only after the deadline?",
            good="0 and 0. Late ones were called lost before, until they came.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(
                Query(gained(delivery.WEBHOOK_LOST, window=RANGE), "lost"),
                Query(gained(delivery.WEBHOOK_LATE, window=RANGE), "late"),
            ),
            steps=ANY_IS_NOTABLE,
            width=4,
        ),
        Panel(
            title="Violations, in the time shown",
            question="Did the endpoint do what a correct one never does?",
            good="0 of each: no forged or unsigned message accepted, no effect twice, no replay, none lost.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(Query(gained(delivery.WEBHOOK_VIOLATIONS, "kind", window=RANGE), "{{kind}}"),),
            steps=ANY_IS_BAD,
            width=4,
        ),
    ),
)

WEBHOOK = Dashboard(
    place=Place.WEBHOOK,
    title="Prober / Webhook",
    description="Are webhooks answered, how fast, where does the time go, and do they take effect?",
    rows=(ANSWERS, EFFECTS, prober_itself("webhook.*|health")),
)
