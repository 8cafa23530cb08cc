"""Redis: up, quick, its queues short, its memory enough."""

from __future__ import annotations

from prober.dashboards.health import prober_itself
from prober.dashboards.overview import STATE
from prober.dashboards.panel import Dashboard, Look, Panel, Place, Query, Row, Unit
from prober.dashboards.promql import RANGE, counted, gained, happened, majority, of, over, quantile
from prober.dashboards.thresholds import ANY_IS_BAD, ANY_IS_NOTABLE, NO_JUDGEMENT, breaking, budget
from prober.outcome import Measure, Suite
from prober.web.catalogue import probing, stores

_REDIS = 'probe="redis"'
_RECOVERY = breaking(Suite.REDIS_FAILURE, Measure.RECOVERY_TIME)

OUTAGES = Row(
    "Up or down",
    (
        Panel(
            title="Outages of Redis",
            question="Is Redis up, and when was it not?",
            good="no red.",
            look=Look.STATES,
            unit=Unit.STATE,
            queries=(Query(majority(probing.OUTAGE, "probe", matchers=_REDIS), "{{probe}}"),),
            words=STATE,
            steps=ANY_IS_BAD,
            width=12,
            height=5,
        ),
        Panel(
            title="Recovery time",
            question="How long does this outage take so far, or how long was the longest of the last minutes?",
            good="0; under 5 s is excellent, over 30 s critical.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(over("max", of(stores.REDIS_RECOVERY)), "recovery time"),),
            steps=_RECOVERY,
            width=12,
            height=5,
        ),
        Panel(
            title="Failed runs by reason",
            question="What does the probe meet?",
            good="nothing. `oom`, `readonly`, `loading`, `misconf`: Redis answers, and refuses to write.",
            look=Look.BARS,
            unit=Unit.COUNT,
            queries=(Query(happened(counted(stores.REDIS_ERRORS, "reason")), "{{reason}}"),),
            width=8,
        ),
        Panel(
            title="Length of outages that ended, p95",
            question="How long do outages take?",
            good="no value: no outage ended in that time.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.95, probing.OUTAGE_DURATION, matchers=_REDIS), "p95"),),
            steps=_RECOVERY,
            width=8,
        ),
        Panel(
            title="Restarts and evictions, in the time shown",
            question="Was Redis started anew, or did it throw keys away?",
            good="0 and 0. An evicted key of a queue is a lost job.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(
                Query(gained(probing.RESTARTS, matchers='service="redis"', window=RANGE), "restarts"),
                Query(gained(stores.REDIS_EVICTED, window=RANGE), "evicted keys"),
            ),
            steps=ANY_IS_NOTABLE,
            width=8,
        ),
    ),
)

INSIDE = Row(
    "Queues, latency, memory",
    (
        Panel(
            title="Backlog by queue",
            question="How many jobs wait that are due?",
            good="under 100; over 1000 the workers do not keep up. After an outage it should fall steadily.",
            look=Look.LINES,
            unit=Unit.COUNT,
            queries=(Query(over("max", of(stores.REDIS_BACKLOG), "queue"), "{{queue}}"),),
            steps=breaking(Suite.REDIS_FAILURE, Measure.BACKLOG),
            width=12,
        ),
        Panel(
            title="Latency by operation, p99",
            question="How fast is Redis itself?",
            good="about a millisecond; the guide's budget for a queue operation is 50 ms at p99.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.99, stores.REDIS_OPERATION, "operation"), "{{operation}}"),),
            steps=budget(Measure.QUEUE_P99),
            width=12,
        ),
        Panel(
            title="Memory used",
            question="Does its memory grow without end?",
            good="a level. A slope ends with `oom` or with evictions.",
            look=Look.LINES,
            unit=Unit.BYTES,
            queries=(Query(over("max", of(stores.REDIS_MEMORY)), "used"),),
            width=12,
        ),
        Panel(
            title="Role",
            question="Which role does the server have that we reach?",
            good="`master`. Anything else refuses the application's writes.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(Query(over("sum", of(stores.REDIS_ROLE), "role"), "{{role}}"),),
            steps=NO_JUDGEMENT,
            width=12,
        ),
    ),
)

REDIS = Dashboard(
    place=Place.REDIS,
    title="Prober / Redis",
    description="Is Redis up, how long did it take to come back, do its queues drain?",
    rows=(OUTAGES, INSIDE, prober_itself("redis")),
)
