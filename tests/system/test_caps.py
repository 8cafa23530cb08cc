"""What reaches the target, by its own record: never more than the caps, nor than it asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby, pairwise
from typing import Any

from prober.demo.process import Owner
from prober.demo.stack import WEBHOOK_PATH, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from tests.system.daemon_stack import fast_stack, no_trace
from tests.system.watching import Watched, until

# A request arrives some time after its permit was granted: windows may be so much longer (seconds).
ON_THE_WAY = 1.0
RATE, BURST = 10, 60
SKIPPED = "prober_probe_skipped_total"
WAIT = 3.0  # what the target asks for


async def requests(control: ControlClient) -> list[dict[str, Any]]:
    """Every request of the prober's, as the target has it."""
    return [entry for entry in await control.record(Kind.REQUEST) if "mark" in entry]


def most_within(moments: Iterable[float], window: float) -> int:
    found = sorted(moments)
    return max(sum(start <= at < start + window for at in found) for start in found)


async def test_no_config_gets_more_to_the_target_than_the_cap() -> None:
    async with Owner() as owner:
        stack = Stack(
            owner=owner,
            directory=owner.directory,
            probes={
                "webhook": {"interval": "100ms", "timeout": "1s", "down_interval": "100ms"},
                "race": {"interval": "100ms", "timeout": "1s", "vendors": 18},
                "health": {"interval": "1s"},
            },
            target_settings={"rate_limit": {"requests": 5000}},
            target_config={"rate_limit": "5000/1m"},
            config_sections={"cap": {"requests": f"{RATE}/1s", "burst": BURST, "in_flight": 64}},
        )
        await stack.start_services()
        async with ControlClient(stack.target.control_url) as control:
            await control.reset_record()
            await stack.watcher.start()
            watched = Watched(stack)

            async def enough() -> bool:
                return len(await requests(control)) >= BURST + 15 * RATE

            await until("more requests than a burst and fifteen seconds allow", enough)
            moments = [entry["mono"] for entry in await requests(control)]
            for window in (0.1, 1.0, 5.0, 12.0):
                assert most_within(moments, window) <= BURST + RATE * (window + ON_THE_WAY), window
            scrape = await watched.scrape()
            assert scrape.total("prober_rate_cap_hits_total") > 0
            assert scrape.total(SKIPPED, reason="cap") == scrape.total("prober_rate_cap_hits_total")
            # Far more was wanted, and none of it was queued up for later.
            wanted = sum(scrape.total(name, probe="race") for name in ("prober_probe_runs_total", SKIPPED)) * 59
            assert wanted > 2 * len(moments)
            await stack.watcher.stop(timeout=40)
        assert stack.watcher.returncode == 0
        no_trace(stack.watcher)


async def test_the_webhooks_share_of_the_targets_own_limit_is_kept_in_every_state() -> None:
    """What the target counts is never more than half of what it allows, also while its webhook is down."""
    async with Owner() as owner:
        stack = Stack(
            owner=owner,
            directory=owner.directory,
            probes={
                "webhook": {"interval": "500ms", "timeout": "2s", "down_interval": "300ms"},
                "health": {"interval": "2s", "timeout": "2s"},
                "race": {"enabled": False},
            },
            target_settings={"rate_limit": {"requests": 110, "window_seconds": 10.0}},
            target_config={"rate_limit": "110/10s"},
        )
        await stack.start_services()
        async with ControlClient(stack.target.control_url) as control:
            await control.reset_record()
            await stack.watcher.start()
            watched = Watched(stack)
            await watched.grows("prober_probe_runs_total", by=20, probe="webhook", outcome="ok")
            await control.plant("errors", routes="webhook")
            await watched.becomes("prober_outage", lambda value: value == 1, probe="webhook")
            await watched.grows("prober_probe_runs_total", by=30, probe="webhook", outcome="server_error")
            await control.remove("errors")
            await watched.becomes("prober_outage", lambda value: value == 0, probe="webhook")
            asked = [entry for entry in await requests(control) if entry["path"] == WEBHOOK_PATH]
            assert len(asked) >= 50
            # The rarer checks are refused as they should be.
            assert {entry["status"] for entry in asked} <= {200, 500, 400, 403, 409}
            assert most_within((entry["mono"] for entry in asked), 10.0) <= 55
            await stack.watcher.stop(timeout=40)


def runs_of(entries: Iterable[dict[str, Any]]) -> list[tuple[float, float]]:
    """The runs that these requests belong to: the first and the last arrival of each."""
    by_run = groupby(
        sorted(entries, key=lambda entry: (entry["mark"], entry["mono"])), lambda entry: entry["mark"]
    )
    spans = [[entry["mono"] for entry in group] for _, group in by_run]
    return sorted((span[0], span[-1]) for span in spans)


async def test_a_target_that_asks_to_wait_is_left_alone_for_so_long() -> None:
    probes = {
        "webhook": {"interval": "300ms", "timeout": "2s", "down_interval": "300ms", "processing_deadline": "4s"},
        "race": {"interval": "300ms", "timeout": "2s"},
        "health": {"interval": "1s"},
    }
    async with Owner() as owner:
        stack = fast_stack(owner, probes)
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        async with ControlClient(stack.target.control_url) as control:
            await watched.clean_again()
            await control.plant("rate_limited", retry_after_seconds=int(WAIT))
            before = await watched.scrape()
            await watched.grows(
                "prober_probe_runs_total", by=4, since=before, probe="webhook", outcome="rate_limited"
            )
            await watched.grows("vendor_routing_race_outcomes_total", by=2, since=before, outcome="rate_limited")
            for probe in ("webhook", "race"):
                await watched.grows(SKIPPED, since=before, probe=probe, reason="rate_limited")
            # The health probe leaves out the two routes and goes on with the pages.
            await watched.grows("prober_probe_runs_total", by=2, since=before, probe="health", outcome="ok")
            limited = [entry for entry in await requests(control) if entry["status"] == 429]
            webhook = [entry for entry in limited if entry["path"] == WEBHOOK_PATH]
            accepts = [entry for entry in limited if entry["path"] != WEBHOOK_PATH]
            sent = runs_of(entry for entry in webhook if entry["method"] == "POST")
            asked = Counter(entry["mark"] for entry in accepts)
            # A race warms its way with every vendor, where the health probe asks once.
            races = runs_of(entry for entry in accepts if asked[entry["mark"]] > 1)
            assert len(sent) >= 4
            assert len(races) >= 2
            for runs in (sent, races):
                for (_, ended), (began, _) in pairwise(runs):
                    assert began - ended >= WAIT
            # All together: one probe of each family may find out anew each time, and the health probe as well.
            for family in (webhook, accepts):
                found = runs_of(family)
                took = found[-1][0] - found[0][0]
                assert len(found) <= 2 * (took / WAIT + 2)
            pages = [entry for entry in await requests(control) if entry["path"].startswith("/health")]
            assert all(entry["status"] != 429 for entry in pages)
            after = await watched.scrape()
            assert after.value("prober_outage", probe="webhook") == 0
            for name in ("whatsapp_webhook_violations_total", "vendor_routing_race_conditions_total"):
                assert after.total(name) == 0
            assert after.total("whatsapp_webhook_errors_total") == before.total("whatsapp_webhook_errors_total")
            await control.remove("rate_limited")
            await watched.clean_again()
        await stack.watcher.stop(timeout=40)
        assert stack.watcher.returncode == 0
        no_trace(stack.watcher)


async def test_in_trouble_races_come_less_often_and_at_once_again_when_all_is_well() -> None:
    probes = {
        "webhook": {"interval": "300ms", "timeout": "1s", "down_interval": "300ms", "processing_deadline": "4s"},
        "race": {"interval": "500ms", "timeout": "1s"},
    }
    async with Owner() as owner:
        stack = fast_stack(owner, probes)
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        async with ControlClient(stack.target.control_url) as control:
            await watched.clean_again()
            await control.plant("errors")
            before = await watched.scrape()
            outcomes = "vendor_routing_race_outcomes_total"
            await watched.grows(outcomes, by=3, since=before, outcome="unavailable")
            stretched = await watched.scrape()
            skipped = stretched.total(SKIPPED, probe="race", reason="backoff")
            # Two runs in trouble leave out one turn and three; a third one was run after them.
            assert skipped - before.total(SKIPPED, probe="race", reason="backoff") >= 4
            for probe in ("webhook", "redis", "database"):
                assert stretched.total(SKIPPED, probe=probe, reason="backoff") == 0
            await control.remove("errors")
            await watched.becomes("prober_outage", lambda value: value == 0, probe="webhook")
            await watched.grows(outcomes, by=2, outcome="one_winner")
            normal = (await watched.scrape()).total(SKIPPED, probe="race", reason="backoff")
            await watched.grows(outcomes, by=4, outcome="one_winner")
            assert (await watched.scrape()).total(SKIPPED, probe="race", reason="backoff") == normal

            # Without the database there is no race to be had, and none is tried.
            stack.postgres.kill()
            await watched.becomes("prober_outage", lambda value: value == 1, probe="database")
            await watched.grows(SKIPPED, by=2, probe="race", reason="dependency_down")
            await stack.postgres.start()
            await watched.clean_again()
        await stack.watcher.stop(timeout=40)
        assert stack.watcher.returncode == 0
        no_trace(stack.watcher)
