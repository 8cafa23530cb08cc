"""For on-call: does ordering work, since when not, why; all on one screen."""

from __future__ import annotations

from prober.dashboards.panel import Color, Dashboard, Look, Panel, Place, Query, Row, Unit, Word
from prober.dashboards.promql import QUANTILES, RANGE, age, counted, gained, happened, majority, of, over, recorded
from prober.dashboards.thresholds import (
    ANY_IS_BAD,
    ANY_IS_NOTABLE,
    LESS_THAN_ONE_IS_BAD,
    breaking,
)
from prober.outcome import Measure, Suite
from prober.web.catalogue import delivery, probing, stores

STATE = {0: Word("up", Color.GREEN), 1: Word("DOWN", Color.RED)}
_P99 = breaking(Suite.WEBHOOK_LOAD, Measure.LATENCY_P99)

NOW = (
    Panel(
        title="Up or down now",
        question="Does ordering work, by our own probes? Down is what at least half of the live probers say.",
        good="all green. The webhook path down alone: the application; with Redis or the database: theirs.",
        look=Look.STAT,
        unit=Unit.STATE,
        queries=(Query(majority(probing.OUTAGE, "probe"), "{{probe}}"),),
        words=STATE,
        steps=ANY_IS_BAD,
        width=8,
        height=4,
    ),
    Panel(
        title="Last good run",
        question="Since when not? The time since each probe last found all well.",
        good="no longer than its interval: as shipped 1 s Redis and database, 10 s webhook, 60 s race.",
        look=Look.STAT,
        unit=Unit.SECONDS,
        queries=(
            Query(
                age(probing.PROBE_LAST_SUCCESS, "probe", matchers='probe=~"webhook|race|redis|database"'),
                "{{probe}}",
            ),
        ),
        width=7,
        height=4,
    ),
    Panel(
        title="Open violations",
        question="Did something happen that a correct system never does, and has nobody acknowledged it?",
        good="0. One is enough to page; `prober evidence` and the status page have what was seen.",
        look=Look.STAT,
        unit=Unit.COUNT,
        queries=(Query(over("sum", over("max", of(probing.OPEN_VIOLATIONS), "kind")), "open"),),
        steps=ANY_IS_BAD,
        width=3,
        height=4,
        more=Place.RACES,
    ),
    Panel(
        title="Webhook p99",
        question="How slow are the slowest answers, over five minutes?",
        good="under 500 ms; from 2 s on it is critical.",
        look=Look.STAT,
        unit=Unit.SECONDS,
        queries=(Query(over("max", recorded(0.99)), "p99"),),
        steps=_P99,
        width=3,
        height=4,
        more=Place.WEBHOOK,
    ),
    Panel(
        title="Win rate",
        question="Of the last judged races, how many had exactly one winner?",
        good="100 %. Absent means that too few races could be judged, which is no good sign either.",
        look=Look.STAT,
        unit=Unit.RATIO,
        queries=(Query(over("min", of(delivery.WIN_RATE)), "win rate"),),
        steps=breaking(Suite.VENDOR_RACE, Measure.WIN_RATE),
        width=3,
        height=4,
        more=Place.RACES,
    ),
)

WHY = (
    Panel(
        title="Outages",
        question="What was down, and from when to when?",
        good="no red. An outage lasts from the first failing probe to the first of three good ones.",
        look=Look.STATES,
        unit=Unit.STATE,
        queries=(Query(majority(probing.OUTAGE, "probe"), "{{probe}}"),),
        words=STATE,
        steps=ANY_IS_BAD,
        width=12,
        height=5,
    ),
    Panel(
        title="Why: runs that failed",
        question="What do failing probes meet: refused, timeout, server_error, violation …?",
        good="nothing. `refused` is a process that is gone, `timeout` one that hangs, `violation` a wrong effect.",
        look=Look.BARS,
        unit=Unit.COUNT,
        queries=(
            Query(
                happened(counted(probing.PROBE_RUNS, "probe", "outcome", matchers='outcome!="ok"')),
                "{{probe}} {{outcome}}",
            ),
        ),
        width=12,
        height=5,
    ),
)

FIGURES = (
    Panel(
        title="Webhook answer time",
        question="How fast are webhooks answered?",
        good="p99 under 500 ms and p95 under 200 ms; the lines are the breaking points of p99.",
        look=Look.LINES,
        unit=Unit.SECONDS,
        queries=tuple(Query(over("max", recorded(q)), f"p{q * 100:g}") for q in QUANTILES),
        steps=_P99,
        width=8,
        height=6,
        more=Place.WEBHOOK,
    ),
    Panel(
        title="Races by outcome",
        question="Does exactly one vendor win each order?",
        good="`one_winner` alone. `unavailable`, `unknown` and `setup_failed` are races without a verdict.",
        look=Look.BARS,
        unit=Unit.COUNT,
        queries=(Query(happened(counted(delivery.RACE_OUTCOMES, "outcome")), "{{outcome}}"),),
        width=8,
        height=6,
        more=Place.RACES,
    ),
    Panel(
        title="Queue backlog",
        question="Do jobs wait longer than they should?",
        good="under 100 in every queue, and falling after an outage; above 1000 the workers do not keep up.",
        look=Look.LINES,
        unit=Unit.COUNT,
        queries=(Query(over("max", of(stores.REDIS_BACKLOG), "queue"), "{{queue}}"),),
        steps=breaking(Suite.REDIS_FAILURE, Measure.BACKLOG),
        width=8,
        height=6,
        more=Place.REDIS,
    ),
)

DEPENDENCIES = (
    Panel(
        title="Redis recovery",
        question="How long was Redis away, or how long is it away so far?",
        good="0. Up to 30 s is good.",
        look=Look.STAT,
        unit=Unit.SECONDS,
        queries=(Query(over("max", of(stores.REDIS_RECOVERY)), "redis"),),
        steps=breaking(Suite.REDIS_FAILURE, Measure.RECOVERY_TIME),
        width=3,
        height=4,
        more=Place.REDIS,
    ),
    Panel(
        title="Database recovery",
        question="How long was PostgreSQL away, or how long is it away so far?",
        good="0. Up to 10 s is good, over 30 s critical.",
        look=Look.STAT,
        unit=Unit.SECONDS,
        queries=(Query(over("max", of(stores.DATABASE_RECOVERY)), "database"),),
        steps=breaking(Suite.DB_RESTART, Measure.RECOVERY_TIME),
        width=3,
        height=4,
        more=Place.DATABASE,
    ),
    Panel(
        title="Messages lost",
        question="Was a webhook answered 2xx without ever taking effect, in the time shown?",
        good="0. Lost is what had no effect by the processing deadline; late is what came after it.",
        look=Look.STAT,
        unit=Unit.COUNT,
        queries=(
            Query(gained(delivery.WEBHOOK_LOST, window=RANGE), "lost"),
            Query(gained(delivery.WEBHOOK_LATE, window=RANGE), "late"),
        ),
        steps=ANY_IS_NOTABLE,
        width=4,
        height=4,
        more=Place.WEBHOOK,
    ),
    Panel(
        title="The prober: seen by Prometheus",
        question="Can what stands above be believed? How many probers answer scrapes, and how many may write?",
        good="all of them up, exactly one leader (each replica is one where there is no election).",
        look=Look.STAT,
        unit=Unit.COUNT,
        queries=(
            Query('sum(up{job=~"$job",region=~"$region",instance=~"$instance"})', "up"),
            Query(over("sum", of(probing.LEADER)), "leaders"),
        ),
        steps=LESS_THAN_ONE_IS_BAD,
        width=5,
        height=4,
    ),
    Panel(
        title="The prober: held back",
        question="Does somebody or something hold it back, so that silence means nothing?",
        good="all 0: not paused, no maintenance, last reload good, nothing dropped.",
        look=Look.STAT,
        unit=Unit.COUNT,
        queries=(
            Query(over("max", of(probing.PAUSED)), "paused"),
            Query(over("max", of(probing.MAINTENANCE)), "maintenance"),
            Query(f"1 - {over('min', of(probing.RELOAD_OK))}", "reload refused"),
            Query(counted(probing.EVENTS_DROPPED, window=RANGE), "dropped"),
        ),
        steps=ANY_IS_NOTABLE,
        width=9,
        height=4,
    ),
)

OVERVIEW = Dashboard(
    place=Place.OVERVIEW,
    title="Prober / Overview",
    description="For on-call: does ordering work, since when not, and why. One screen.",
    rows=(Row("", (*NOW, *WHY, *FIGURES, *DEPENDENCIES)),),
)
