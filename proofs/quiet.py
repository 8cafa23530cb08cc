"""`python -m proofs.quiet`: twenty minutes at demo rates in which all is well, and nobody is told of anything.

On the way: a restart of the prober, a reload, two missed scrapes, a short maintenance window.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prober.alerts.__main__ import ALERTING
from prober.alerts.doc import with_measured
from prober.alerts.labels import Severity
from prober.demo.alerting import Alerting
from prober.demo.process import Owner
from prober.demo.proxy_server import Proxy
from prober.demo.stack import Stack
from proofs.alerting import INTERVAL
from proofs.page import DOCS, commit, table
from tests.system.daemon_stack import change_config
from tests.system.watching import Watched

MAINTENANCE = timedelta(minutes=1)
MISSED = 2.5 * INTERVAL  # seconds without a scrape


@dataclass
class Quiet:
    """What came of it."""

    minutes: float
    events: list[tuple[float, str]] = field(default_factory=list)  # minute, what happened
    told: list[str] = field(default_factory=list)  # of anything but the watchdog
    pending: set[str] = field(default_factory=set)  # came near, by evaluations each ten seconds
    watchdogs: int = 0
    webhooks: int = 0
    races: int = 0


async def quiet(minutes: float) -> Quiet:
    """Let a healthy stack run, disturb its prober a little, and count who is told."""
    seen = Quiet(minutes)
    async with Owner() as owner:
        opens = datetime.now(UTC) + timedelta(minutes=0.65 * minutes)
        window = {"from": opens.isoformat(), "to": (opens + MAINTENANCE).isoformat(), "reason": "a short window"}
        stack = Stack(owner=owner, directory=owner.directory, config_sections={"maintenance": [window]})
        await stack.start_services()
        await stack.start_watcher()
        # Scrapes go through a proxy of ours, so that they can be missed.
        scraped = Proxy(owner, stack.directory / "scrapes", stack.watcher.port)
        await scraped.start()
        alerting = Alerting(owner=owner, directory=stack.directory, probers=[scraped.address], interval=INTERVAL)
        await alerting.start()
        try:
            await _live(seen, stack, alerting, scraped)
        finally:
            await alerting.stop()
    return seen


async def _live(seen: Quiet, stack: Stack, alerting: Alerting, scraped: Proxy) -> None:
    async def restart() -> None:
        await stack.watcher.stop(timeout=60)
        await stack.watcher.start()

    async def reload() -> None:
        change_config(stack, lambda document: document["probes"]["race"].update(interval="3s"))
        os.kill(stack.watcher.pid, signal.SIGHUP)

    async def miss() -> None:
        await scraped.set(refuse=True)
        await asyncio.sleep(MISSED)
        await scraped.clear()

    plan: list[tuple[float, str, Callable[[], Awaitable[None]]]] = [
        (0.2, "the prober is restarted", restart),
        (0.35, "its config is reloaded", reload),
        (0.5, f"scrapes are refused for {MISSED:g} s", miss),
    ]
    began, end = time.monotonic(), time.monotonic() + 60 * seen.minutes
    in_maintenance = False
    while time.monotonic() < end:
        if plan and time.monotonic() >= began + 60 * plan[0][0] * seen.minutes:
            _, what, act = plan.pop(0)
            await act()
            seen.events.append(((time.monotonic() - began) / 60, what))
        now = {alert.name for alert in await alerting.prometheus.alerts() if alert.state == "pending"}
        seen.pending |= now
        held_back = bool(await alerting.prometheus.query('prober_maintenance{job="prober"} == 1'))
        if held_back and not in_maintenance:
            seen.events.append(((time.monotonic() - began) / 60, f"a maintenance window of {MAINTENANCE} opens"))
        in_maintenance = held_back
        await asyncio.sleep(INTERVAL / 2)
    for each in alerting.pager.notified:
        if each.labels["severity"] == Severity.NONE:
            seen.watchdogs += each.name == "Watchdog"
        else:
            seen.told.append(f"{each.name} {each.status}: {each.annotations['summary']}")
    scrape = await Watched(stack).scrape()
    seen.webhooks = int(scrape.total("whatsapp_webhook_requests_total"))
    seen.races = int(scrape.total("vendor_routing_race_outcomes_total"))


def chapter(seen: Quiet) -> str:
    """What came of it, for the page."""
    events: Sequence[tuple[str, str]] = [(f"{minute:.1f}", what) for minute, what in seen.events]
    return (
        f"Written by `make quiet` on {time.strftime('%Y-%m-%d')} at commit {commit()}: {seen.minutes:g} minutes "
        f"at the rates of a demo (a webhook each second, a race each two), evaluated every {INTERVAL:g} s. "
        f"In the last life of the prober alone {seen.webhooks} webhooks and {seen.races} races.\n\n"
        + table(["minute", "what happened"], events)
        + f"\n\nTold of, beside {seen.watchdogs} times the watchdog: "
        + (f"**{len(seen.told)}**: {'; '.join(seen.told)}." if seen.told else "**nothing**.")
        + " Came near, but not for long enough: "
        + (", ".join(f"`{name}`" for name in sorted(seen.pending)) or "nothing")
        + "."
    )


def main() -> int:
    """Run it; a run of less than twenty minutes is not written down."""
    parser = argparse.ArgumentParser(prog="python -m proofs.quiet", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    given = parser.parse_args()
    seen = asyncio.run(quiet(given.minutes))
    page = DOCS.parent / ALERTING
    if given.minutes >= 20:
        page.write_text(with_measured(page.read_text(encoding="utf-8"), "quiet", chapter(seen)), encoding="utf-8")
    print(chapter(seen))
    return 1 if seen.told or not seen.watchdogs or len(seen.events) < 4 else 0


if __name__ == "__main__":
    sys.exit(main())
