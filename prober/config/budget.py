"""How many requests the target's webhook gets from us at worst, against half of its own rate limit.

The limit counts every request to the webhook route from one address, also rejected ones and GETs (TARGET),
so the health probe's look at that route counts too. Pure: a config goes in, a sum with its terms comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from prober.config.document import Path
from prober.config.model import Config
from prober.config.units import Rate, format_duration

# What one round of the rarer checks sends: 7 of duplicates, 2 of signatures, 3 of replays (prober.probes).
CHECKS_REQUESTS = 12


@dataclass(frozen=True, slots=True)
class Term:
    """What one check sends at most within the limit's window, in the state in which it sends most."""

    check: str
    requests: int
    why: str
    key: Path  # the setting that makes it less


@dataclass(frozen=True, slots=True)
class Budget:
    """The terms, and what is allowed: half of `limit`."""

    limit: Rate
    terms: tuple[Term, ...]

    @property
    def total(self) -> int:
        """Requests within one window, at worst."""
        return sum(term.requests for term in self.terms)

    @property
    def allowed(self) -> int:
        """Half of the target's limit, rounded down."""
        return self.limit.count // 2

    @property
    def fits(self) -> bool:
        """Whether the worst case stays within what is allowed."""
        return self.total <= self.allowed

    @property
    def largest(self) -> Term:
        """The term that weighs most; ValueError when there is none."""
        return max(self.terms, key=lambda term: term.requests)

    @property
    def sums(self) -> str:
        """The whole sum in words: `delivery 61 (every 1s while down) + … = 64 in 1m of 100 (half of 200/1m)`."""
        terms = " + ".join(f"{term.check} {term.requests} ({term.why})" for term in self.terms)
        window = format_duration(self.limit.per_seconds)
        return f"{terms or 'nothing'} = {self.total} in {window} of {self.allowed} (half of {self.limit})"


def suite_room(config: Config) -> float:
    """How many requests a second a scheduled suite may send: half of the cap, and what the probes leave of the
    webhook's share at worst."""
    budget = webhook_budget(config)
    cap = config.cap.requests
    left = max(0, budget.allowed - budget.total) / budget.limit.per_seconds
    return min(cap.count / cap.per_seconds / 2, left)


def starts_within(window: float, interval: float, jitter: float) -> int:
    """The most starts of a probe in any half-open window, all in seconds.

    Starts lie up to `jitter` after the points of a grid of `interval`, so that a late start and the
    early ones after it draw together: `n` starts take at least `(n - 1) * interval - jitter`.
    """
    return math.ceil(round((window + jitter) / interval, 9))


def delivery_starts_within(window: float, down_interval: float) -> int:
    """The most starts in any half-open window over every course of outages; no state sends more than this.

    While down, runs are `down_interval` apart, which is at most the interval. One more, because a late start
    before an outage and the first within it draw together.
    """
    return starts_within(window, down_interval, 0.0) + 1


def webhook_budget(config: Config) -> Budget:
    """Add up the worst minute over all checks that ask the webhook route."""
    window = config.target.rate_limit.per_seconds
    webhook, health = config.probes.webhook, config.probes.health
    terms = []
    if webhook.enabled:
        requests = delivery_starts_within(window, webhook.down_interval)
        why = f"every {format_duration(webhook.down_interval)} while down"
        terms.append(Term("delivery", requests, why, ("probes", "webhook", "down_interval")))
        runs = starts_within(window, webhook.checks_interval, webhook.checks_interval / 10)
        why = f"{CHECKS_REQUESTS} every {format_duration(webhook.checks_interval)}"
        terms.append(Term("checks", runs * CHECKS_REQUESTS, why, ("probes", "webhook", "checks_interval")))
    if health.enabled:
        requests = starts_within(window, health.interval, health.jitter)
        why = f"every {format_duration(health.interval)}"
        terms.append(Term("health", requests, why, ("probes", "health", "interval")))
    return Budget(config.target.rate_limit, tuple(terms))
