"""Events of every kind with plain defaults, and reading samples back from the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prober.clock import Instant
from prober.event import Outage, OutageChanged, ProbeRan, Started
from prober.outcome import (
    Claim,
    Mode,
    OutageState,
    Outcome,
    ProbeName,
    RaceOutcome,
    WebhookCheck,
)
from prober.result import (
    DatabaseResult,
    DatabaseStats,
    HealthResult,
    PageAnswer,
    RaceResult,
    RedisInfo,
    RedisResult,
    Result,
    VendorAnswer,
    WebhookResult,
)
from prober.web.metrics import Metrics

WALL = 1_800_000_000.0  # Unix time at which the monotonic clock of these tests reads 0
TRACE = "0af7651916cd43dd8448eb211c80319c"


def at(mono: float) -> Instant:
    return Instant(mono, WALL + mono)


def started(**changes: Any) -> Started:
    return Started(
        **{
            "instance": "test",
            "at": at(0.0),
            "environment": "demo",
            "probes": dict.fromkeys(ProbeName, 1.0),
            "queues": ("orders", "replies"),
            "datname": "shop",
            "recovery_hold": 600.0,
            "pages": ("/health", "/health/monitor"),
            "routes": ("accept", "status"),
            "leftover_kinds": ("orders", "keys"),
            **changes,
        }
    )


def webhook(**changes: Any) -> WebhookResult:
    return WebhookResult(
        **{
            "probe": ProbeName.WEBHOOK,
            "run_id": "run",
            "started": at(100.0),
            "duration": 0.15,
            "outcome": Outcome.OK,
            "check": WebhookCheck.DELIVERY,
            "mode": Mode.FULL,
            "code": 200,
            "accepted": True,
            "message_sid": "SM" + "0" * 32,
            "trace_id": TRACE,
            **changes,
        }
    )


def answer(**changes: Any) -> VendorAnswer:
    return VendorAnswer(
        **{
            "vendor_id": "vendor",
            "sent": 0.001,
            "answered": 0.041,
            "claim": Claim.LOST,
            "code": 200,
            "outcome": Outcome.OK,
            "told": "LOST_RACE",
            "trace_id": TRACE,
            **changes,
        }
    )


def race(**changes: Any) -> RaceResult:
    return RaceResult(
        **{
            "probe": ProbeName.RACE,
            "run_id": "run",
            "started": at(100.0),
            "duration": 0.5,
            "outcome": Outcome.OK,
            "race_outcome": RaceOutcome.ONE_WINNER,
            "sentence": "one winner",
            "routing_id": "routing",
            "order_id": "order",
            "released": at(100.1),
            **changes,
        }
    )


def redis(**changes: Any) -> RedisResult:
    return RedisResult(
        **{
            "probe": ProbeName.REDIS,
            "run_id": "run",
            "started": at(100.0),
            "duration": 0.002,
            "outcome": Outcome.OK,
            **changes,
        }
    )


def redis_info(**changes: Any) -> RedisInfo:
    return RedisInfo(
        **{
            "run_id": "a" * 40,
            "role": "master",
            "uptime": 1000,
            "used_memory": 1_000_000,
            "evicted_keys": 0,
            **changes,
        }
    )


def database(**changes: Any) -> DatabaseResult:
    return DatabaseResult(
        **{
            "probe": ProbeName.DATABASE,
            "run_id": "run",
            "started": at(100.0),
            "duration": 0.002,
            "outcome": Outcome.OK,
            **changes,
        }
    )


def stats(**changes: Any) -> DatabaseStats:
    return DatabaseStats(**{"datname": "shop", **changes})


def health(**changes: Any) -> HealthResult:
    return HealthResult(
        **{
            "probe": ProbeName.HEALTH,
            "run_id": "run",
            "started": at(100.0),
            "duration": 0.01,
            "outcome": Outcome.OK,
            **changes,
        }
    )


def page(path: str, code: int | None = 200) -> PageAnswer:
    return PageAnswer(path=path, code=code, outcome=Outcome.OK, claims_healthy=True, duration=0.01)


def ran(result: Result, **changes: Any) -> ProbeRan:
    return ProbeRan(**{"result": result, "lateness": 0.001, "fresh_until": 110.0, **changes})


def outage(probe: ProbeName = ProbeName.REDIS, began: float = 100.0, ended: float | None = None) -> Outage:
    return Outage(
        id=f"{probe}-{began}",
        probe=probe,
        began=at(began),
        cause=Outcome.REFUSED,
        detail="nobody listens",
        ended=None if ended is None else at(ended),
    )


def changed(state: OutageState, what: Outage, mono: float = 0.0) -> OutageChanged:
    return OutageChanged(probe=what.probe, state=state, at=at(mono), outage=what, sentence=str(state))


class Scraped:
    """Metrics with a clock that the test sets; that of leases is the same."""

    def __init__(self, *events: Any, now: float = 100.0) -> None:
        self.now = now
        self.metrics = Metrics(clock=lambda: self.now, lease_clock=lambda: self.now)
        for event in events:
            self.metrics.record(event)

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.metrics.series.collect()
            for sample in family.samples
        }

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        """The value of one series, None when it is absent."""
        return self.samples().get((name, frozenset((labels or {}).items())))

    def rises(self, *events: Any) -> dict[str, float]:
        """Record events, give the counters that rose as `name{label=value}`."""
        before = self.samples()
        for event in events:
            self.metrics.record(event)
        return {
            name + ("{" + ",".join(f"{k}={v}" for k, v in sorted(labels)) + "}" if labels else ""): value
            - before.get((name, labels), 0.0)
            for (name, labels), value in self.samples().items()
            if name.endswith(("_total", "_count")) and value != before.get((name, labels), 0.0)
        }
