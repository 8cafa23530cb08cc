"""`prober demo` as a user runs it: what it prints, what it exports, how it ends, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from prober.demo.process import Owner, User
from prober.demo.stack import FORMS
from tests.promtool import check_metrics
from tests.system.demo_run import NOBODY, Demo, SharedMemory
from tests.system.watching import Scrape, parse, until

TWELVE = (  # the guide, "Prometheus Metrics to Track"
    "whatsapp_webhook_requests_total",
    "whatsapp_webhook_duration_seconds_count",
    "whatsapp_webhook_errors_total",
    "vendor_routing_races_total",
    "vendor_routing_win_rate",
    "vendor_routing_response_time_seconds_count",
    "redis_connection_errors_total",
    "redis_queue_backlog",
    "redis_recovery_time_seconds",
    "db_connection_pool_usage",
    "db_recovery_time_seconds",
    "db_transaction_rollbacks_total",
)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def control_of(text: str) -> str:
    return text.split("(faults: ")[1].split("/faults)")[0]


async def settled_record(control: str, url: str) -> tuple[dict[str, int], Scrape]:
    """The target's summary, and a scrape in between two equal summaries: then both speak of the same."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = json.loads(fetch(f"{control}/record?kind=request&since=0&limit=1000000"))["entries"]
        scrape = parse(fetch(f"{url}/metrics"))
        after = json.loads(fetch(f"{control}/record?kind=request&since=0&limit=1000000"))["entries"]
        webhooks = [entry for entry in after if entry["path"].endswith("/webhook") and entry["method"] == "POST"]
        answered = [entry for entry in webhooks if entry["status"] is not None]
        requests = "whatsapp_webhook_requests_total"
        counted = scrape.total(requests) - scrape.total(requests, code="none")
        if len(before) == len(after) and len(answered) == counted:
            accepts = sum(entry["path"].endswith("/accept") and "none" not in entry["path"] for entry in after)
            return {"webhooks": len(webhooks), "accepts": accepts}, scrape
        await asyncio.sleep(0.03)
    raise AssertionError("the record and the metrics never agreed")


async def shown(url: str) -> bool:
    scrape = parse(fetch(f"{url}/metrics"))
    webhooks = scrape.total("whatsapp_webhook_requests_total")
    return scrape.total("vendor_routing_races_total") >= 2 and webhooks >= 5


@pytest.mark.parametrize("user", [None, NOBODY], ids=["ourselves", "ordinary user"])
async def test_a_demo_shows_the_truth_and_leaves_nothing(owner: Owner, user: User | None) -> None:
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can become somebody else; the other case is an ordinary user here")
    demo = Demo(owner, user=user)
    url = await demo.ready()
    memory = SharedMemory(demo.directory)
    await until("two races and five webhooks", lambda: shown(url))
    record, scrape = await settled_record(control_of(demo.said()), url)
    for name in TWELVE:
        assert any(found == name for found, _ in scrape.samples), name
    assert scrape.value("vendor_routing_win_rate") == 1
    assert scrape.total("whatsapp_webhook_errors_total") == 0
    assert scrape.total("whatsapp_webhook_violations_total") == 0
    assert record["webhooks"] == scrape.total("whatsapp_webhook_requests_total")
    assert record["accepts"] >= 5 * scrape.total("vendor_routing_races_total") > 0
    exposition = fetch(f"{url}/metrics")
    demo.send_signal(signal.SIGINT)
    assert await demo.ended() == 0, demo.said()
    assert "violations none" in demo.said()
    await demo.nothing_left()
    assert memory.left() == []
    check_metrics(exposition)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_however_it_ends_nothing_is_left(owner: Owner, how: signal.Signals) -> None:
    demo = Demo(owner)
    url = await demo.ready()
    memory = SharedMemory(demo.directory)
    demo.send_signal(how)
    code = await demo.ended()
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0), demo.said()
    await demo.nothing_left()

    async def refuses() -> bool:
        # A listening socket whose process is on its way out may still take a connection, and then resets it.
        try:
            fetch(url)
        except OSError as error:
            return "refused" in str(error)
        return False

    await until("nobody to listen", refuses)
    assert memory.left() == []


@pytest.mark.parametrize("contract", FORMS)
async def test_a_planted_fault_is_told_and_the_exit_code_says_so(owner: Owner, contract: str) -> None:
    demo = Demo(owner, "--contract", contract, "--duration", "10s", "--break", "double_accept")
    assert await demo.ended(120) == 1, demo.said()
    assert "multiple_winners" in demo.said()
    assert "were told they had won" in demo.said()


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--break", "double_acept", "no such fault: 'double_acept'"),
        ("--contract", "giude", "no such contract: 'giude'; there are whatsapp-ordering-system, guide"),
    ],
)
async def test_an_unknown_name_is_bad_usage(owner: Owner, option: str, name: str, said: str) -> None:
    demo = Demo(owner, option, name)
    assert await demo.ended() == 2
    assert said in demo.said()
    assert "Traceback" not in demo.said()


async def test_every_other_command_can_be_pointed_at_it(owner: Owner) -> None:
    demo = Demo(owner)
    await demo.ready()

    def prober(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "prober", *arguments, "--config", str(demo.config_file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    checked = await asyncio.to_thread(prober, "check", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    lines = {line["name"]: line for line in json.loads(checked.stdout)["probes"]}
    checks = {"webhook_duplicate", "webhook_signature", "webhook_replay", "repeats effect"}
    assert set(lines) == {"webhook", "webhook effect", "race", "redis", "database", "health", *checks}
    assert {line["verdict"] for line in lines.values()} == {"ok"}
    assert lines["race"]["outcome"] == "one_winner"
    assert (await asyncio.to_thread(prober, "config", "check")).returncode == 0
    shown = await asyncio.to_thread(prober, "config", "show")
    assert "***" in shown.stdout
    demo.send_signal(signal.SIGTERM)
    await demo.ended()
