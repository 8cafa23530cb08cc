"""The database: up, quick, its pool not full, nothing stuck."""

from __future__ import annotations

from prober.dashboards.health import prober_itself
from prober.dashboards.overview import STATE
from prober.dashboards.panel import Dashboard, Look, Panel, Place, Query, Row, Unit
from prober.dashboards.promql import RANGE, counted, gained, happened, majority, of, over, quantile, rate
from prober.dashboards.thresholds import ANY_IS_BAD, ANY_IS_NOTABLE, breaking, budget
from prober.outcome import Measure, Suite
from prober.web.catalogue import probing, stores

_DATABASE = 'probe=~"database|database_pooled"'
_RECOVERY = breaking(Suite.DB_RESTART, Measure.RECOVERY_TIME)

OUTAGES = Row(
    "Up or down",
    (
        Panel(
            title="Outages of PostgreSQL",
            question="Is PostgreSQL up, itself and through the pooler, and when was it not?",
            good="no red. The pooled way down alone is the pooler.",
            look=Look.STATES,
            unit=Unit.STATE,
            queries=(Query(majority(probing.OUTAGE, "probe", matchers=_DATABASE), "{{probe}}"),),
            words=STATE,
            steps=ANY_IS_BAD,
            width=12,
            height=5,
        ),
        Panel(
            title="Recovery time",
            question="How long does this outage take so far, or how long was the longest of the last minutes?",
            good="0; under 5 s is excellent, from 10 s on a warning, over 30 s critical.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(over("max", of(stores.DATABASE_RECOVERY)), "recovery time"),),
            steps=_RECOVERY,
            width=12,
            height=5,
        ),
        Panel(
            title="Failed runs by outcome",
            question="What does the probe meet?",
            good="nothing. `starting` and `shutdown` are PostgreSQL's own words.",
            look=Look.BARS,
            unit=Unit.COUNT,
            queries=(
                Query(
                    happened(
                        counted(probing.PROBE_RUNS, "probe", "outcome", matchers=f'{_DATABASE},outcome!="ok"')
                    ),
                    "{{probe}} {{outcome}}",
                ),
            ),
            width=8,
        ),
        Panel(
            title="Length of outages that ended, p95",
            question="How long do outages take?",
            good="no value: no outage ended in that time.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.95, probing.OUTAGE_DURATION, "probe", matchers=_DATABASE), "{{probe}}"),),
            steps=_RECOVERY,
            width=8,
        ),
        Panel(
            title="Restarts and recovery",
            question="Was PostgreSQL started anew in the time shown, and does it replay its log now?",
            good="0 and 0. In recovery it takes no writes.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(
                Query(gained(probing.RESTARTS, matchers='service="database"', window=RANGE), "restarts"),
                Query(over("max", of(stores.IN_RECOVERY)), "in recovery"),
            ),
            steps=ANY_IS_NOTABLE,
            width=8,
        ),
    ),
)

INSIDE = Row(
    "Pool, latency, locks",
    (
        Panel(
            title="Pool usage",
            question="How much of the application's connection pool is busy?",
            good="well under 80 %. At 100 % requests wait for a connection, and latency follows.",
            look=Look.LINES,
            unit=Unit.RATIO,
            queries=(Query(over("max", of(stores.POOL_USAGE)), "busy"),),
            top=1,
            width=8,
        ),
        Panel(
            title="Latency by operation, p99",
            question="How fast is PostgreSQL itself?",
            good="a few milliseconds; the guide's budget for a database operation is 100 ms at p99.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.99, stores.DATABASE_OPERATION, "operation"), "{{operation}}"),),
            steps=budget(Measure.DATABASE_P99),
            width=8,
        ),
        Panel(
            title="Rollbacks",
            question="Do transactions fail?",
            good="near none; races that lose roll back where the application works so.",
            look=Look.LINES,
            unit=Unit.PER_SECOND,
            queries=(Query(over("max", rate(stores.ROLLBACKS), "datname"), "{{datname}}"),),
            width=8,
        ),
        Panel(
            title="Oldest transaction",
            question="Does one transaction hold everything up?",
            good="under a minute. Minutes are a forgotten session; `pg_stat_activity` names it.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(over("max", of(stores.LONGEST_TRANSACTION)), "age"),),
            width=8,
        ),
        Panel(
            title="Sessions that wait for a lock",
            question="Do sessions block each other?",
            good="0, with short peaks while vendors race.",
            look=Look.LINES,
            unit=Unit.COUNT,
            queries=(Query(over("max", of(stores.LOCK_WAITERS)), "waiting"),),
            width=8,
        ),
        Panel(
            title="Replication lag",
            question="How far is the standby behind, where the prober watches one?",
            good="under a second; absent on a primary.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(
                Query(
                    over("max", of(stores.REPLICATION_LAG)),
                    "lag",
                    unseen="the demo's PostgreSQL is a primary, and a primary has no lag",
                ),
            ),
            width=8,
        ),
    ),
)

DATABASE = Dashboard(
    place=Place.DATABASE,
    title="Prober / Database",
    description="Is PostgreSQL up, how long did it take to come back, is its pool enough?",
    rows=(OUTAGES, INSIDE, prober_itself("database.*")),
)
