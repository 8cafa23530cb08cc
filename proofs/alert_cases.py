"""Everything that can break, how it is broken, and exactly who is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prober.demo.alerting import Alerting
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import FaultName, Route
from tests.system import commanding
from tests.system.watching import Watched, until


@dataclass(frozen=True)
class Scene:
    """One stack with its alerting."""

    watched: Watched
    control: ControlClient
    alerting: Alerting

    async def found(self, kind: str) -> None:
        """Wait until a violation of this kind is in the journal."""

        async def there() -> bool:
            return bool(self.watched.reader.violations(kind, limit=1))

        await until(f"a {kind} in the journal", there, 180)


Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing that breaks. `pages` wake on-call and `tickets` do not, exactly these; `may` are tickets that can
    come as well, by the windows that a fresh Prometheus has. `since` says what the seconds are counted from beside
    the planting: the `violation`, the `outage` of a probe, or nothing."""

    name: str
    act: Act
    pages: frozenset[str] = frozenset()
    tickets: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    since: str = ""
    settle: float = 45.0  # seconds after the last of them in which nothing else may come
    within: float = 240.0


def planted(name: FaultName, **parameters: Any) -> Act:
    """Plant it, and leave it there."""

    async def act(scene: Scene) -> None:
        await scene.control.plant(name, **parameters)

    return act


def _names(*names: str) -> frozenset[str]:
    return frozenset(names)


_FAILING = _names(
    "WebhookErrorRateElevated",
    "WebhookErrorBudgetBurnsSlowly",
    "WebhookP99BudgetBurnsSlowly",
    "WebhookP95BudgetBurnsSlowly",
)
_VIOLATIONS = {
    FaultName.DOUBLE_ACCEPT: "RaceConditionDetected",
    FaultName.DOUBLE_ACCEPT_RARE: "RaceConditionDetected",
    FaultName.SPLIT_ORDER: "RaceConditionDetected",
    FaultName.PHANTOM_WINNER: "RaceConditionDetected",
    FaultName.NO_WINNER: "RaceConditionDetected",
    FaultName.LATE_WINNER: "RaceConditionDetected",
    FaultName.NOT_IDEMPOTENT: "RaceConditionDetected",
    FaultName.DUPLICATE_EFFECT: "DuplicateEffect",
    FaultName.FORGED_ACCEPTED: "ForgedWebhookAccepted",
    FaultName.UNSIGNED_ACCEPTED: "ForgedWebhookAccepted",
    FaultName.REPLAY_ACCEPTED: "ForgedWebhookAccepted",
    FaultName.LOST_MESSAGE: "MessageLost",
}


async def _kill_redis(scene: Scene) -> None:
    scene.watched.stack.redis.kill()


async def _freeze_redis(scene: Scene) -> None:
    scene.watched.stack.redis.freeze()


async def _kill_postgres(scene: Scene) -> None:
    scene.watched.stack.postgres.kill()


async def _freeze_postgres(scene: Scene) -> None:
    scene.watched.stack.postgres.freeze()


async def _restart_redis(scene: Scene) -> None:
    scene.watched.stack.redis.kill()
    await asyncio.sleep(5)
    await scene.watched.stack.redis.start()


async def _restart_postgres(scene: Scene) -> None:
    await scene.watched.stack.postgres.stop()
    await asyncio.sleep(5)
    await scene.watched.stack.postgres.start()


async def _lie(scene: Scene) -> None:
    await scene.control.plant(FaultName.HEALTH_LIES)
    scene.watched.stack.redis.kill()


async def _one_slow_answer(scene: Scene) -> None:
    before = await scene.watched.scrape()
    await scene.control.plant(FaultName.SLOW, delay_ms=3000, routes=Route.WEBHOOK)

    async def slow() -> bool:
        now = await scene.watched.scrape()
        quick = [s.total("whatsapp_webhook_duration_seconds_bucket", le="2.0") for s in (before, now)]
        every = [s.total("whatsapp_webhook_duration_seconds_count") for s in (before, now)]
        return every[1] - quick[1] > every[0] - quick[0]

    await until("one slow answer", slow)
    await scene.control.remove(FaultName.SLOW)


async def _kill_before_the_scrape(scene: Scene) -> None:
    """Find a violation while nobody scrapes, die by `kill -9`, and be scraped again in another life."""
    scene.alerting.prometheus.freeze()
    await scene.control.plant(FaultName.PHANTOM_WINNER)
    await scene.found("phantom_winner")
    scene.watched.stack.watcher.kill()
    await scene.control.remove(FaultName.PHANTOM_WINNER)
    scene.alerting.prometheus.thaw()
    await scene.watched.stack.watcher.start()


ACKNOWLEDGED_FOR = 60  # seconds


async def _acknowledge(scene: Scene) -> None:
    """Have it page, acknowledge it, and see the page end; that it comes again is what is waited for."""
    await scene.control.plant(FaultName.PHANTOM_WINNER)
    pager = scene.alerting.pager

    async def paged() -> bool:
        return bool(pager.pages())

    await until("the first page", paged, 120)
    await scene.control.remove(FaultName.PHANTOM_WINNER)
    await scene.watched.grows("vendor_routing_race_outcomes_total", by=2, outcome="one_winner")
    said = await commanding.prober(
        scene.watched.stack.config_file,
        "ack",
        "phantom_winner",
        "--for",
        f"{ACKNOWLEDGED_FOR}s",
        "--reason",
        "known",
    )
    assert said.code == 0, said.err

    async def over() -> bool:
        return any(not each.firing for each in pager.notified)

    await until("the page to end", over, 120)
    pager.notified.clear()


CASES: tuple[Case, ...] = (
    *(
        Case(name=fault, act=planted(fault), pages=_names(alert), since="violation")
        for fault, alert in _VIOLATIONS.items()
    ),
    Case(
        name="late_processing, 15 s",
        act=planted(FaultName.LATE_PROCESSING, delay_seconds=15),
        pages=_names("MessageLost"),
        tickets=_names("MessagesLate"),
        since="violation",
    ),
    Case(
        name="slow, webhook by 700 ms",
        act=planted(FaultName.SLOW, delay_ms=700, routes=Route.WEBHOOK),
        pages=_names("WebhookP99BudgetBurnsFast"),
        tickets=_names("WebhookLatencyElevated"),
        within=480.0,  # a ticket of the same subject came before it, so it waits for the next group_interval
    ),
    Case(
        name="slow, webhook by 3 s",
        act=planted(FaultName.SLOW, delay_ms=3000, routes=Route.WEBHOOK),
        pages=_names("HighWebhookLatency"),
        may=_names("WebhookLatencyElevated"),
    ),
    Case(name="slow, one answer of 3 s", act=_one_slow_answer, settle=240.0),
    Case(
        name="slow, routing by 2.5 s",
        act=planted(FaultName.SLOW, delay_ms=2500, routes=Route.ROUTING),
        pages=_names("RaceTimeHigh"),
        may=_names("RaceTimeElevated"),
    ),
    Case(
        name="hang, webhook",
        act=planted(FaultName.HANG, routes=Route.WEBHOOK),
        pages=_names("WebhookDown"),
        since="webhook",
        settle=90.0,
    ),
    Case(
        name="errors, webhook",
        act=planted(FaultName.ERRORS, routes=Route.WEBHOOK),
        pages=_names("WebhookDown"),
        since="webhook",
        settle=90.0,
    ),
    Case(
        # Where many more fail there are no three good ones in a row for long, and that is an outage.
        name="errors, 10 % of the webhooks",
        act=planted(FaultName.ERRORS, routes=Route.WEBHOOK, probability=0.1),
        pages=_names("WebhookUnstable"),
        may=_FAILING,
        within=360.0,
    ),
    Case(
        name="errors, routing",
        act=planted(FaultName.ERRORS, routes=Route.ROUTING),
        pages=_names("VendorRoutingUnavailable"),
        within=480.0,
    ),
    Case(
        name="rate_limited, webhook",
        act=planted(FaultName.RATE_LIMITED, retry_after_seconds=2, routes=Route.WEBHOOK),
        tickets=_names("WebhookRateLimited"),
    ),
    Case(
        name="pool_leak",
        act=planted(FaultName.POOL_LEAK),
        tickets=_names("DatabasePoolSaturated"),
    ),
    Case(name="rollbacks", act=planted(FaultName.ROLLBACKS), tickets=_names("DatabaseRollbacks")),
    Case(
        name="stuck_queue",
        act=planted(FaultName.STUCK_QUEUE),
        pages=_names("MessageLost"),
        may=_names("QueueNotDraining", "QueueBacklogElevated"),
        since="violation",
    ),
    Case(
        name="health_lies, while Redis is down",
        act=_lie,
        pages=_names("RedisOutage"),
        tickets=_names("HealthPageLies"),
        since="redis",
    ),
    Case(
        name="routes_missing",
        act=planted(FaultName.ROUTES_MISSING),
        pages=_names("RoutesMissing"),
        may=_names("WebhookDown"),
    ),
    Case(name="Redis killed", act=_kill_redis, pages=_names("RedisOutage"), since="redis"),
    Case(name="Redis frozen", act=_freeze_redis, pages=_names("RedisOutage"), since="redis"),
    Case(name="PostgreSQL killed", act=_kill_postgres, pages=_names("DatabaseOutage"), since="database"),
    Case(name="PostgreSQL frozen", act=_freeze_postgres, pages=_names("DatabaseOutage"), since="database"),
    Case(
        name="Redis restarted, 5 s",
        act=_restart_redis,
        tickets=_names("RedisRestarted"),
        since="redis",
        settle=60.0,
    ),
    Case(
        name="PostgreSQL restarted, 5 s",
        act=_restart_postgres,
        tickets=_names("DatabaseRestarted"),
        since="database",
        settle=60.0,
    ),
    Case(
        name="a violation, then `kill -9` of the prober before the next scrape",
        act=_kill_before_the_scrape,
        pages=_names("RaceConditionDetected"),
    ),
    Case(
        name=f"a violation acknowledged for {ACKNOWLEDGED_FOR} s, and the time over",
        act=_acknowledge,
        pages=_names("RaceConditionDetected"),
    ),
)
