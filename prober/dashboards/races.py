"""Races: exactly one winner, how fast, and how many could be judged."""

from __future__ import annotations

from prober.dashboards.health import prober_itself
from prober.dashboards.panel import Dashboard, Look, Panel, Place, Query, Row, Unit
from prober.dashboards.promql import RANGE, age, counted, gained, happened, mean, of, over, quantile
from prober.dashboards.thresholds import ANY_IS_BAD, ANY_IS_NOTABLE, NO_JUDGEMENT, breaking
from prober.outcome import Measure, Suite
from prober.web.catalogue import delivery, probing

_WIN_RATE = breaking(Suite.VENDOR_RACE, Measure.WIN_RATE)
_RACE_TIME = breaking(Suite.VENDOR_RACE, Measure.RACE_TIME)

WINNERS = Row(
    "Exactly one winner",
    (
        Panel(
            title="Win rate",
            question="Of the last judged races, how many had exactly one consistent winner?",
            good="100 %. Below 99 % look at the evidence, below 95 % at constraints, below 80 % at the locking.",
            look=Look.LINES,
            unit=Unit.RATIO,
            queries=(Query(over("min", of(delivery.WIN_RATE)), "win rate"),),
            steps=_WIN_RATE,
            top=1,
            width=10,
        ),
        Panel(
            title="Violations by kind",
            question="What went wrong in races?",
            good="nothing. `multiple_winners` and `split_order` are two vendors with one order.",
            look=Look.BARS,
            unit=Unit.COUNT,
            queries=(Query(gained(delivery.RACE_CONDITIONS, "kind"), "{{kind}}"),),
            steps=ANY_IS_BAD,
            width=8,
        ),
        Panel(
            title="Open violations",
            question="How many violations page, of webhooks too?",
            good="0. One stays open until it is acknowledged, or for `violation_hold` after it was last seen.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(Query(over("sum", over("max", of(probing.OPEN_VIOLATIONS), "kind")), "open"),),
            steps=ANY_IS_BAD,
            width=3,
        ),
        Panel(
            title="Known violations",
            question="How many are acknowledged (`prober ack`)?",
            good="0. A known one does not page until its time is over.",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(Query(over("sum", over("max", of(probing.KNOWN_VIOLATIONS), "kind")), "known"),),
            steps=ANY_IS_NOTABLE,
            width=3,
        ),
        Panel(
            title="Since the last violation",
            question="When was each kind last seen?",
            good="no kind at all: one that was never seen has no value.",
            look=Look.STAT,
            unit=Unit.SECONDS,
            queries=(Query(age(probing.LAST_VIOLATION, "kind"), "{{kind}}"),),
            width=24,
            height=4,
        ),
    ),
)

COURSE = Row(
    "How races went",
    (
        Panel(
            title="Outcomes",
            question="How did all races end, those without a verdict too?",
            good="`one_winner`. During an outage `unavailable` is right, and no violation.",
            look=Look.BARS,
            unit=Unit.COUNT,
            queries=(Query(happened(counted(delivery.RACE_OUTCOMES, "outcome")), "{{outcome}}"),),
            width=8,
        ),
        Panel(
            title="Judged and not, in the window",
            question="On how many races does the win rate stand?",
            good="`judged` near the window's size (100), `unjudged` near 0; too many of those, and it is absent.",
            look=Look.LINES,
            unit=Unit.COUNT,
            queries=(Query(over("max", of(delivery.WIN_RATE_RACES), "verdict"), "{{verdict}}"),),
            width=8,
        ),
        Panel(
            title="Races judged, in the time shown",
            question="Do races take place at all?",
            good="as many as the interval says (one a minute as shipped).",
            look=Look.STAT,
            unit=Unit.COUNT,
            queries=(Query(counted(delivery.RACES, window=RANGE), "judged"),),
            steps=NO_JUDGEMENT,
            width=8,
        ),
        Panel(
            title="Race time",
            question="How long from the release of all accepts to the last answer?",
            good="a mean under 100 ms; from 500 ms look at the database, from 1 s at its locks.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(
                Query(mean(delivery.RACE_DURATION), "mean"),
                Query(quantile(0.95, delivery.RACE_DURATION), "p95"),
            ),
            steps=_RACE_TIME,
            width=8,
        ),
        Panel(
            title="A vendor's answer time",
            question="How long does one vendor wait for an answer?",
            good="close to the race time: whoever loses should learn it as fast as the winner.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(
                Query(quantile(0.5, delivery.RESPONSE_TIME), "p50"),
                Query(quantile(0.99, delivery.RESPONSE_TIME), "p99"),
            ),
            steps=_RACE_TIME,
            width=8,
        ),
        Panel(
            title="Release spread, p95",
            question="Did the vendors really ask at one instant?",
            good="under a millisecond; a wide spread is a weak test, not a bad target.",
            look=Look.LINES,
            unit=Unit.SECONDS,
            queries=(Query(quantile(0.95, delivery.RACE_SPREAD), "first to last accept"),),
            width=8,
        ),
    ),
)

RACES = Dashboard(
    place=Place.RACES,
    title="Prober / Races",
    description="Does exactly one vendor win each order, and how fast?",
    rows=(WINNERS, COURSE, prober_itself("race")),
)
