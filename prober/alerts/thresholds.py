"""Every number that an alert compares with: the guide's edges, taken from there, and our own with reasons."""

from __future__ import annotations

from dataclasses import dataclass

from prober.guide.breaking_points import Edge, edges
from prober.guide.budgets import BUDGETS
from prober.guide.targets import TARGETS
from prober.outcome import Measure, Suite, Verdict


def edge(suite: Suite, measure: Measure, row: str) -> Edge:
    """Where the guide's row (as the guide writes it) begins; LookupError where it is no step to the worse."""
    for found in edges(measure, suite):
        if found.point.row == row:
            return found
    raise LookupError(f"{suite}: {measure} has no edge that begins the row {row!r}")


def first_edge(suite: Suite, measure: Measure, verdict: Verdict) -> Edge:
    """Where the verdict begins."""
    return next(found for found in edges(measure, suite) if found.verdict is verdict)


def target(suite: Suite, measure: Measure) -> float:
    """The figure of one of the guide's production targets."""
    (found,) = (each.range.ends[0] for each in TARGETS if each.suite is suite and each.measure is measure)
    return found


def budget(measure: Measure) -> float:
    """The figure of one of the guide's budgets per feature."""
    (found,) = (each.range.ends[0] for each in BUDGETS if each.measure is measure)
    return found


@dataclass(frozen=True, slots=True)
class Own:
    """A threshold that the guide does not name."""

    name: str
    value: float
    unit: str
    why: str


DOWN_AFTER = Own(
    "how long an outage of Redis or PostgreSQL lasts until it pages",
    10,
    "s",
    (
        "a restart of 5 s pages nobody; with scrape, evaluation and group_wait a page comes 15 to 35 s after the "
        "first failed probe"
    ),
)
PATH_DOWN_AFTER = Own(
    "how long an outage of the webhook path lasts until it pages",
    20,
    "s",
    "one answer that never comes is an outage of 10 s (its timeout) and some probes: two in a row are 20 s",
)
HALF = Own(
    "share of the live probers that have to see an outage",
    0.5,
    "",
    "one prober of three with a broken network wakes nobody while the others see all well; of two, one is half",
)
RACES_ENOUGH = Own("judged races from which a win rate says something", 20, "races", "one of them is 5 %")
POOL = Own(
    "pool usage", 0.8, "", "the guide's advice on RPS begins with the pool; below 0.8 it is not what is short"
)
ROLLBACKS = Own(
    "rollbacks a second",
    1.0,
    "/s",
    "the guide wants none of a drill's own; a healthy application rolls back now and then, not all the time",
)
LONG_TRANSACTION = Own(
    "age of the oldest transaction", 300, "s", "nothing in this system works in one transaction for minutes"
)
CERTIFICATE_SOON = Own("days until the certificate ends", 21, "days", "automatic renewal happens 30 days before")
CERTIFICATE_NOW = Own(
    "days until the certificate ends", 3, "days", "a weekend, and somebody has to renew it by hand"
)
NO_SUCCESS = Own(
    "time without one good run of a probe",
    900,
    "s",
    "the rarest check runs every 5 minutes: at least three in a row have failed",
)
LATE = Own(
    "share of runs that start more than a second late, or not at all", 0.1, "", "schedules have their jitter"
)
LATE_BY = Own("what a late start is", 1.0, "s", "the shortest interval as shipped")
LAG = Own("share of timers that fire more than 50 ms late", 0.05, "", "what we add to one latency in twenty")
LAG_BY = Own("what a late timer is", 0.05, "s", "a tenth of the guide's first latency edge (500 ms)")
FRESH_SUITE = Own("age at which the last result of a suite says nothing any more", 7 * 86400, "s", "a week")
RESTARTS = Own("starts of the prober in an hour", 3, "", "deployments come one at a time, crashes in series")
CAP_HITS = Own(
    "requests kept back by our own caps in 15 minutes", 3, "", "the caps fit the config; one can be chance"
)

OWN: tuple[Own, ...] = tuple(each for each in globals().values() if isinstance(each, Own))
