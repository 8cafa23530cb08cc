"""Alerting end to end on real servers, in short: who is told, what is held back, and whose series count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from prober.alerts.alertmanager import PAGER, configuration
from prober.alerts.declarations import BY_NAME
from prober.alerts.labels import Severity
from prober.demo import prometheus
from prober.demo.alerting import REGION, Alerting
from prober.demo.pager import HOST, Notified, page_text
from prober.demo.process import Owner
from prober.demo.prometheus import Alertmanager
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.faults import FaultName
from prober.web.catalogue import METRICS
from prober.web.metric import Kind
from tests.system.daemon_stack import fast_stack
from tests.system.watching import Watched, until

pytestmark = pytest.mark.skipif(
    not (prometheus.installed() and prometheus.alertmanager_installed()),
    reason="needs Prometheus and Alertmanager: apt-get install prometheus prometheus-alertmanager",
)

PROBES = {"race": {"interval": "1s", "timeout": "3s"}, "webhook": {"interval": "1s", "processing_deadline": "30s"}}
INTERVAL = 1.0
PATIENCE = 120.0  # seconds; a page takes some 15


def of_an_application() -> str:
    """The names of all our gauges with the worst of values, as an application might export them."""
    return "".join(
        f'{metric.name}{{kind="split_order",probe="redis",queue="q",page="/",route="r"}} {value}\n'
        for metric in METRICS
        if metric.kind is Kind.GAUGE
        for value in (0 if metric.name in ("prober_ready", "prober_leader") else 1e6,)
    )


@pytest_asyncio.fixture
async def application(owner: Owner) -> AsyncIterator[str]:
    """An application that exports our names; its address."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=of_an_application())

    served, port = web.Application(), owner.port()
    served.router.add_get("/metrics", metrics)
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    yield f"{HOST}:{port}"
    await runner.cleanup()


@pytest_asyncio.fixture
async def stack(owner: Owner) -> Stack:
    stack = fast_stack(owner, PROBES)
    await stack.start_services()
    await stack.start_watcher()
    return stack


def people(notified: list[Notified]) -> set[str]:
    return {each.name for each in notified if each.firing and each.labels["severity"] != Severity.NONE}


async def test_a_violation_outlives_a_kill_and_a_dead_database_holds_back_what_follows(
    owner: Owner, stack: Stack, application: str
) -> None:
    said: list[str] = []
    alerting = Alerting(
        owner=owner,
        directory=stack.directory,
        probers=[stack.watcher.address],
        interval=INTERVAL,
        told=lambda notified: said.append(page_text(notified, "03:00:00")),
        others={"app": [application]},
    )
    server, pager = alerting.prometheus, alerting.pager

    def paged(name: str) -> Callable[[], Awaitable[bool]]:
        async def so() -> bool:
            return any(each.name == name and each.firing for each in pager.notified)

        return so

    await violated_and_killed(stack)
    await alerting.start()
    await stack.watcher.start()
    await until("the page of a violation that no scrape had seen", paged("RaceConditionDetected"), PATIENCE)
    await server.wait_for('prober_open_violations{job="app"} == 1e6', PATIENCE)

    await stack.watcher.wait_complete()
    stack.postgres.kill()
    await until("the page of the outage", paged("DatabaseOutage"), PATIENCE)
    # What follows from it fires as well, and is held back.
    await server.wait_for('ALERTS{alertname="DatabaseRecoverySlow",alertstate="firing"}', PATIENCE)
    await asyncio.sleep(3 * INTERVAL)
    assert people(pager.notified) == {"RaceConditionDetected", "DatabaseOutage"}, (
        "nothing by an application's series"
    )

    page = next(each for each in pager.pages() if each.name == "DatabaseOutage")
    assert (page.receiver, page.labels["region"], page.labels["subject"]) == (PAGER, REGION, "database")
    text = next(each for each in said if "DatabaseOutage" in each)
    assert text.startswith("03:00:00  PAGE    DatabaseOutage (demo database): PostgreSQL has been down for 1")
    assert "docs/runbooks/DatabaseOutage.md" in text
    assert "<no value>" not in "".join(said)

    await alerting.stop()
    stack.watcher.kill()  # rather than wait until it has given up on its database


async def violated_and_killed(stack: Stack) -> None:
    """Have a second winner found, and the prober dead before anybody scrapes it."""
    watched = Watched(stack)
    async with ControlClient(stack.target.control_url) as control:
        await control.plant(FaultName.PHANTOM_WINNER)

        async def found() -> bool:
            return bool(watched.reader.violations("phantom_winner", limit=1))

        await until("a violation in the journal", found)
        stack.watcher.kill()
        await control.remove(FaultName.PHANTOM_WINNER)


LABELS = {"region": "eu-1", "instance": "p1:9877", "job": "prober"}


def alert_of(name: str, summary: str) -> dict[str, dict[str, str]]:
    """An alert as Prometheus would send it."""
    links = {"runbook_url": f"https://x/{name}.md", "dashboard": "https://x/d"}
    labels = {**LABELS, "alertname": name, **BY_NAME[name].labels}
    return {"labels": labels, "annotations": {"summary": summary, "description": f"More of {name}.", **links}}


async def test_the_receivers_as_shipped_say_what_is_wrong_and_what_to_do(owner: Owner) -> None:
    taken: dict[str, dict[str, Any]] = {}

    async def take(request: web.Request) -> web.Response:
        taken[request.path] = await request.json()
        return web.Response(text="ok")

    served, port = web.Application(), owner.port()
    served.router.add_post("/{service:.*}", take)
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()

    secret = owner.directory / "slack_api_url"
    secret.write_text(f"http://{HOST}:{port}/slack", encoding="utf-8")
    config = configuration()
    config["global"]["pagerduty_url"] = f"http://{HOST}:{port}/pagerduty"
    for receiver in config["receivers"]:
        for pagerduty in receiver.get("pagerduty_configs", ()):
            pagerduty["routing_key_file"] = str(secret)
        for slack in receiver.get("slack_configs", ()):
            slack["api_url_file"] = str(secret)
    for route in (config["route"], *config["route"]["routes"]):
        route["group_wait"] = "0s"

    manager = Alertmanager(owner, owner.directory / "alertmanager", config)
    await manager.start()
    sent = [
        alert_of("DatabaseOutage", "PostgreSQL has been down for 12s"),
        alert_of("RedisEvicting", "Redis evicts"),
    ]
    async with ClientSession() as session, session.post(f"{manager.url}/api/v2/alerts", json=sent) as answer:
        assert answer.status == 200, await answer.text()

    async def both() -> bool:
        return {"/pagerduty", "/slack"} <= taken.keys()

    await until("a page and a ticket", both, PATIENCE)
    await manager.stop()
    await runner.cleanup()

    page, (ticket,) = taken["/pagerduty"], taken["/slack"]["attachments"]
    assert page["payload"]["summary"] == "PostgreSQL has been down for 12s [eu-1]"
    assert page["client_url"] == "https://x/d"
    assert page["links"] == [{"href": "https://x/DatabaseOutage.md", "text": "runbook"}]
    assert "More of DatabaseOutage." in page["payload"]["custom_details"]["firing"]
    assert ticket["title"] == "Redis evicts [eu-1]"
    assert "More of RedisEvicting.\nrunbook: https://x/RedisEvicting.md\n" in ticket["text"]
    assert "no value" not in json.dumps(taken)
