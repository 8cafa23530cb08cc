"""Reload of the writer of an election, and of a contract in a file of one's own: who writes goes on writing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.contract import SHIPPED
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from tests.system.daemon_stack import change_config, fast_stack, no_trace
from tests.system.reloading import OK, PROBES, hang_up, log_lines, never_fell, probes, reload
from tests.system.watching import Watched, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTRACT = "whatsapp-ordering-system"
WEBHOOK_PATH = "path: /api/v1/whatsapp/webhook"
REQUESTS = "whatsapp_webhook_requests_total"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, shutdown_timeout="5s", election={"enabled": True, "lease": "6s"})
        await stack.start_services()
        contract = stack.directory / "contract.yaml"
        contract.write_text((SHIPPED / f"{CONTRACT}.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        change_config(stack, lambda document: document["target"].update(contract="contract.yaml"))
        await stack.start_watcher()
        watched = Watched(stack)
        await watched.becomes("prober_leader", lambda value: value == 1)
        yield watched
        no_trace(stack.watcher)


async def lease(watched: Watched) -> tuple[str, int]:
    """Who holds it, under which number."""
    connection = await watched.stack.postgres.connect("orders")
    try:
        (row,) = await connection.fetch("SELECT holder, fence FROM prober.lease")
    finally:
        await connection.close()
    return row["holder"], row["fence"]


async def writes(watched: Watched) -> None:
    """Wait for writes of every kind, by one that may."""
    scrape = await watched.scrape()
    await watched.grows("vendor_routing_race_outcomes_total", since=scrape, by=2, outcome="one_winner")
    await watched.grows(REQUESTS, since=scrape, by=2, check="delivery", code="200")
    assert (await watched.scrape()).value("prober_leader") == 1


async def test_the_writer_keeps_its_lease_through_reloads(watched: Watched) -> None:
    await writes(watched)
    before, held = await watched.scrape(), await lease(watched)
    for n in range(5):
        await reload(watched, probes(health={"interval": f"{1100 + n}ms"}, race={"vendors": 3 + n % 2}))
    await writes(watched)
    # By another address, which the next renewal is asked by once the old connection is gone.
    sessions = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE application_name LIKE 'synthetic-prober/%/election'"""

    def moved(document: dict[str, Any]) -> None:
        document["probes"]["database"]["dsn"] += "?sslmode=disable"

    await reload(watched, moved)
    await watched.stack.postgres.execute(sessions, "orders")
    await writes(watched)
    after = await watched.scrape()
    never_fell(before, after)
    assert await lease(watched) == held
    lost = "prober_probe_skipped_total"
    assert after.total(lost, reason="not_leader") == before.total(lost, reason="not_leader")


async def test_another_election_is_refused_and_the_lease_stays(watched: Watched) -> None:
    good, held = watched.stack.config_file.read_text(encoding="utf-8"), await lease(watched)
    change_config(watched.stack, lambda document: document["election"].update(lease="10s"))
    hang_up(watched)
    await watched.becomes(OK, lambda value: value == 0)
    assert any(line.get("problem", "").startswith("election.lease: ") for line in log_lines(watched))
    watched.stack.config_file.write_text(good, encoding="utf-8")
    await reload(watched)
    await writes(watched)
    assert await lease(watched) == held


async def test_other_paths_of_the_contract_are_asked_from_then_on(watched: Watched) -> None:
    file = watched.stack.directory / "contract.yaml"
    good = file.read_text(encoding="utf-8")
    assert good.count(WEBHOOK_PATH) == 2  # of the webhook itself, and of its route among the health checks
    async with ControlClient(watched.stack.target.control_url) as control:

        async def asked(path: str, since: int) -> bool:
            requests = await control.record(Kind.REQUEST)
            return any(entry["path"] == path for entry in requests[since:])

        before = await watched.scrape()
        file.write_text(good.replace(WEBHOOK_PATH, "path: /api/v2/elsewhere"), encoding="utf-8")
        await reload(watched)
        moved = len(await control.record(Kind.REQUEST))
        await until("the other path to be asked", lambda: asked("/api/v2/elsewhere", moved))
        await watched.grows(REQUESTS, since=before, by=1, code="404")
        # What was under way when it changed was sent to the path before; nothing else is.
        settled = len(await control.record(Kind.REQUEST))
        await watched.grows(REQUESTS, by=4, code="404")
        assert not await asked("/api/v1/whatsapp/webhook", settled)
        file.write_text(good, encoding="utf-8")
        await reload(watched)
        await watched.becomes("prober_outage", lambda value: value == 0, probe="webhook")
        await writes(watched)
    after = await watched.scrape()
    never_fell(before, after)
    assert after.total("whatsapp_webhook_violations_total") == after.total("whatsapp_webhook_lost_total") == 0
