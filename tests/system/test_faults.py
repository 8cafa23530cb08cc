"""Each planted fault that these probes can see: planted → outcome, metric and evidence; withdrawn → clean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.process import Owner
from prober.demo.stack import DEFAULT_CONTRACT, FORMS, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from tests.system.daemon_stack import WIDE_CAP
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES = {
    "webhook": {"interval": "500ms", "timeout": "1s", "down_interval": "500ms", "processing_deadline": "2s"},
    "race": {"interval": "1s", "timeout": "2s"},
    "health": {"interval": "1s"},
}


# Faults in which no name, answer or table of the target's form is in play.
one_form = pytest.mark.parametrize("watched", [DEFAULT_CONTRACT], indirect=True, scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(FORMS))
async def watched(request: pytest.FixtureRequest) -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = Stack(
            owner=owner,
            directory=owner.directory,
            contract=request.param,
            probes=PROBES,
            target_settings={"rate_limit": {"requests": 2000}},
            target_config={"rate_limit": "2000/1m"},
            config_sections={"outages": {"recovery_hold": "1s"}, "cap": WIDE_CAP},
        )
        await stack.start_services()
        await stack.start_watcher()
        yield Watched(stack)


@pytest_asyncio.fixture(loop_scope="module")
async def control(watched: Watched) -> AsyncIterator[ControlClient]:
    async with ControlClient(watched.stack.target.control_url) as control:
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)
        if not watched.stack.postgres.running:
            await watched.stack.postgres.start()
        await watched.clean_again()


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("double_accept", "multiple_winners"),
        ("phantom_winner", "phantom_winner"),
        ("no_winner", "no_winner"),
    ],
)
async def test_a_race_that_breaks_its_promise_is_named_and_kept(
    watched: Watched, control: ControlClient, fault: str, outcome: str
) -> None:
    before = await watched.scrape()
    await control.plant(fault)
    await watched.grows("vendor_routing_race_outcomes_total", since=before, outcome=outcome)
    await control.remove(fault)
    after = await watched.scrape()
    assert after.total("vendor_routing_race_conditions_total", kind=outcome) > before.total(
        "vendor_routing_race_conditions_total", kind=outcome
    )
    rate = after.value("vendor_routing_win_rate")
    assert rate is not None
    assert rate < 1
    violation = watched.reader.violations(outcome)[0]
    assert "vendor" in violation.sentence
    assert violation.id.startswith(f"{outcome}-")
    race = next(race for race in watched.reader.races() if race.outcome == outcome)
    evidence = watched.reader.race(race.id)
    assert evidence is not None
    assert evidence.evidence is not None
    history: Any = evidence.evidence["history"]
    assert len([answer for answer in history["answers"] if answer["ask"] == "race"]) == 5
    assert history["rows"] is not None


async def test_a_lost_message_is_a_violation(watched: Watched, control: ControlClient) -> None:
    before = await watched.scrape()
    await control.plant("lost_message")
    await watched.grows("whatsapp_webhook_lost_total", since=before)
    await control.remove("lost_message")
    await watched.grows("whatsapp_webhook_violations_total", since=before, kind="lost_message")
    assert "no effect" in watched.reader.violations("lost_message")[0].sentence
    lost = {entry["sid"] for entry in await control.record(Kind.LOST)}
    sentence = watched.reader.violations("lost_message")[0].sentence
    assert any(sid in sentence for sid in lost)


async def test_a_late_effect_corrects_the_record(watched: Watched, control: ControlClient) -> None:
    before = await watched.scrape()
    await control.plant("late_processing", delay_seconds=4)
    await watched.grows("whatsapp_webhook_late_total", since=before)
    late = (await watched.scrape()).total("whatsapp_webhook_late_total")
    assert late > before.total("whatsapp_webhook_late_total")


async def test_a_message_processed_twice_is_a_violation(watched: Watched, control: ControlClient) -> None:
    before = await watched.scrape()
    await control.plant("duplicate_effect", on="every")
    await watched.grows("whatsapp_webhook_violations_total", since=before, kind="duplicate_effect")
    assert "times; expected once" in watched.reader.violations("duplicate_effect")[0].sentence


@one_form
async def test_slowness_is_latency_and_no_violation(watched: Watched, control: ControlClient) -> None:
    before = await watched.scrape()
    await control.plant("slow", delay_ms=300)

    # 0.2 s is an edge: answers slower than that are all but those in the buckets up to it.
    async def slow_ones() -> bool:
        now = await watched.scrape()

        name = "whatsapp_webhook_duration_seconds"
        return now.total(f"{name}_count") - now.total(f"{name}_bucket", le="0.2") >= 2

    await until("two slow answers", slow_ones)
    after = await watched.scrape()
    for name in ("whatsapp_webhook_errors_total", "whatsapp_webhook_violations_total"):
        assert after.total(name) == before.total(name)


@pytest.mark.parametrize(("fault", "reason"), [("hang", "timeout"), ("errors", "server_error")])
async def test_a_broken_path_is_an_outage_and_no_violation(
    watched: Watched, control: ControlClient, fault: str, reason: str
) -> None:
    before = await watched.scrape()
    await control.plant(fault)
    await watched.grows("whatsapp_webhook_errors_total", since=before, reason=reason)
    await watched.becomes("prober_outage", lambda value: value == 1, probe="webhook")
    await watched.grows("vendor_routing_race_outcomes_total", since=before, outcome="unavailable")
    await control.remove(fault)
    await watched.becomes("prober_outage", lambda value: value == 0, probe="webhook")
    after = await watched.scrape()
    for name in ("whatsapp_webhook_violations_total", "vendor_routing_race_conditions_total"):
        assert after.total(name) == before.total(name)

    async def kept() -> bool:
        return watched.reader.outages("webhook")[0].ended_wall is not None

    await until("the outage in the journal", kept)
    assert watched.reader.outages("webhook")[0].cause == reason


@one_form
async def test_a_rate_limit_is_neither_error_nor_outage(watched: Watched, control: ControlClient) -> None:
    before = await watched.scrape()
    await control.plant("rate_limited", retry_after_seconds=2)
    await watched.grows("whatsapp_webhook_requests_total", since=before, code="429")
    await watched.grows("prober_probe_skipped_total", since=before, probe="webhook", reason="rate_limited")
    await watched.grows("vendor_routing_race_outcomes_total", since=before, outcome="rate_limited")
    after = await watched.scrape()
    assert after.total("whatsapp_webhook_errors_total") == before.total("whatsapp_webhook_errors_total")
    assert after.value("prober_outage", probe="webhook") == 0


@one_form
async def test_a_pool_leak_shows_in_the_pool_usage(watched: Watched, control: ControlClient) -> None:
    await watched.becomes("db_connection_pool_usage", lambda value: value < 0.8)
    await control.plant("pool_leak")
    await watched.becomes("db_connection_pool_usage", lambda value: value >= 0.8)


@one_form
async def test_rollbacks_are_counted(watched: Watched, control: ControlClient) -> None:
    await control.plant("rollbacks")
    await watched.grows("db_transaction_rollbacks_total", by=5)


@one_form
async def test_a_stuck_queue_is_backlog(watched: Watched, control: ControlClient) -> None:
    await control.plant("stuck_queue")
    await watched.becomes("redis_queue_backlog", lambda value: value >= 3, queue="whatsapp-webhooks")
    # What is due in the future is no backlog.
    assert (await watched.scrape()).value("redis_queue_backlog", queue="order-expiry") == 0


async def test_missing_routes_are_named(watched: Watched, control: ControlClient) -> None:
    before = await watched.scrape()
    await control.plant("routes_missing")
    await watched.becomes("prober_routes_missing", lambda value: value == 1, route="webhook")
    await watched.becomes("prober_routes_missing", lambda value: value == 1, route="accept")
    await watched.grows("vendor_routing_race_outcomes_total", since=before, outcome="setup_failed")
    after = await watched.scrape()
    conditions = "vendor_routing_race_conditions_total"
    assert after.total(conditions) == before.total(conditions)


@one_form
async def test_a_health_page_that_lies_is_named(watched: Watched, control: ControlClient) -> None:
    await control.plant("health_lies")
    watched.stack.postgres.kill()
    await watched.becomes("prober_health_lies", lambda value: value == 1, page="/health")
    await watched.stack.postgres.start()
    await watched.becomes("prober_health_lies", lambda value: value == 0, page="/health")


@one_form
async def test_an_honest_page_is_never_called_a_liar(watched: Watched, control: ControlClient) -> None:
    watched.stack.postgres.kill()
    await watched.becomes("db_recovery_time_seconds", lambda value: value > 8)
    scrape = await watched.scrape()
    assert scrape.total("prober_health_lies") == 0
    await watched.stack.postgres.start()
