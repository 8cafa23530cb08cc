"""A clean run, long and fast, with a crash of each service in the middle: outages, and not one false verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from prober.demo.process import Owner
from prober.demo.stack import FORMS
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.outcome import RaceOutcome
from prober.publish.journal.stored import StoredOutage
from tests.system.daemon_stack import fast_stack, no_trace, rows
from tests.system.watching import Scrape, Watched, until

RACES, WEBHOOKS = 40, 60
PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "100ms", "timeout": "1s", "down_interval": "100ms", "processing_deadline": "15s"},
    "race": {"interval": "200ms", "timeout": "2s", "win_rate_window": 1000, "max_unjudged": 100},
}
# Around an outage a race may have no verdict: it was under way when it began, or the target still reconnects.
AROUND = 10.0  # seconds
LONG = 240.0  # seconds; about 70 on an idle machine


@pytest.mark.parametrize("contract", FORMS)
async def test_hundreds_of_races_and_webhooks_without_one_false_verdict(contract: str) -> None:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, contract)
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        await watched.grows("vendor_routing_races_total", by=RACES // 4, timeout=LONG)
        stack.postgres.kill()
        await watched.becomes("prober_outage", lambda value: value == 1, probe="database")
        await stack.postgres.start()
        await watched.becomes("prober_outage", lambda value: value == 0, probe="database")
        await watched.grows("vendor_routing_races_total", by=RACES // 4, timeout=LONG)
        stack.redis.kill()
        await watched.becomes("prober_outage", lambda value: value == 1, probe="redis")
        await stack.redis.start()
        await watched.becomes("prober_outage", lambda value: value == 0, probe="redis")
        await watched.becomes("vendor_routing_races_total", lambda value: value >= RACES, LONG)

        async def enough() -> bool:
            return (await watched.scrape()).total("whatsapp_webhook_requests_total", check="delivery") >= WEBHOOKS

        await until(f"{WEBHOOKS} webhooks", enough, LONG)
        async with ControlClient(stack.target.control_url) as control:
            scrape = await agreed(watched, control)
            assert_nothing_false(scrape)
            await stack.watcher.stop(timeout=40)
            assert stack.watcher.returncode == 0
            await assert_every_message_had_one_effect(watched, control)
            decisions = await control.record(Kind.DECISION)
        assert_races_are_right(watched, decisions)
        assert Counter(outage.probe for outage in watched.reader.outages())["redis"] == 1
        assert Counter(outage.probe for outage in watched.reader.outages())["database"] == 1
        assert not any((await rows(stack)).values())
        no_trace(stack.watcher)


async def agreed(watched: Watched, control: ControlClient) -> Scrape:
    """A scrape between two equal looks at the target's record, which counts as many webhooks as we do.

    Of those that got no answer (a busy machine, a timeout of a second) it may or may not know. A 429 keeps the
    probe still meanwhile: at its pace, looking takes longer than a busy machine has between two.
    """
    await control.plant("rate_limited", routes="webhook", retry_after_seconds=300)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = await webhooks(control)
        scrape = await watched.scrape()
        tried = scrape.total("whatsapp_webhook_requests_total")
        unanswered = scrape.total("whatsapp_webhook_requests_total", code="none")
        if await webhooks(control) == before and tried - unanswered <= before <= tried:
            return scrape
        await asyncio.sleep(0.02)
    raise AssertionError(
        f"the target counts {before} webhooks, we {scrape.total('whatsapp_webhook_requests_total')}"
    )


async def webhooks(control: ControlClient) -> int:
    requests = await control.record(Kind.REQUEST)
    return sum(entry["method"] == "POST" and entry["path"].endswith("/webhook") for entry in requests)


def assert_nothing_false(scrape: Scrape) -> None:
    for name in (
        "whatsapp_webhook_violations_total",
        "whatsapp_webhook_lost_total",
        "vendor_routing_race_conditions_total",
        "prober_health_lies",
        "prober_routes_missing",
        "prober_journal_failures_total",
        "prober_synthetic_leftovers",
    ):
        assert scrape.total(name) == 0, name
    assert scrape.value("vendor_routing_win_rate") == 1
    assert scrape.value("db_recovery_time_seconds")
    assert scrape.value("redis_recovery_time_seconds")


async def assert_every_message_had_one_effect(watched: Watched, control: ControlClient) -> None:
    """By the target's record and by ours."""
    accepted = {entry["sid"] for entry in await control.record(Kind.ACCEPTED)}
    processed = Counter(entry["sid"] for entry in await control.record(Kind.PROCESSED))
    assert len(accepted) >= WEBHOOKS
    assert set(processed) <= accepted
    assert await control.record(Kind.LOST) == []
    for sid in accepted:
        message = watched.reader.webhook(sid)
        assert message is not None
        if message.accepted_wall is not None:
            assert (message.effects, message.settlement) in {(1, "done"), (1, "late"), (1, "not_known")}, message
        # The commit whose answer the crash took away is in no record but in the database, where we saw it.
        assert processed[sid] == 1 or (processed[sid] == 0 and message.effects == 1), message


def assert_races_are_right(watched: Watched, decisions: list[dict[str, Any]]) -> None:
    """No violation; no verdict only around an outage; and who won is who the target decided for."""
    assert len({decision["pid"] for decision in decisions}) == 2
    locked = {decision["routing"]: decision["vendor"] for decision in decisions if decision["verdict"] == "locked"}
    races = watched.reader.races(limit=10_000)
    outages = [o for o in watched.reader.outages() if o.probe in ("database", "redis")]
    assert sum(race.outcome == "one_winner" for race in races) >= RACES
    for race in races:
        outcome = RaceOutcome(race.outcome)
        assert not outcome.is_violation, race
        if outcome is not RaceOutcome.ONE_WINNER:
            assert any(_around(outage, race.released_wall) for outage in outages), race
        elif not any(_around(outage, race.released_wall) for outage in outages):
            assert race.sentence.startswith(f"{locked[race.routing_id]} won"), race


def _around(outage: StoredOutage, wall: float) -> bool:
    assert outage.ended_wall is not None
    return outage.began_wall - AROUND <= wall <= outage.ended_wall + AROUND
