"""The daemon in its other shapes: without side effects, through a pooler, and with hardly anything enabled.

All of it with the least-privilege database role and the Redis user of docs/deploying.md.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from prober.config.load import load_config
from prober.daemon.assembly import load_contract
from prober.demo import pgbouncer
from prober.demo.pgbouncer import PgBouncer
from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.demo.watcher import Watcher
from prober.probes.database_session import DatabaseAddress
from prober.publish.journal.reader import Reader
from prober.setup import set_up
from tests.system.commanding import prober
from tests.system.daemon_stack import (
    change_config,
    config_of,
    fast_stack,
    no_trace,
    rows,
    watcher_on,
)
from tests.system.deployed import PASSWORD, grant_least_privilege, log_in
from tests.system.probing import GONE
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
    "race": {"interval": "500ms", "timeout": "3s"},
}
LATE = 4.0  # seconds: beyond the deadline
REQUESTS = "whatsapp_webhook_requests_total"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES)
        await stack.start_services()
        await grant_least_privilege(stack)
        change_config(stack, lambda document: log_in(document, stack))
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
        document["probes"]["database"]["pooled_dsn"] = pooler.dsn("prober", "orders", PASSWORD)

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


async def test_with_the_least_privilege_right_and_wrong_are_told_apart(
    watched: Watched, control: ControlClient
) -> None:
    assert (await watched.scrape()).value("db_connection_pool_usage") is not None
    await told_apart(watched, watched.reader, control)


async def told_apart(watched: Watched, reader: Reader, control: ControlClient) -> None:
    """Races and messages as the target has them, and nothing false; then two planted faults, by their names."""
    before = await watched.scrape()
    await watched.grows("vendor_routing_race_outcomes_total", by=2, since=before, outcome="one_winner")
    await watched.grows("whatsapp_webhook_settled_total", by=3, since=before, settlement="done")
    decisions = await control.record(Kind.DECISION)
    winner = {entry["routing"]: entry["vendor"] for entry in decisions if entry["verdict"] == "locked"}
    races = reader.races("one_winner")
    assert len(races) >= 2
    assert [
        race.sentence for race in races if not race.sentence.startswith(f"{winner[race.routing_id]} won")
    ] == []
    messages = [reader.webhook(entry["sid"]) for entry in await control.record(Kind.SKIPPED)]
    assert sum(message is not None and message.settlement == "done" for message in messages) >= 3
    assert reader.violations() == ()
    await control.plant("double_accept")
    await control.plant("late_processing", delay_seconds=LATE)
    await watched.grows("vendor_routing_race_conditions_total", since=before, kind="multiple_winners")
    await watched.grows("whatsapp_webhook_lost_total", since=before)
    for fault in ("double_accept", "late_processing"):
        await control.remove(fault)
    removed = time.time()
    await watched.grows("whatsapp_webhook_late_total", since=before)

    async def all_corrected() -> bool:
        return all((message.accepted_wall or removed) >= removed for message in reader.followed_webhooks())

    await until("every late message to be found, and its rows removed", all_corrected)
    assert {violation.kind for violation in reader.violations()} == {"multiple_winners", "lost_message"}


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
    assert outage.cause in {outcome.value for outcome in GONE}
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
    assert later.total("whatsapp_webhook_violations_total") == down.total("whatsapp_webhook_violations_total")
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
    assert (await watched.scrape()).total("whatsapp_webhook_lost_total") == down.total(
        "whatsapp_webhook_lost_total"
    )
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
    if enabled == "redis":  # the documented user may see the queues of the contract's own prefix alone
        document["probes"]["redis"]["url"] = stack.redis.url()
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
    stack: Stack, watched: Watched, pooler: PgBouncer | None, control: ControlClient
) -> None:
    if pooler is None:
        pytest.skip("needs PgBouncer: apt-get install pgbouncer")
    await watched.watcher.stop(timeout=40)
    await nothing_is_left(stack, stack.config_file)
    document = config_of(stack)
    document["probes"]["database"] = {
        "pooled_dsn": document["probes"]["database"]["pooled_dsn"],
        "details_interval": "1s",
    }
    document["instance"] = "pooled-only"
    await set_up_instance(stack, document["instance"])
    watcher = watcher_on(stack, document, "pooled-only")
    await watcher.start()
    pooled, reader = Watched(stack, watcher), Reader(stack.directory / "pooled-only-data")
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
        await told_apart(pooled, reader, control)
        # What a killed one had under way is removed, by the same way and with the same rights.
        watcher.kill()
        await watcher.wait_gone()
        said = await prober(stack.directory / "pooled-only.yaml", "cleanup", "--json")
        assert (said.code, said.document["orders"]["left"]) == (0, []), said
        await watcher.start()
        await watcher.wait_complete()
    finally:
        await watcher.stop(timeout=40)
    assert watcher.returncode == 0
    no_trace(watcher)
    await nothing_is_left(stack, stack.directory / "pooled-only.yaml")
    assert {violation.kind for violation in reader.violations()} == {"multiple_winners", "lost_message"}


async def nothing_is_left(stack: Stack, config_file: Path) -> None:
    """Wait until a clean-up finds that nothing stays, and look for ourselves."""

    async def cleaned() -> bool:
        said = await prober(config_file, "cleanup", "--json")
        assert said.code == 0, said.err
        assert [said.document[kind]["not_known"] for kind in ("orders", "messages")] == [None, None]
        return not any(said.document[kind]["left"] for kind in ("orders", "messages"))

    await until("a clean-up after which nothing stays", cleaned)
    assert not any((await rows(stack)).values())
    assert await rows(stack, "prober.marks") == {"prober.marks": 0}


async def set_up_instance(stack: Stack, instance: str) -> None:
    """Make the fixtures of another instance, as `prober doctor --setup` does, as the tables' owner."""
    config = load_config(stack.config_file, {})
    owner = DatabaseAddress(dsn=stack.postgres.dsn(dbname="orders"))
    await set_up(owner, load_contract(config, stack.directory), instance, config.probes.race.vendors)
