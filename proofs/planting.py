"""Everything that a dashboard can show, done to a stack once: violations, losses, outages, drills, a pause."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from prober.demo.process import Owner
from prober.demo.prometheus import Prometheus
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from tests.system.daemon_stack import WIDE_CAP, change_config
from tests.system.watching import Watched

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {
        "interval": "500ms",
        "timeout": "1s",
        "down_interval": "500ms",
        "processing_deadline": "2s",
        "checks_interval": "2s",
    },
    "race": {"interval": "500ms", "timeout": "2s", "split_order_interval": "5s"},
    "redis": {"interval": "500ms", "details_interval": "1s"},
    "database": {"interval": "500ms", "details_interval": "1s"},
    "health": {"interval": "1s"},
}
LOAD = ("load", "light", "--duration", "3s")
RACE = ("race", "light", "--races", "40")  # long enough for a scrape to see it run
DRILLS = (
    ("drill", "redis", "connection", "--duration", "20s"),
    ("drill", "db", "graceful", "--duration", "20s"),
)


def plantable_stack(owner: Owner) -> Stack:
    """Quick probes, no limit in the way, and servers that drills may break."""
    return Stack(
        owner=owner,
        directory=owner.directory,
        probes=PROBES,
        target_settings={"rate_limit": {"requests": 50_000}},
        target_config={"rate_limit": "50000/1m"},
        config_sections={"cap": WIDE_CAP, "outages": {"recovery_hold": "5s"}},
        drillable=True,
    )


async def violations(watched: Watched, control: ControlClient, prometheus: Prometheus) -> None:
    """Two winners of one order, a message that is lost, and answers that are slow and then refused."""
    await control.plant("double_accept")
    await watched.grows("vendor_routing_race_conditions_total", kind="multiple_winners")
    await control.remove("double_accept")
    await control.plant("lost_message")
    await watched.grows("whatsapp_webhook_lost_total")
    await control.remove("lost_message")
    await control.plant("slow", delay_ms=700)
    await watched.becomes("prober_probe_duration_seconds", lambda value: value > 0.6, probe="webhook")
    await control.remove("slow")
    await control.plant("errors")
    await prometheus.wait_for('prober_outage{probe="webhook"} == 1')
    await control.remove("errors")
    await watched.becomes("prober_outage", lambda value: value == 0, probe="webhook")


async def outages(watched: Watched, prometheus: Prometheus) -> None:
    """Redis and then PostgreSQL, killed and started again."""
    for probe, server in (("redis", watched.stack.redis), ("database", watched.stack.postgres)):
        server.kill()
        await prometheus.wait_for(f'prober_outage{{probe="{probe}"}} == 1')
        await server.start()
        await watched.becomes("prober_outage", lambda value: value == 0, probe=probe)


async def maintained(stack: Stack, scrape: Callable[[Stack], Awaitable[Prometheus]]) -> Prometheus:
    """Start the daemon within a maintenance window, have it scraped, and start it anew without one."""
    now = time.time()
    window = {"from": _moment(now - 60), "to": _moment(now + 3600), "reason": "a proof"}
    change_config(stack, lambda document: document.update(maintenance=[window]))
    await stack.watcher.start()
    prometheus = await scrape(stack)
    await prometheus.wait_for("prober_maintenance == 1")
    await stack.watcher.stop()
    change_config(stack, lambda document: document.pop("maintenance"))
    await stack.start_watcher()
    return prometheus


async def paused(watched: Watched, prometheus: Prometheus) -> None:
    """A pause by the command, until a run was left out for it."""
    before = await watched.scrape()
    await command(watched.stack, "pause", "--for", "1h", "--reason", "a proof")
    await prometheus.wait_for("prober_paused == 1")
    await watched.grows("prober_probe_skipped_total", by=2, since=before, reason="paused")
    await command(watched.stack, "resume")


async def suites(watched: Watched, *commands: Sequence[str]) -> None:
    """Suites as a person runs them; the daemon shows that they run, and what they came to."""
    for words in commands:
        before = {one.run_id for one in watched.reader.suites()}
        print(f"prober {' '.join(words)}", file=sys.stderr)
        await command(watched.stack, *words, "--output", str(watched.stack.directory / "results.json"))
        deadline = time.monotonic() + 30
        while {one.run_id for one in watched.reader.suites()} <= before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the daemon did not take in the results of {words}")
            await asyncio.sleep(0.1)


async def command(stack: Stack, *words: str) -> None:
    """Run `prober …` to its end. ChildProcessError for a code that says it could not run."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prober", *words, "--config", str(stack.config_file)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    if process.returncode not in (0, 1):
        raise ChildProcessError(
            f"prober {' '.join(words)} ended with {process.returncode}: {told.decode()[-2000:]}"
        )


def _moment(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
