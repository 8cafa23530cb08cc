"""How much may be asked of the target at once and over time: the arithmetic of the caps, pure.

A token bucket over all HTTP requests, a limit on those in flight, and a sliding window over the webhook route.
`prober.gate` keeps the state and hands out permits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from prober.outcome import RouteFamily

# What one request may differ by because seconds are floats; a millionth of what a token takes at the fastest.
_EPSILON = 1e-8
# Ends of webhook requests are remembered in this many steps of their window, each end rounded up to its step.
_STEPS = 1000
# After a race the winner asks again, a late vendor asks, perhaps one of a second routing, and the status page is
# looked at, twice if need be.
ASKING_AFTERWARDS = 5
PAGE_READS = 2


def race_requests(vendors: int) -> int:
    """The most that one race sends: each vendor warms its way and accepts, in two heats, and what comes after."""
    return 3 * vendors + ASKING_AFTERWARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """What is allowed. `rate` is requests a second; the webhook's window is in seconds.

    In any window of w seconds at most `burst + rate * w` requests are granted, at most `in_flight` are ever
    unanswered, and at most `webhook` of those to the webhook route lie within any `webhook_window`.
    """

    rate: float
    burst: int
    in_flight: int
    webhook: int
    webhook_window: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The requests that are to be granted together, by the family of their route."""

    webhook: int = 0
    routing: int = 0
    pages: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.webhook + self.routing + self.pages

    def of(self, family: RouteFamily) -> int:
        """Those of one family."""
        return {
            RouteFamily.WEBHOOK: self.webhook,
            RouteFamily.ROUTING: self.routing,
            RouteFamily.PAGES: self.pages,
        }[family]

    def without(self, families: frozenset[RouteFamily]) -> Demand:
        """The rest, when nothing may be asked of these families."""
        return Demand(**{f.value: 0 if f in families else self.of(f) for f in RouteFamily})


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What has been granted so far. Instants are monotonic seconds.

    `full_at` is when the bucket is full again. A webhook request counts from its grant until `webhook_window`
    after it was given back: since it reached the target in between, what the target itself counts in any window
    can never be more.
    """

    full_at: float = -math.inf
    in_flight: int = 0
    webhook_held: int = 0
    webhook_ended: tuple[tuple[float, int], ...] = ()  # (end, how many), oldest first

    def webhook_within(self, cap: Cap, now: float) -> int:
        """How many requests to the webhook route count now."""
        since = now - cap.webhook_window
        return self.webhook_held + sum(n for end, n in self.webhook_ended if end > since)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a demand cannot be met now, and from when on that may have changed.

    `until` is infinite where it depends on something being given back. `shared`: it keeps everybody waiting, not
    only those who ask the webhook route. `forever`: no waiting helps, the demand is larger than the cap.
    """

    sentence: str
    until: float = math.inf
    shared: bool = True
    forever: bool = False


def obstacle(cap: Cap, usage: Usage, demand: Demand, now: float) -> Obstacle | None:
    """What stands against this demand at `now`; None when it may be taken."""
    total = demand.total
    for allowed, wanted, what in (
        (cap.burst, total, "burst"),
        (cap.in_flight, total, "limit in flight"),
        (cap.webhook, demand.webhook, "share of the webhook's rate limit"),
    ):
        if wanted > allowed:
            return Obstacle(f"{wanted} requests at once are more than the {what} of {allowed}", forever=True)
    if usage.in_flight + total > cap.in_flight:
        return Obstacle(f"{usage.in_flight} of {cap.in_flight} requests are in flight")
    wait = _full_after(cap, usage, total, now) - cap.burst / cap.rate - now
    if wait > _EPSILON:
        return Obstacle(f"more than {cap.rate:g} requests a second", until=now + wait)
    if demand.webhook and usage.webhook_within(cap, now) + demand.webhook > cap.webhook:
        ends = [end for end, _ in usage.webhook_ended if end > now - cap.webhook_window]
        until = ends[0] + cap.webhook_window if ends else math.inf
        return Obstacle(
            f"{cap.webhook} requests to the webhook within {cap.webhook_window:g} s", until=until, shared=False
        )
    return None


def taken(cap: Cap, usage: Usage, demand: Demand, now: float) -> Usage:
    """The usage after this demand was met at `now`. ValueError when there is an obstacle."""
    if (why := obstacle(cap, usage, demand, now)) is not None:
        raise ValueError(why.sentence)
    return replace(
        usage,
        full_at=_full_after(cap, usage, demand.total, now),
        in_flight=usage.in_flight + demand.total,
        webhook_held=usage.webhook_held + demand.webhook,
        webhook_ended=_recent(cap, usage, now),
    )


def given_back(cap: Cap, usage: Usage, demand: Demand, *, webhook_sent: int, now: float) -> Usage:
    """The usage after all requests of this demand have ended; `webhook_sent` of the webhook's were really sent.

    Tokens are not given back: the bucket refills by time alone, or one who takes and returns could exceed it.
    """
    recent = _recent(cap, usage, now)
    if webhook_sent:
        step = cap.webhook_window / _STEPS
        end = math.ceil(now / step) * step
        if recent and recent[-1][0] >= end:
            recent = (*recent[:-1], (recent[-1][0], recent[-1][1] + webhook_sent))
        else:
            recent = (*recent, (end, webhook_sent))
    return replace(
        usage,
        in_flight=usage.in_flight - demand.total,
        webhook_held=usage.webhook_held - demand.webhook,
        webhook_ended=recent,
    )


def exchanged(cap: Cap, usage: Usage, new: Cap, now: float) -> Usage:
    """The usage under another rate: as many tokens are taken as before, and they come back at the new one."""
    taken_now = max(0.0, usage.full_at - now) * cap.rate
    return replace(usage, full_at=now + taken_now / new.rate)


def _full_after(cap: Cap, usage: Usage, total: int, now: float) -> float:
    """When the bucket would be full again after `total` more tokens (the generic cell rate algorithm)."""
    return max(usage.full_at, now) + total / cap.rate


def _recent(cap: Cap, usage: Usage, now: float) -> tuple[tuple[float, int], ...]:
    return tuple((end, n) for end, n in usage.webhook_ended if end > now - cap.webhook_window)
