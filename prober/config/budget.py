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


def starts_within(window: float, interval: float, jitter: float) -> int:
    """The most starts of a probe in any half-open window, all in seconds.

    Starts lie up to `jitter` after the points of a grid of `interval`, so that a late start and the
    early ones after it draw together: `n` starts take at least `(n - 1) * interval - jitter`.
    """
    return math.ceil(round((window + jitter) / interval, 9))


def flapping_starts_within(window: float, interval: float, down_interval: float, recovery_successes: int) -> int:
    """The most starts in any half-open window over every course of outages; no state sends more than this.

    An outage is at least a failure and `recovery_successes` good runs, `down_interval` apart. The schedule then
    goes on one interval after the last run but one, which can be sooner than `down_interval` after the last.
    One start more, because a late start before the outage and the first within it draw together too.
    """
    cycle = (recovery_successes - 1) * down_interval + interval
    spacing = min(down_interval, cycle / (recovery_successes + 1))
    return math.ceil(round(window / spacing, 9)) + 1


def webhook_budget(config: Config) -> Budget:
    """Add up the worst minute over all checks that ask the webhook route."""
    window = config.target.rate_limit.per_seconds
    webhook, health = config.probes.webhook, config.probes.health
    terms = []
    if webhook.enabled:
        requests = flapping_starts_within(
            window, webhook.interval, webhook.down_interval, config.outages.recovery_successes
        )
        why = f"every {format_duration(webhook.down_interval)} while down"
        if webhook.interval < 2 * webhook.down_interval:
            why += ", sooner as it ends"
        terms.append(Term("delivery", requests, why, ("probes", "webhook", "down_interval")))
    if health.enabled:
        requests = starts_within(window, health.interval, health.jitter)
        why = f"every {format_duration(health.interval)}"
        terms.append(Term("health", requests, why, ("probes", "health", "interval")))
    return Budget(config.target.rate_limit, tuple(terms))
