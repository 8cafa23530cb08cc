"""Mode no_side_effects under the guide's contract: what became of a claimed message is not observable."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.watching import Watched, until

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {
        "mode": "no_side_effects",
        "interval": "300ms",
        "timeout": "2s",
        "down_interval": "300ms",
        "processing_deadline": "1s",
    },
    "race": {"interval": "1s", "timeout": "3s"},
}
REQUESTS = "whatsapp_webhook_requests_total"


async def test_claimed_messages_are_delivered_and_their_end_is_not_made_up() -> None:
    async with Owner() as owner:
        stack = fast_stack(owner, PROBES, "guide")
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        async with ControlClient(stack.target.control_url) as control:
            # Lost without a trace: with this contract that cannot be seen, and so must not be said either way.
            await control.plant("lost_message", probability=0.5)
            await watched.grows(REQUESTS, by=10, check="delivery", code="200")
            skipped = {entry["sid"] for entry in await control.record(Kind.SKIPPED)}
            lost = {entry["sid"] for entry in await control.record(Kind.LOST)}
            assert skipped
            assert lost
            for kind in (Kind.REPLY, Kind.PROCESSED, Kind.ACCEPTED):
                assert await control.record(kind) == [], kind

        async def removed() -> bool:
            return not (skipped | lost) & await sids(stack.postgres)

        await until("the claims to be removed", removed)
        scrape = await watched.scrape()
        for name in ("whatsapp_webhook_settled_total", "whatsapp_webhook_violations_total"):
            assert scrape.total(name) == 0, name
        assert scrape.total(REQUESTS, check="path") == 0
        assert scrape.value("vendor_routing_win_rate") == 1
        config = str(stack.config_file)
        await stack.watcher.stop(timeout=40)
        assert stack.watcher.returncode == 0
        said = await checked(config)
        assert "not observable in mode no_side_effects" in said
        # Claims that the target may not have looked for yet stay for the next start.
        left = await sids(stack.postgres)
        await stack.watcher.start()

        async def gone() -> bool:
            return not left & await sids(stack.postgres)

        await until("the claims of the life before to be removed", gone)
        no_trace(stack.watcher)


async def sids(postgres: Postgres) -> set[str]:
    connection = await postgres.connect("orders")
    try:
        return {row[0] for row in await connection.fetch("SELECT message_sid FROM webhook_idempotency")}
    finally:
        await connection.close()


async def checked(config: str) -> str:
    """What `prober check` says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "prober", "check", "--config", config, stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()
