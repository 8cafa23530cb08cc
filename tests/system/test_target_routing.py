"""The target's vendor routing with nothing planted: one winner each, by answers and by rows, quirks included."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.demo.postgres import Postgres
from prober.demo.target.forms import FORMS, FormName
from prober.demo.target.record import Kind
from tests.system.target_client import (
    HTTPS,
    RETAILER,
    KnownTarget,
    Outside,
    Race,
    eventually,
    outside,
    running_target,
)

JWT_SECRET = "a-secret-of-the-tests"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(FormName))
async def target(module_postgres: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[KnownTarget]:
    async with running_target(module_postgres, jwt_secret=JWT_SECRET, form=request.param) as target:
        yield target


@pytest_asyncio.fixture
async def someone(target: KnownTarget) -> AsyncIterator[Outside]:
    async with outside(target) as someone:
        yield someone


async def test_two_hundred_races_have_one_winner_each_by_answers_rows_and_record(someone: Outside) -> None:
    words = someone.words
    races = [await someone.new_race(10) for _ in range(200)]
    for race in races:
        answers = await someone.run_race(race)
        winners = [answer.vendor for answer in answers if answer.accepted]
        assert len(winners) == 1, answers
        assert {answer.heard for answer in answers} <= {words.won, *words.lost}
        assert {answer.json.get("message") for answer in answers} == words.messages
        lock, accepted = await someone.outcome(race)
        assert lock == winners[0]
        assert accepted == set(winners)
    decisions = await someone.control.record(Kind.DECISION)
    by_routing: dict[str, Counter[str]] = defaultdict(Counter)
    processes: dict[str, set[int]] = defaultdict(set)
    for decision in decisions:
        by_routing[decision["routing"]][decision["verdict"]] += 1
        processes[decision["routing"]].add(decision["pid"])
    assert all(by_routing[race.routing]["locked"] == 1 for race in races)
    assert all(by_routing[race.routing].total() == 10 for race in races)
    # Connections are dealt out in turn, so every one of these races was one between processes.
    assert all(len(processes[race.routing]) == 2 for race in races)


async def test_a_race_leaves_an_event_and_a_mark_of_those_who_lost(someone: Outside) -> None:
    race = await someone.new_race(5)
    await someone.run_race(race)
    events = await someone.value(someone.words.events, race.order)
    losers = await someone.value(someone.words.losers, race.routing)
    assert (events, losers) == (1, 4)
    assert await someone.remove(race) == 0
    assert await someone.value(someone.words.routings, race.order) == 0
    assert await someone.value(someone.words.events, race.order) == 0


async def test_the_winner_asks_again_and_a_late_vendor_loses(someone: Outside) -> None:
    race = await someone.new_race(4)
    racers = Race(race.order, race.routing, race.vendors[:3])
    (first,) = [answer for answer in await someone.run_race(racers) if answer.accepted]
    winner = first.vendor
    again = await someone.accept(race, winner)
    assert again.heard == someone.words.won_again
    if someone.words.form is FormName.GUIDE:
        assert again.json == first.json
    late = await someone.accept(race, race.vendors[3])
    assert (late.heard, late.accepted) == (someone.words.late, False)
    assert await someone.outcome(race) == (winner, {winner})


async def test_two_routings_of_one_order_have_one_winner_between_them(someone: Outside) -> None:
    for _ in range(20):
        first = await someone.new_race(3)
        second = await someone.new_race(3, order=first.order)
        both = await asyncio.gather(someone.run_race(first), someone.run_race(second))
        told = [answer.vendor for answers in both for answer in answers if answer.accepted]
        assert len(told) == 1
        locks = [(await someone.outcome(race))[0] for race in (first, second)]
        assert [lock for lock in locks if lock is not None] == told
        assert {a.heard for answers in both for a in answers} <= {someone.words.won, *someone.words.lost}


async def test_one_vendor_in_two_routings_of_one_order_conflicts(someone: Outside) -> None:
    first = await someone.new_race(2)
    second = await someone.new_race(2, order=first.order)
    vendor = first.vendors[0]
    await someone.run(
        FORMS[someone.words.form].routing.record_response,
        response_id=f"{second.routing}-{vendor}",
        routing=second.routing,
        vendor=vendor,
        response="PENDING",
    )
    assert (await someone.accept(first, vendor)).accepted is True
    refused = await someone.accept(second, vendor)
    assert refused.heard == (409, "CONFLICT")
    assert (await someone.outcome(second))[0] is None


async def test_a_vendor_without_a_response_row_gets_404_and_keeps_the_lock(someone: Outside) -> None:
    race = await someone.new_race(1, responses=False)
    answer = await someone.accept(race, race.vendors[0])
    assert answer.status == 404
    assert await someone.outcome(race) == (race.vendors[0], set())


async def test_unknown_things(someone: Outside) -> None:
    race = await someone.new_race(1)
    nobody = await someone.accept(race, "nobody")
    assert nobody.status == 500
    nowhere = await someone.accept(Race("none", "nowhere", ()), race.vendors[0])
    assert nowhere.heard == someone.words.unknown_routing
    assert await someone.outcome(race) == (None, set())


async def test_the_status_page_and_other_methods(someone: Outside) -> None:
    race = await someone.new_race(2)
    (winner,) = [answer.vendor for answer in await someone.run_race(race) if answer.accepted]
    routing = f"{someone.words.routing}/routing"
    async with someone.http.get(f"{routing}/{race.routing}/status") as response:
        assert response.status == someone.words.status_page
        if response.status == 200:
            data = (await response.json())["data"]
            assert data == {"routingId": race.routing, "lockedVendor": winner, "acceptedVendors": [winner]}
    async with someone.http.get(f"{routing}/{race.routing}/accept") as response:
        assert response.status == 404
    async with someone.http.get(f"{routing}/nowhere/status") as response:
        assert response.status == (someone.words.unknown_routing[0] if someone.words.status_page == 200 else 500)


async def test_a_route_that_is_missing_differs_from_a_routing_that_is(someone: Outside) -> None:
    route = next(route for route in someone.words.contract.health.routes if route.name == "accept")

    async def is_missing(path: str) -> bool:
        async with someone.http.post(path, json=dict(route.body or {}), headers=HTTPS) as response:
            return route.is_missing(response.status, await response.read())

    assert not await is_missing(route.path)
    assert await is_missing(route.path + "-nothing")


async def test_a_response_is_recorded_once(someone: Outside) -> None:
    race = await someone.new_race(1, responses=False)
    path = f"{someone.words.routing}/routing/{race.routing}/vendor-response"
    statuses = []
    for response_type in (someone.words.accepts, someone.words.accepts, "MAYBE"):
        body = {"vendorId": race.vendors[0], "response": response_type}
        async with someone.http.post(path, json=body, headers=HTTPS) as response:
            statuses.append(response.status)
    assert statuses == [201, 409, 400]
    assert (await someone.accept(race, race.vendors[0])).accepted is True


def bearer(role: str, secret: str = JWT_SECRET, lifetime: float = 60.0) -> dict[str, str]:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    claims = {"role": role, "exp": time.time() + lifetime}
    signed = f"{part(json.dumps({'alg': 'HS256'}).encode())}.{part(json.dumps(claims).encode())}"
    signature = part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())
    return {"Authorization": f"Bearer {signed}.{signature}"}


async def test_routing_an_order_takes_an_admin_and_active_verified_vendors_only(someone: Outside) -> None:
    race = await someone.new_race(3)
    path = f"{someone.words.routing}/orders/{race.order}/route-to-vendors"

    async def route(headers: dict[str, str]) -> tuple[int, dict[str, object]]:
        async with someone.http.post(path, json={"retailerId": RETAILER}, headers=headers) as response:
            return response.status, await response.json()

    assert (await route({}))[0] == 401
    assert (await route(bearer("ADMIN", secret="another")))[0] == 401
    assert (await route(bearer("ADMIN", lifetime=-1.0)))[0] == 401
    assert (await route(bearer("RETAILER")))[0] == 403
    assert await route(bearer("ADMIN")) == (
        400,
        {"success": False, "error": "No vendors available", "code": "NO_VENDORS"},
    )
    chosen = race.vendors[1]
    await someone.execute(someone.words.activate, chosen)
    status, body = await route(bearer("ADMIN"))
    await someone.execute(someone.words.deactivate, chosen)
    assert status == 201
    data = body["data"]
    assert isinstance(data, dict)
    offers = await someone.recorded(Kind.OFFER, routing=data["routingId"])
    assert [offer["vendor"] for offer in offers] == [chosen]


async def test_requests_carry_their_marks_into_the_record(someone: Outside) -> None:
    mark = "synthetic-prober/test/1"
    async with someone.http.get("/health/live", headers={"X-Synthetic-Probe": mark}) as response:
        assert response.status == 200
    await eventually(lambda: someone.recorded(Kind.REQUEST, mark=mark), "the request is recorded")
