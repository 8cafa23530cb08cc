"""The daemon in its other shapes: without side effects, through a pooler, and with hardly anything enabled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.config.load import load_config
from prober.daemon.assembly import database_addresses, load_contract
from prober.demo import pgbouncer
from prober.demo.pgbouncer import PgBouncer
from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.demo.watcher import Watcher
from prober.setup import set_up
from tests.system.daemon_stack import change_config, config_of, fast_stack, no_trace, rows, watcher_on
from tests.system.watching import Watched, parse, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {
        "mode": "no_side_effects",
        "interval": "300ms",
        "timeout": "2s",
        "down_interval": "300ms",
        "processing_deadline": "3s",
    },
    "race": {"interval": "1s", "timeout": "3s"},
}
REQUESTS = "whatsapp_webhook_requests_total"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES)
        await stack.start_services()
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pooler(stack: Stack) -> PgBouncer | None:
    """The way through a pooler, where there is one: in the config from now on."""
    if not pgbouncer.installed():
        return None
    # As BUILDING found it: after the server's return PgBouncer waits 15 s by itself.
    settings = {"server_login_retry": 0.2}
    pooler = PgBouncer(stack.owner, stack.directory / "pgbouncer", stack.postgres, settings=settings)
    await pooler.start()

    def add(document: dict[str, Any]) -> None:
        document["probes"]["database"]["pooled_dsn"] = pooler.dsn(dbname="orders")

    change_config(stack, add)
    return pooler


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(stack: Stack, pooler: PgBouncer | None) -> AsyncIterator[Watched]:
    await stack.start_watcher()
    watched = Watched(stack)
    yield watched
    await stack.watcher.stop(timeout=40)
    assert stack.watcher.returncode == 0
    no_trace(stack.watcher)


@pytest_asyncio.fixture(loop_scope="module")
async def control(stack: Stack) -> AsyncIterator[ControlClient]:
    async with ControlClient(stack.target.control_url) as control:
        yield control


async def test_claimed_messages_run_the_whole_chain_and_nobody_gets_a_reply(
    watched: Watched, control: ControlClient
) -> None:
    await watched.grows(REQUESTS, by=3, check="delivery", code="200")
    await watched.grows("whatsapp_webhook_settled_total", by=3, settlement="done")
    assert len(await control.record(Kind.SKIPPED)) >= 3
    for kind in (Kind.REPLY, Kind.PROCESSED, Kind.ACCEPTED, Kind.LOST):
        assert await control.record(kind) == [], kind
    assert await rows(watched.stack, "whatsapp_messages") == {"whatsapp_messages": 0}
    assert (await watched.scrape()).total(REQUESTS, check="path") == 0
    skipped = {entry["sid"] for entry in await control.record(Kind.SKIPPED)}

    async def removed() -> bool:
        return not skipped & await sids(watched)

    await until("the claims to be removed", removed)


async def sids(watched: Watched) -> set[str]:
    connection = await watched.stack.postgres.connect("orders")
    try:
        return {row[0] for row in await connection.fetch('SELECT "messageSid" FROM processed_messages')}
    finally:
        await connection.close()


async def test_the_way_through_the_pooler_has_an_outage_of_its_own(
    watched: Watched, pooler: PgBouncer | None
) -> None:
    if pooler is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer")
    await watched.becomes("prober_probe_success", lambda value: value == 1, probe="database_pooled")
    pooler.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="database_pooled")
    before = await watched.scrape()
    await watched.grows("prober_probe_runs_total", by=2, since=before, probe="database", outcome="ok")
    assert (await watched.scrape()).value("prober_outage", probe="database") == 0
    await pooler.start()
    await watched.becomes("prober_outage", lambda value: value == 0, probe="database_pooled")
    assert watched.reader.outages("database") == ()

    async def kept() -> bool:
        return watched.reader.outages("database_pooled")[0].ended_wall is not None

    await until("the pooler's outage in the journal", kept)
    (outage,) = watched.reader.outages("database_pooled")
    assert outage.cause == "refused"
    assert (await watched.scrape()).value("db_recovery_time_seconds") == 0


async def test_without_the_database_only_the_path_is_checked_and_a_forged_message_noticed(
    watched: Watched, control: ControlClient
) -> None:
    stack = watched.stack
    stack.postgres.kill()
    await watched.becomes("prober_outage", lambda value: value == 1, probe="database")
    down = await watched.scrape()
    await watched.grows(REQUESTS, by=3, since=down, check="path", code="403")
    later = await watched.scrape()
    # One may have been claimed just before.
    assert later.total(REQUESTS, check="delivery") - down.total(REQUESTS, check="delivery") <= 1
    assert later.value("prober_outage", probe="webhook") == 0
    assert later.total("whatsapp_webhook_violations_total") == 0
    await control.plant("forged_accepted")
    await watched.grows("whatsapp_webhook_violations_total", since=later, kind="forged_accepted")
    await control.remove("forged_accepted")
    violation = watched.reader.violations("forged_accepted")[-1]
    assert "badly signed message was accepted" in violation.sentence
    run_id = violation.id.removeprefix("forged_accepted-")

    async def proof() -> bool:
        result = watched.reader.result_of_webhook(run_id)
        return result is not None and result.outcome == "forged_accepted"

    await until("the evidence in the journal", proof)
    await stack.postgres.start()
    await watched.becomes("prober_outage", lambda value: value == 0, probe="database")
    back = await watched.scrape()
    await watched.grows(REQUESTS, by=2, since=back, check="delivery", code="200")
    await watched.grows("whatsapp_webhook_settled_total", by=2, since=back, settlement="done")
    assert (await watched.scrape()).total("whatsapp_webhook_lost_total") == 0
    assert watched.reader.outages("webhook") == ()

    # The target processed the forged messages when the database was back: what they left is ours to remove. A
    # claimed message that met the target while that still took the database for down is among the accepted ones.
    taken = {entry["sid"] for entry in await control.record(Kind.ACCEPTED)}
    assert taken

    async def sids_of(*kinds: Kind) -> set[str]:
        return {entry["sid"] for kind in kinds for entry in await control.record(kind)}

    async def processed() -> bool:
        return taken <= await sids_of(Kind.PROCESSED, Kind.SKIPPED)

    async def removed() -> bool:
        return not (await rows(stack, "whatsapp_messages"))["whatsapp_messages"]

    await until("the messages taken without the database to be processed", processed)
    forged = taken & await sids_of(Kind.PROCESSED)
    assert forged
    await until("their effects to be removed", removed)
    assert not forged & await sids(watched)


@pytest.mark.parametrize(
    ("enabled", "change", "has", "lacks"),
    [
        ("database", {}, "db_connection_pool_usage", "redis_queue_backlog"),
        (
            "redis",
            {"contract_overrides": {"queues.names": ["of-our-own"], "queues.prefix": "other"}},
            "redis_queue_backlog",
            "db_connection_pool_usage",
        ),
        (
            "webhook",
            {"contract_overrides": {"webhook.path": "/hooks/whatsapp"}},
            "whatsapp_webhook_errors_total",
            "redis_queue_backlog",
        ),
    ],
)
async def test_a_daemon_with_one_probe(
    stack: Stack, enabled: str, change: dict[str, Any], has: str, lacks: str
) -> None:
    document = config_of(stack)
    for probe, section in document["probes"].items():
        section["enabled"] = probe == enabled
    if enabled == "webhook":
        document["probes"]["webhook"] |= {"mode": "full", "from_number": "+999000000001"}
    document["target"] |= change
    document["instance"] = f"only-{enabled}"
    watcher: Watcher = watcher_on(stack, document, f"only-{enabled}")
    await watcher.start()
    try:
        await watcher.wait_complete()
        scrape = parse((await watcher.get("/metrics"))[1])
        names = {dict(labels)["probe"] for name, labels in scrape.samples if name == "prober_probe_success"}
        checks = {"webhook_duplicate", "webhook_signature", "webhook_replay"}
        beside = {"webhook": checks, "database": {"database_pooled"} if _pooled(document) else set()}
        assert names == {enabled} | beside.get(enabled, set())
        assert scrape.total("prober_probe_success") == (0 if enabled == "webhook" else len(names))
        assert any(name == has for name, _ in scrape.samples)
        assert not any(name == lacks for name, _ in scrape.samples)
        if enabled == "redis":
            assert scrape.value("redis_queue_backlog", queue="of-our-own") == 0
        if enabled == "webhook":
            # The path that was put in the contract's place does not exist.
            assert scrape.total("whatsapp_webhook_errors_total", reason="unexpected_status") >= 1
    finally:
        await watcher.stop(timeout=40)
    assert watcher.returncode == 0
    no_trace(watcher)


def _pooled(document: dict[str, Any]) -> bool:
    return "pooled_dsn" in document["probes"]["database"]


async def test_through_a_pooler_alone_what_cannot_be_seen_is_absent(
    stack: Stack, pooler: PgBouncer | None, control: ControlClient
) -> None:
    if pooler is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer")
    document = config_of(stack)
    document["probes"]["database"] = {
        "pooled_dsn": document["probes"]["database"]["pooled_dsn"],
        "details_interval": "1s",
    }
    document["instance"] = "pooled-only"
    document["probes"]["race"]["enabled"] = True
    await set_up_instance(stack, document["instance"])
    watcher = watcher_on(stack, document, "pooled-only")
    await watcher.start()
    pooled = Watched(stack, watcher)
    try:
        await watcher.wait_complete()
        await pooled.clean_again()
        scrape = await pooled.scrape()
        assert scrape.value("prober_probe_success", probe="database_pooled") == 1
        assert scrape.value("vendor_routing_win_rate") == 1
        for name in ("db_connection_pool_usage", "db_recovery_time_seconds", "db_in_recovery", "db_lock_waiters"):
            assert not any(found == name for found, _ in scrape.samples), name
        assert not any(("probe", "database") in labels for _, labels in scrape.samples)
        # The server dies behind the pooler: an outage of the pooled way, and nothing is called lost for it.
        stack.postgres.kill()
        await pooled.becomes("prober_outage", lambda value: value == 1, probe="database_pooled")
        await stack.postgres.start()
        await pooled.becomes("prober_outage", lambda value: value == 0, probe="database_pooled")
        await pooled.clean_again()
        after = await pooled.scrape()
        assert after.total("whatsapp_webhook_violations_total") == 0
        assert after.total("vendor_routing_race_conditions_total") == 0
    finally:
        await watcher.stop(timeout=40)
    assert watcher.returncode == 0
    no_trace(watcher)


async def set_up_instance(stack: Stack, instance: str) -> None:
    """Make the fixtures of another instance, as `prober doctor --setup` does."""
    config = load_config(stack.config_file, {})
    direct, _ = database_addresses(config.probes.database)
    assert direct is not None
    await set_up(direct, load_contract(config, stack.directory), instance, config.probes.race.vendors)
