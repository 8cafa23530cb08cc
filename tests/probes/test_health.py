"""The health probe and its permit: what the target wants nothing of is left out, and nothing is said of it."""

from __future__ import annotations

from aiohttp import web

from prober.cap import Demand
from prober.clock import now
from prober.config import load_strict
from prober.contract import SHIPPED, Contract
from prober.http1 import Client, Endpoint
from prober.outcome import Outcome
from prober.probes.base import Run
from prober.probes.health import HealthProbe
from prober.probes.synthetic import Mark
from prober.result import HealthResult
from tests.permits import ROUTES, permit_for

from .answering import Asked, answering

CONTRACT = load_strict(SHIPPED / "whatsapp-ordering-system.yaml", Contract).health


async def answer(asked: Asked) -> web.Response:
    return web.json_response({"status": "healthy"}, status=404 if "webhook" in asked.path else 200)


async def run(demand: Demand, *, prefix: str = "") -> tuple[HealthResult, list[str]]:
    async with answering(answer) as server:
        probe = HealthProbe(CONTRACT, Mark("test"), Client(Endpoint.parse(server.url + prefix)))
        permit = permit_for(webhook=demand.webhook, routing=demand.routing, pages=demand.pages)
        result = await probe.run(Run(id="run1", started=now(), timeout=20.0, permit=permit))
    return result, [asked.path for asked in server.asked]


async def test_demands_each_page_and_route_once() -> None:
    probe = HealthProbe(CONTRACT, Mark("test"), Client(Endpoint.parse("http://127.0.0.1:9")))
    demand = ROUTES.demand(probe.targets)
    assert demand == Demand(webhook=1, routing=1, pages=5)
    result, asked = await run(demand)
    assert sorted(asked) == sorted(probe.targets)
    assert result.missing_routes == ("webhook",)
    assert result.routes_not_asked == ()


async def test_leaves_out_what_the_permit_does_not_cover() -> None:
    result, asked = await run(Demand(pages=5))
    assert len(asked) == 5
    assert result.outcome is Outcome.OK
    assert (result.missing_routes, result.routes_not_asked) == ((), ("webhook", "accept"))
    assert "not asked" in result.detail
    result, asked = await run(Demand(routing=1))
    assert len(asked) == 1
    assert result.routes_not_asked == ("webhook",)
    assert result.pages[0].code == 200


async def test_asks_below_the_prefix_of_the_url() -> None:
    probe = HealthProbe(CONTRACT, Mark("test"), Client(Endpoint.parse("http://127.0.0.1:9/shop")))
    assert all(target.startswith("/shop/") for target in probe.targets)
