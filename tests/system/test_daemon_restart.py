"""What survives a `kill -9` of the daemon, and what a SIGTERM leaves: on one stack, one test after the other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.outcome import RaceOutcome
from tests.system.daemon_stack import change_config, fast_stack, no_trace, rows
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE = 4.0  # seconds
PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "300ms", "timeout": "2s", "down_interval": "300ms", "processing_deadline": "4s"},
    "race": {"interval": "500ms", "timeout": "3s"},
}
SHUTDOWN = 4.0  # seconds


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="4s")
        await stack.start_services()
        await stack.start_watcher()
        yield Watched(stack)


@pytest_asyncio.fixture(loop_scope="module")
async def control(watched: Watched) -> AsyncIterator[ControlClient]:
    async with ControlClient(watched.stack.target.control_url) as control:
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)


async def accepted(control: ControlClient) -> set[str]:
    return {entry["sid"] for entry in await control.record(Kind.ACCEPTED)}


async def kill_and_start(watched: Watched) -> None:
    watched.stack.watcher.kill()
    await watched.stack.watcher.start()


async def test_an_outage_and_the_messages_that_wait_in_it_survive(
    watched: Watched, control: ControlClient
) -> None:
    stack = watched.stack
    before = await accepted(control)
    await control.plant("stuck_queue")
    killed = time.monotonic()
    stack.redis.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="redis")
    seen_down = time.monotonic()

    async def waiting_and_kept() -> bool:
        return bool(watched.reader.open_outages()) and len(await accepted(control) - before) >= 3

    await until("three messages that wait, and the outage in the journal", waiting_and_kept)
    (outage,) = watched.reader.open_outages()
    await kill_and_start(watched)
    asked = time.monotonic()
    # Not from zero: from the first moment, on.
    await watched.becomes("redis_recovery_time_seconds", lambda value: value >= asked - seen_down)
    value = (await watched.scrape()).value("redis_recovery_time_seconds")
    assert value is not None
    assert value <= time.monotonic() - killed
    # Longer than `processing_deadline`, with Redis down all the while: nothing may be called lost.
    await watched.becomes("redis_recovery_time_seconds", lambda value: value > 2 * DEADLINE)
    await stack.redis.start()
    started = time.monotonic()
    await control.remove("stuck_queue")
    waited_for = await accepted(control) - before
    await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")
    ended = time.monotonic()

    async def over() -> bool:
        return not watched.reader.open_outages()

    await until("the end of the outage in the journal", over)
    (stored,) = watched.reader.outages("redis")
    assert stored.id == outage.id
    assert stored.duration is not None
    assert asked - seen_down <= stored.duration <= ended - killed
    assert stored.duration >= started - seen_down - 1.0  # Redis answered a moment before `start` returned

    async def settled() -> bool:
        found = [watched.reader.webhook(sid) for sid in waited_for]
        # One that was in flight at the `kill -9` is known by its intention alone.
        return all(w is not None and (w.settlement is not None or w.accepted_wall is None) for w in found)

    await until("every message to be settled", settled)
    settlements = [w.settlement for sid in waited_for if (w := watched.reader.webhook(sid)) is not None]
    assert set(settlements) <= {"done", "late", "not_known", None}
    assert len(settlements) - settlements.count(None) >= 3
    scrape = await watched.scrape()
    assert scrape.total("whatsapp_webhook_lost_total") == 0
    assert scrape.total("whatsapp_webhook_violations_total") == 0

    async def removed() -> bool:
        return not waited_for & await column(watched, 'SELECT "messageSid" FROM processed_messages')

    await until("their rows to be removed", removed)


async def test_violations_and_the_win_rate_survive(watched: Watched, control: ControlClient) -> None:
    await control.plant("double_accept")
    await control.plant("duplicate_effect", on="every")
    await watched.grows("vendor_routing_race_conditions_total", by=2, kind="multiple_winners")
    await watched.grows("whatsapp_webhook_violations_total", by=2, kind="duplicate_effect")
    for fault in ("double_accept", "duplicate_effect"):
        await control.remove(fault)
    await watched.clean_again()
    before = await watched.scrape()
    await kill_and_start(watched)
    await watched.becomes("vendor_routing_win_rate", lambda value: value < 1)
    after = await watched.scrape()
    names = ("vendor_routing_race_conditions_total", "whatsapp_webhook_violations_total")
    for name in names:
        assert after.total(name) == before.total(name) > 0
    kinds = ("multiple_winners", "duplicate_effect")
    counts = watched.reader.counts().violations
    assert counts == {kind: after.total(name, kind=kind) for name, kind in zip(names, kinds, strict=True)}
    last = {kind: max(v.last_wall for v in watched.reader.violations(kind)) for kind in kinds}
    for kind in kinds:
        assert after.value("prober_last_violation_timestamp_seconds", kind=kind) == pytest.approx(last[kind])

    async def agrees() -> bool:
        """The gauge is the share of all races in the journal: none was forgotten with the old process."""
        judged = [r.outcome for r in watched.reader.races(limit=1000) if RaceOutcome(r.outcome).is_judged][:100]
        rate = (await watched.scrape()).value("vendor_routing_win_rate")
        return rate == pytest.approx(judged.count("one_winner") / len(judged), abs=1e-9)

    await until("the win rate to be that of the journal", agrees)


async def test_an_order_of_a_killed_race_is_removed_by_the_next_start(
    watched: Watched, control: ControlClient
) -> None:
    await in_the_middle_of_a_race(watched, control)
    watched.stack.watcher.kill()
    await watched.stack.watcher.wait_gone()
    # One of a race before it as well, where that was not yet cleaned up.
    orphans = await order_ids(watched)
    assert orphans
    await control.remove("hang")
    await watched.stack.watcher.start()

    async def gone() -> bool:
        return not orphans & await order_ids(watched)

    await until("the orphans to be removed", gone)
    await watched.becomes("prober_synthetic_leftovers", lambda value: value == 0, kind="orders")


async def test_sigterm_in_the_middle_of_a_race_undoes_it(watched: Watched, control: ControlClient) -> None:
    def long_races(document: dict[str, Any]) -> None:
        document["probes"]["race"] |= {"interval": "6s", "timeout": "60s"}

    change_config(watched.stack, long_races)
    await kill_and_start(watched)
    await in_the_middle_of_a_race(watched, control)
    asked = time.monotonic()
    await watched.stack.watcher.stop(timeout=40)
    # The race alone would have waited for a minute.
    assert time.monotonic() - asked < SHUTDOWN + 20
    assert watched.stack.watcher.returncode == 0
    assert await rows(watched.stack, "orders", "vendor_routings") == {"orders": 0, "vendor_routings": 0}
    no_trace(watched.stack.watcher)


async def test_what_three_lives_left_is_gone_after_the_fourth(watched: Watched, control: ControlClient) -> None:
    # Messages whose answer a `kill -9` took away stay for the next start, which removes them after a while.
    left = await column(watched, 'SELECT "messageSid" FROM processed_messages')
    await watched.stack.watcher.start()

    async def gone() -> bool:
        return not left & await column(watched, 'SELECT "messageSid" FROM processed_messages')

    await until("the messages of earlier lives to be removed", gone)
    await watched.clean_again()
    await watched.stack.watcher.stop(timeout=40)
    assert watched.stack.watcher.returncode == 0
    assert not any((await rows(watched.stack)).values())


async def column(watched: Watched, query: str) -> set[str]:
    connection = await watched.stack.postgres.connect("orders")
    try:
        return {row[0] for row in await connection.fetch(query)}
    finally:
        await connection.close()


async def order_ids(watched: Watched) -> set[str]:
    return await column(watched, "SELECT id FROM orders")


async def in_the_middle_of_a_race(watched: Watched, control: ControlClient) -> None:
    """Have every accept hang, and wait until a race waits for its answers."""
    since = time.monotonic()
    await control.plant("hang", routes="routing")

    async def asked() -> bool:
        requests = await control.record(Kind.REQUEST, since=since)
        # The order is there, and what warms the way hangs already.
        return bool(await order_ids(watched)) and any(e["path"].endswith("/accept") for e in requests)

    await until("a race that waits for its answers", asked)
