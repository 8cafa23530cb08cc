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

import pytest_asyncio

from prober.demo.postgres import Postgres
from prober.demo.target.record import Kind
from tests.system.target_client import (
    HTTPS,
    ROUTING,
    KnownTarget,
    Outside,
    Race,
    eventually,
    outside,
    running_target,
)

JWT_SECRET = "a-secret-of-the-tests"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(module_postgres: Postgres) -> AsyncIterator[KnownTarget]:
    async with running_target(module_postgres, jwt_secret=JWT_SECRET) as target:
        yield target


@pytest_asyncio.fixture
async def someone(target: KnownTarget) -> AsyncIterator[Outside]:
    async with outside(target) as someone:
        yield someone


async def test_two_hundred_races_have_one_winner_each_by_answers_rows_and_record(someone: Outside) -> None:
    races = [await someone.new_race(10) for _ in range(200)]
    for race in races:
        answers = await someone.run_race(race)
        assert {answer.status for answer in answers} == {200}
        winners = [answer.vendor for answer in answers if answer.accepted]
        assert len(winners) == 1, answers
        assert {answer.reason for answer in answers} <= {"LOCKED", "LOST_RACE", "ALREADY_LOCKED"}
        assert {answer.json["message"] for answer in answers} == {"Order accepted successfully"}
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


async def test_a_race_leaves_an_event_and_the_cancellations_of_those_who_lost(someone: Outside) -> None:
    race = await someone.new_race(5)
    await someone.run_race(race)
    events = await someone.value('SELECT count(*) FROM order_events WHERE "orderId" = $1', race.order)
    cancelled = await someone.value(
        """SELECT count(*) FROM vendor_cancellations c JOIN vendor_responses s ON s.id = c."vendorResponseId"
            WHERE s."vendorRoutingId" = $1 AND s."acceptedAt" IS NULL""",
        race.routing,
    )
    assert (events, cancelled) == (1, 4)
    await someone.execute("DELETE FROM orders WHERE id = $1", race.order)
    left = await someone.value('SELECT count(*) FROM vendor_routings WHERE "orderId" = $1', race.order)
    assert left == 0


async def test_the_winner_asks_again_and_a_late_vendor_loses(someone: Outside) -> None:
    race = await someone.new_race(4)
    racers = Race(race.order, race.routing, race.vendors[:3])
    (winner,) = [answer.vendor for answer in await someone.run_race(racers) if answer.accepted]
    again = await someone.accept(race, winner)
    assert (again.status, again.accepted, again.reason) == (200, True, "ALREADY_ACCEPTED")
    late = await someone.accept(race, race.vendors[3])
    assert (late.status, late.accepted, late.reason) == (200, False, "ALREADY_LOCKED")
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
        assert {answer.status for answers in both for answer in answers} == {200}


async def test_one_vendor_in_two_routings_of_one_order_conflicts(someone: Outside) -> None:
    first = await someone.new_race(2)
    second = await someone.new_race(2, order=first.order)
    vendor = first.vendors[0]
    await someone.execute(
        """INSERT INTO vendor_responses (id, "vendorRoutingId", "wholesalerId", "responseType", "updatedAt")
           VALUES ($1 || $2, $1, $2, 'PENDING', now())""",
        second.routing,
        vendor,
    )
    assert (await someone.accept(first, vendor)).accepted is True
    refused = await someone.accept(second, vendor)
    assert (refused.status, refused.reason) == (409, "CONFLICT")
    assert (await someone.outcome(second))[0] is None


async def test_a_vendor_without_a_response_row_gets_404_and_keeps_the_lock(someone: Outside) -> None:
    race = await someone.new_race(1)
    await someone.execute('DELETE FROM vendor_responses WHERE "vendorRoutingId" = $1', race.routing)
    answer = await someone.accept(race, race.vendors[0])
    assert answer.status == 404
    assert await someone.outcome(race) == (race.vendors[0], set())


async def test_unknown_things(someone: Outside) -> None:
    race = await someone.new_race(1)
    nobody = await someone.accept(race, "nobody")
    assert nobody.status == 500
    nowhere = await someone.accept(Race("none", "nowhere", ()), race.vendors[0])
    assert (nowhere.status, nowhere.reason) == (400, "NOT_FOUND")
    assert await someone.outcome(race) == (None, set())


async def test_status_is_broken_and_other_methods_are_not_found(someone: Outside) -> None:
    race = await someone.new_race(1)
    async with someone.http.get(f"{ROUTING}/routing/{race.routing}/status") as response:
        assert response.status == 500
    async with someone.http.get(f"{ROUTING}/routing/{race.routing}/accept") as response:
        assert response.status == 404


async def test_a_response_is_recorded_once(someone: Outside) -> None:
    race = await someone.new_race(1)
    await someone.execute('DELETE FROM vendor_responses WHERE "vendorRoutingId" = $1', race.routing)
    path = f"{ROUTING}/routing/{race.routing}/vendor-response"
    statuses = []
    for response_type in ("ACCEPT", "ACCEPT", "MAYBE"):
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
    path = f"{ROUTING}/orders/{race.order}/route-to-vendors"

    async def route(headers: dict[str, str]) -> tuple[int, dict[str, object]]:
        async with someone.http.post(path, json={"retailerId": "retailer"}, headers=headers) as response:
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
    await someone.execute('UPDATE wholesalers SET "isActive" = true, "isVerified" = true WHERE id = $1', chosen)
    status, body = await route(bearer("ADMIN"))
    await someone.execute('UPDATE wholesalers SET "isActive" = false WHERE id = $1', chosen)
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
