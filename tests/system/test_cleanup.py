"""`prober cleanup`, and the sweeps of the daemon, on one real stack, one test after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from prober.clock import now
from prober.config.load import load_config
from prober.daemon.assembly import load_contract
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.outcome import Mode
from prober.probes.database_session import DatabaseAddress
from prober.probes.marks import Marks
from prober.probes.synthetic import Mark, new_message_sid, new_run_id
from prober.probes.witness import Witness
from prober.result import AwaitedWebhook
from prober.setup import set_up
from proofs import look_alikes
from tests.system.commanding import Said, prober
from tests.system.daemon_stack import config_of, ended, fast_stack, no_trace, watcher_on
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE = 4.0  # seconds
PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "300ms", "timeout": "2s", "down_interval": "300ms", "processing_deadline": "4s"},
    "race": {"interval": "300ms", "timeout": "3s"},
}
RACES = 30
VENDORS = 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="4s")
        await stack.start_services()
        planted = await look_alikes.plant(stack)
        assert len(planted.rows) >= 25
        await stack.start_watcher()
        yield Watched(stack)
        # Whatever was done here, nothing of it was ours.
        assert planted.gone_or_changed(await look_alikes.look(stack)) == []


@pytest_asyncio.fixture(loop_scope="module")
async def control(watched: Watched) -> AsyncIterator[ControlClient]:
    async with ControlClient(watched.stack.target.control_url) as control:
        yield control
        for fault in (await control.faults())["planted"]:
            await control.remove(fault)


async def cleanup(watched: Watched, *arguments: str) -> Said:
    return await prober(watched.stack.config_file, "cleanup", *arguments)


@asynccontextmanager
async def connected(watched: Watched) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await watched.stack.postgres.connect("orders")
    try:
        yield connection
    finally:
        await connection.close()


async def column(watched: Watched, query: str, *values: object) -> set[str]:
    async with connected(watched) as connection:
        return {row[0] for row in await connection.fetch(query, *values)}


async def orders(watched: Watched) -> set[str]:
    """Orders of ours, of any instance; those of the look-alikes are another retailer's."""
    return await column(
        watched, """SELECT id FROM orders WHERE "retailerId" ~ '^synthetic-prober-[a-z]+-retailer$'"""
    )


async def messages(watched: Watched) -> set[str]:
    """Messages that have rows, by MessageSid."""
    planted = [row["id"] for row in look_alikes.ROWS["processed_messages"]]
    return await column(
        watched, 'SELECT "messageSid" FROM processed_messages WHERE id <> ALL($1::text[])', planted
    )


async def marked(watched: Watched, kind: str) -> set[str]:
    return await column(watched, "SELECT id FROM prober.marks WHERE kind = $1", kind)


async def stopped(watched: Watched) -> None:
    await watched.stack.watcher.stop(timeout=40)
    assert watched.stack.watcher.returncode == 0


async def killed(watched: Watched) -> None:
    watched.stack.watcher.kill()
    await watched.stack.watcher.wait_gone()


async def test_a_loop_of_clean_ups_beside_a_daemon_disturbs_no_race(watched: Watched) -> None:
    counted = "vendor_routing_races_total"
    before = (await watched.samples(counted)).total(counted)
    runs = 0
    while (await watched.samples(counted)).total(counted) < before + RACES or runs < 5:
        said = await cleanup(watched, "--json")
        assert (said.code, said.err) == (0, "")
        assert said.document["running"] is True
        assert [said.document[kind]["removed"] for kind in ("orders", "messages", "keys")] == [0, 0, 0]
        runs += 1
    races = watched.reader.races(limit=10_000)
    assert len(races) >= RACES
    assert {race.outcome for race in races} == {"one_winner"}
    scrape = await watched.scrape()
    for name in ("whatsapp_webhook_violations_total", "whatsapp_webhook_lost_total"):
        assert scrape.total(name) == 0
    assert scrape.total("prober_synthetic_leftovers") == 0
    assert scrape.value("prober_synthetic_leftovers", kind="keys") == 0


async def test_a_second_daemon_does_not_start_on_the_same_data_dir(watched: Watched) -> None:
    said = await prober(watched.stack.config_file, "run")
    assert said.code == 3
    assert "another prober (prober run) works in this data_dir since" in said.err
    assert said.err.count("\n") == 1


async def test_keys_of_ours_are_removed_and_no_others(watched: Watched) -> None:
    async def planted_and_removed() -> tuple[list[str], Said]:
        keys = [Mark("demo").key(new_run_id(now().wall)) for _ in range(3)]
        for key in keys:
            await client.set(key, "x", ex=60)
        said = await cleanup(watched, "--json")
        return [key for key in keys if await client.exists(key)], said

    client = watched.stack.redis.client()
    try:
        left, said = await planted_and_removed()
        assert (left, said.document["keys"]["removed"]) == ([], 3)
        assert await client.exists(f"synthetic-prober:other:{look_alikes.NO_RUN}")
    finally:
        await client.aclose()


async def in_the_middle_of_a_race(watched: Watched, control: ControlClient) -> None:
    """Have every request hang, and wait until a race waits for its answers."""
    since = time.monotonic()
    await control.plant("hang")

    async def asked() -> bool:
        requests = await control.record(Kind.REQUEST, since=since)
        return bool(await orders(watched)) and any(e["path"].endswith("/accept") for e in requests)

    await until("a race that waits for its answers", asked)


async def _some(found: Awaitable[set[str]]) -> bool:
    return bool(await found)


async def test_an_order_of_a_killed_race_goes_at_once_and_its_messages_only_after_the_deadline(
    watched: Watched, control: ControlClient
) -> None:
    await in_the_middle_of_a_race(watched, control)
    await until("a message that stands", lambda: _some(marked(watched, "message")))
    await killed(watched)
    orphans = await orders(watched)
    # The race's own, and that of its second heat if it was that far.
    assert len(orphans) in (1, 2)
    assert await marked(watched, "order") == orphans
    dry = await cleanup(watched, "--json", "--dry-run")
    assert (dry.code, dry.document["running"]) == (0, False)
    assert dry.document["orders"] == {"removed": len(orphans), "left": [], "not_known": None}
    assert await orders(watched) == orphans
    said = await cleanup(watched)
    assert said.code == 0
    assert f"orders    {len(orphans)} removed" in said.out
    assert await orders(watched) == await marked(watched, "order") == set()
    await control.remove("hang")

    async def gone() -> bool:
        found = await cleanup(watched, "--json")
        assert found.code == 0
        return not await marked(watched, "message")

    await until("the messages to go", gone)
    assert await messages(watched) == set()
    again = (await cleanup(watched, "--json")).document
    assert [again[kind]["removed"] for kind in ("orders", "messages")] == [0, 0]
    assert again["messages"]["left"] == []


async def accepted(watched: Watched) -> set[str]:
    return await column(watched, "SELECT id FROM prober.marks WHERE accepted_at IS NOT NULL")


async def stuck(watched: Watched, control: ControlClient) -> set[str]:
    """Stop the target's queues, and wait until accepted messages wait in them; returns those of before."""
    await control.plant("stuck_queue")
    before = await marked(watched, "message")

    async def waiting() -> bool:
        return len(await accepted(watched) - before) >= 3

    await until("accepted messages that wait", waiting)
    return before


async def test_evidence_stays_for_the_next_start_unless_it_is_old(
    watched: Watched, control: ControlClient
) -> None:
    await watched.stack.watcher.start()
    before = await stuck(watched, control)
    await killed(watched)
    evidence = await accepted(watched) - before
    await asyncio.sleep(DEADLINE)
    left = (await cleanup(watched, "--json")).document["messages"]["left"]
    assert [entry["why"] for entry in left if "not settled" in entry["why"]]
    assert evidence <= await marked(watched, "message")
    async with connected(watched) as connection:
        await connection.execute("UPDATE prober.marks SET made_at = made_at - interval '1 hour'")
    said = await cleanup(watched, "--json")
    assert said.document["messages"]["removed"] >= len(evidence)
    assert await marked(watched, "message") == set()
    for sid in evidence:
        message = watched.reader.webhook(sid)
        assert message is not None
        assert (message.settlement, message.followed) == ("not_known", False)


async def test_what_somebody_has_swept_is_never_called_lost(watched: Watched, control: ControlClient) -> None:
    await control.remove("stuck_queue")
    await watched.stack.watcher.start()
    await watched.clean_again()
    before = await stuck(watched, control)
    # As a sweep of another prober does it that takes them for orphans.
    swept = await column(watched, "DELETE FROM prober.marks WHERE kind = 'message' RETURNING id") - before

    async def settled() -> bool:
        found = [watched.reader.webhook(sid) for sid in swept]
        return all(m is not None and (m.settlement is not None or m.accepted_wall is None) for m in found)

    await until("every one of them to be settled", settled)
    settlements = {m.settlement for sid in swept if (m := watched.reader.webhook(sid)) is not None}
    assert settlements <= {"not_known", None}
    assert "not_known" in settlements
    await control.remove("stuck_queue")
    await watched.clean_again()


async def lost_prober(watched: Watched, name: str) -> tuple[str, str]:
    """Leave an order and a claimed message of another instance, as a prober does that is killed for good."""
    config = load_config(watched.stack.config_file, {})
    contract = load_contract(config, watched.stack.directory)
    assert config.probes.database.dsn is not None
    assert contract.webhook.claimed is not None
    address = DatabaseAddress(dsn=config.probes.database.dsn.get_secret_value())
    await set_up(address, contract, name, VENDORS)
    witness, run = Witness(address, instance=name), new_run_id(now().wall)
    marks, mark = Marks(witness, name), Mark(name)
    order = mark.orders_of(run)[0]
    values = {**order.values, "vendor_ids": list(mark.vendors(VENDORS))}
    message = AwaitedWebhook(
        message_sid=new_message_sid(),
        run_id=run,
        mode=Mode.NO_SIDE_EFFECTS,
        from_number="+999000000009",
        body=mark.body(run),
        intended=now(),
    )
    try:
        await marks.make_order(order, contract.race.create, values, timeout=20)
        assert await marks.claim(message, contract.webhook.claimed.claim, timeout=20)
    finally:
        await witness.close()
    return order.id, message.message_sid


async def test_orphans_of_another_instance_go_by_age_and_the_young_stay(watched: Watched) -> None:
    old, young = await lost_prober(watched, "lost"), await lost_prober(watched, "alive")
    async with connected(watched) as connection:
        await connection.execute(
            "UPDATE prober.marks SET made_at = made_at - interval '1 hour' WHERE instance = 'lost'"
        )
        await connection.execute(
            "INSERT INTO prober.marks (kind, id, instance, run_id, made_at, payload) VALUES"
            " ('order', $1, 'demo', '0', '2020-01-01', '{}')",
            look_alikes.OUR_ORDER,
        )
    await killed(watched)
    await watched.stack.watcher.start()

    async def swept() -> bool:
        return old[0] not in await orders(watched) and old[1] not in await messages(watched)

    await until("the orphans to be removed", swept)
    assert young[0] in await orders(watched)
    assert young[1] in await messages(watched)
    assert {young[0], look_alikes.OUR_ORDER} <= await marked(watched, "order")
    await watched.becomes("prober_synthetic_leftovers", lambda value: value == 0, kind="messages")
    said = (await cleanup(watched, "--json")).document
    assert {"count": 1, "why": "of another prober, which may be alive"} in said["orders"]["left"]
    async with connected(watched) as connection:
        await connection.execute(
            "UPDATE prober.marks SET made_at = made_at - interval '1 hour' WHERE instance = 'alive'"
        )
    said = (await cleanup(watched, "--json")).document
    assert [said[kind]["removed"] for kind in ("orders", "messages")] == [1, 1]
    assert young[0] not in await orders(watched)
    async with connected(watched) as connection:
        await connection.execute("DELETE FROM prober.marks WHERE run_id = '0'")


async def test_without_the_table_of_marks_the_journal_is_enough(watched: Watched, control: ControlClient) -> None:
    await stopped(watched)
    async with connected(watched) as connection:
        await connection.execute("ALTER TABLE prober.marks RENAME TO marks_of_later")
    await watched.stack.watcher.start()
    await watched.clean_again()
    await in_the_middle_of_a_race(watched, control)
    await killed(watched)
    orphans = await orders(watched)
    said = await cleanup(watched, "--json")
    assert (said.code, said.document["orders"]["removed"]) == (0, len(orphans))
    assert await orders(watched) == set()
    async with connected(watched) as connection:
        await connection.execute("ALTER TABLE prober.marks_of_later RENAME TO marks")
    log = watched.stack.watcher.log_file.read_text(encoding="utf-8")
    assert log.count("no marks in the database") == 1


async def test_fixtures_are_removed_on_request_and_not_under_a_daemon(watched: Watched) -> None:
    await watched.stack.watcher.start()
    vendors = "SELECT id FROM wholesalers WHERE id ~ '^synthetic-prober-demo-vendor-([0-9]{2}|late)$'"
    said = await cleanup(watched, "--fixtures")
    assert said.code == 3
    assert "stop it first" in said.err
    await watched.clean_again()
    await stopped(watched)
    assert len(await column(watched, vendors)) == VENDORS + 1
    said = await cleanup(watched, "--fixtures", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.document["fixtures_removed"] is True
    assert await column(watched, vendors) == set()
    retailer = await column(watched, "SELECT id FROM retailers WHERE id = 'synthetic-prober-demo-retailer'")
    assert retailer == set()
    assert (await prober(watched.stack.config_file, "doctor", "--setup", "--yes")).code == 0
    assert len(await column(watched, vendors)) == VENDORS + 1


async def test_what_cannot_be_asked_is_said_with_code_3(watched: Watched) -> None:
    watched.stack.redis.kill()
    said = await cleanup(watched, "--json")
    assert said.code == 3
    assert said.document["keys"]["removed"] is None
    assert (
        "nobody listens" in said.document["keys"]["not_known"] or "refused" in said.document["keys"]["not_known"]
    )
    assert said.document["orders"]["removed"] == 0
    await watched.stack.redis.start()
    watched.stack.postgres.kill()
    said = await cleanup(watched)
    assert said.code == 3
    assert "orders    not known" in said.out
    assert "keys      0 removed" in said.out
    await watched.stack.postgres.start()
    assert (await cleanup(watched)).code == 0


async def test_a_check_that_was_killed_is_another_prober_to_the_daemon(watched: Watched) -> None:
    """What it left is removed once it is old, and its race is never disturbed before."""
    document = config_of(watched.stack)
    other = watcher_on(watched.stack, document, "second")
    left = await lost_prober(watched, "demo")
    async with connected(watched) as connection:
        await connection.execute("UPDATE prober.marks SET instance = 'demo/check'")
    await other.start()
    await until("its probes to have run", lambda: _ready(other))
    assert left[0] in await orders(watched)
    assert left[1] in await messages(watched)
    await other.stop(timeout=40)
    assert await ended(other) == 0
    no_trace(other)
    async with connected(watched) as connection:
        await connection.execute("UPDATE prober.marks SET made_at = made_at - interval '1 hour'")
    assert (await cleanup(watched, "--json")).document["orders"]["removed"] == 1


async def _ready(watcher: Any) -> bool:
    status, _ = await watcher.get("/-/ready")
    return bool(status == 200)
