"""Each planted fault does what its name says, seen from outside: by answers, by rows, by the queue."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from prober.demo.postgres import Postgres
from prober.demo.target.faults import FaultName
from prober.demo.target.forms import FormName
from prober.demo.target.record import Kind
from tests.system.target_client import (
    HTTPS,
    WEBHOOK,
    Answer,
    KnownTarget,
    Outside,
    Race,
    Sms,
    eventually,
    outside,
    running_target,
)

POOL = 10
MANY_RACES = 150


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(FormName))
async def target(module_postgres: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[KnownTarget]:
    async with running_target(module_postgres, database={"pool_size": POOL}, form=request.param) as target:
        yield target


@pytest_asyncio.fixture
async def someone(target: KnownTarget) -> AsyncIterator[Outside]:
    async with outside(target) as someone:
        yield someone
        for fault in (await someone.control.faults())["planted"]:
            await someone.control.remove(fault)


def winners(answers: list[Answer]) -> list[str]:
    return [answer.vendor for answer in answers if answer.accepted]


async def test_double_accept_lets_every_racer_win(someone: Outside) -> None:
    await someone.control.plant(FaultName.DOUBLE_ACCEPT, window_ms=300)
    race = await someone.new_race(5)
    told = winners(await someone.run_race(race))
    lock, accepted = await someone.outcome(race)
    assert set(told) == accepted == set(race.vendors)
    assert lock in race.vendors


async def test_double_accept_rare_happens_within_some_races(someone: Outside) -> None:
    await someone.control.plant(FaultName.DOUBLE_ACCEPT_RARE)
    for _ in range(MANY_RACES):
        race = await someone.new_race(5)
        told = winners(await someone.run_race(race))
        assert told
        lock, accepted = await someone.outcome(race)
        assert accepted == set(told)
        assert lock in told
        if len(told) > 1:
            decisions = await someone.recorded(Kind.DECISION, routing=race.routing, verdict="locked")
            assert len(decisions) == len(told)
            assert all(decision["window"] > 0 for decision in decisions)
            return
    pytest.fail(f"none of {MANY_RACES} races had two winners")


async def test_split_order_lets_both_routings_be_won(someone: Outside) -> None:
    await someone.control.plant(FaultName.SPLIT_ORDER)
    first = await someone.new_race(3)
    second = await someone.new_race(3, order=first.order)
    for race in (first, second):
        told = winners(await someone.run_race(race))
        assert len(told) == 1
        assert await someone.outcome(race) == (told[0], set(told))


async def test_phantom_winner_is_told_what_the_rows_deny(someone: Outside) -> None:
    await someone.control.plant(FaultName.PHANTOM_WINNER)
    race = await someone.new_race(4)
    (told,) = winners(await someone.run_race(race))
    lock, accepted = await someone.outcome(race)
    assert lock is not None
    assert lock != told
    assert accepted == {lock}
    assert (await someone.accept(race, told)).heard == someone.words.won_again
    assert (await someone.accept(race, lock)).accepted is False


async def test_no_winner_tells_all_that_they_lost(someone: Outside) -> None:
    await someone.control.plant(FaultName.NO_WINNER)
    race = await someone.new_race(4)
    answers = await someone.run_race(race)
    assert {answer.heard for answer in answers} <= someone.words.lost
    assert await someone.outcome(race) == (None, set())


@pytest.mark.parametrize("take_lock", [True, False])
async def test_late_winner_is_told_it_won_after_the_race(someone: Outside, take_lock: bool) -> None:
    await someone.control.plant(FaultName.LATE_WINNER, after_ms=1_000, take_lock=take_lock)
    race = await someone.new_race(4)
    (told,) = winners(await someone.run_race(Race(race.order, race.routing, race.vendors[:3])))
    loser = next(vendor for vendor in race.vendors[:3] if vendor != told)
    late = await someone.accept(race, loser)
    assert late.heard == someone.words.won
    lock, accepted = await someone.outcome(race)
    assert lock == (loser if take_lock else told)
    assert accepted == ({told, loser} if take_lock else {told})


async def test_late_winner_may_be_a_vendor_that_never_asked(someone: Outside) -> None:
    await someone.control.plant(FaultName.LATE_WINNER, after_ms=0, take_lock=False)
    race = await someone.new_race(2)
    assert (await someone.accept(race, race.vendors[0])).accepted
    assert (await someone.accept(race, race.vendors[1])).accepted


async def test_not_idempotent_tells_the_winner_it_lost(someone: Outside) -> None:
    await someone.control.plant(FaultName.NOT_IDEMPOTENT)
    race = await someone.new_race(3)
    (told,) = winners(await someone.run_race(race))
    again = await someone.accept(race, told)
    assert (again.heard, again.accepted) == (someone.words.late, False)
    assert await someone.outcome(race) == (told, {told})


async def test_duplicate_effect_processes_a_repeat(someone: Outside) -> None:
    await someone.control.plant(FaultName.DUPLICATE_EFFECT)
    sms = Sms()
    await someone.webhook(sms)
    await someone.webhook(sms)
    await eventually(lambda: has_effects(someone, sms, 2), "the repeat has its effect")


async def test_duplicate_effect_shows_on_a_claimed_message(someone: Outside) -> None:
    await someone.control.plant(FaultName.DUPLICATE_EFFECT)
    sms = Sms()
    await someone.claim(sms)
    await someone.webhook(sms)
    await eventually(lambda: has_effects(someone, sms, 1), "the claimed message has an effect")
    assert await someone.status(sms) == someone.words.claimed


async def test_duplicate_effect_can_be_of_every_message(someone: Outside) -> None:
    await someone.control.plant(FaultName.DUPLICATE_EFFECT, on="every")
    sms = Sms()
    await someone.webhook(sms)
    await eventually(lambda: has_effects(someone, sms, 2), "two effects of one message")


async def has_effects(someone: Outside, sms: Sms, count: int) -> bool:
    return await someone.effects(sms) == count


@pytest.mark.parametrize(
    ("fault", "signature"), [(FaultName.FORGED_ACCEPTED, "forged"), (FaultName.UNSIGNED_ACCEPTED, None)]
)
async def test_a_bad_signature_is_accepted(someone: Outside, fault: FaultName, signature: str | None) -> None:
    await someone.control.plant(fault)
    sms = Sms()
    assert await someone.webhook(sms, signature=signature) == (200, "OK")
    await eventually(lambda: someone.processed(sms), "the message is processed")
    other = None if signature == "forged" else "forged"
    assert (await someone.webhook(Sms(), signature=other))[0] == 403


async def test_replay_accepted(someone: Outside) -> None:
    await someone.control.plant(FaultName.REPLAY_ACCEPTED)
    old = str(int(time.time() - 3600))
    assert (await someone.webhook(Sms(), x_twilio_timestamp=old))[0] == 200


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_lost_message_is_answered_and_forgotten(someone: Outside, claimed: bool) -> None:
    await someone.control.plant(FaultName.LOST_MESSAGE)
    sms = Sms()
    if claimed:
        await someone.claim(sms)
    assert await someone.webhook(sms) == (200, "OK")
    await someone.control.remove(FaultName.LOST_MESSAGE)
    later = Sms()
    await someone.webhook(later)
    await eventually(lambda: someone.processed(later), "a later message is processed")
    assert await someone.effects(sms) == 0
    assert await someone.status(sms) == ("pending" if claimed else None)
    assert [entry["reason"] for entry in await someone.recorded(Kind.LOST, sid=sms.sid)] == ["lost_message"]


@pytest.mark.parametrize("claimed", [False, True])
async def test_late_processing(someone: Outside, claimed: bool) -> None:
    await someone.control.plant(FaultName.LATE_PROCESSING, delay_seconds=1.0)
    sms = Sms()
    if claimed:
        await someone.claim(sms)
    sent = time.monotonic()
    assert await someone.webhook(sms) == (200, "OK")
    kind = Kind.SKIPPED if claimed else Kind.PROCESSED
    await eventually(lambda: someone.recorded(kind, sid=sms.sid), "it is settled late")
    assert time.monotonic() - sent >= 1.0
    assert await someone.status(sms) == (someone.words.claimed if claimed else "processed")
    assert await someone.effects(sms) == (0 if claimed else 1)


async def test_slow(someone: Outside) -> None:
    await someone.control.plant(FaultName.SLOW, delay_ms=400, routes="webhook")
    began = time.monotonic()
    assert (await someone.webhook(Sms()))[0] == 200
    assert time.monotonic() - began >= 0.4


async def test_hang_never_answers_while_health_does(someone: Outside) -> None:
    await someone.control.plant(FaultName.HANG)
    sms = Sms()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(someone.webhook(sms), 1.0)
    async with someone.http.get("/health") as response:
        assert response.status == 200
    assert await someone.status(sms) is None
    await eventually(lambda: someone.recorded(Kind.REQUEST, path=WEBHOOK, status=None), "the request is recorded")


async def test_errors_and_their_routes(someone: Outside) -> None:
    await someone.control.plant(FaultName.ERRORS, routes="routing")
    race = await someone.new_race(1)
    assert (await someone.accept(race, race.vendors[0])).status == 500
    assert await someone.outcome(race) == (None, set())
    assert (await someone.webhook(Sms()))[0] == 200


async def test_rate_limited_says_when_to_come_back(someone: Outside) -> None:
    await someone.control.plant(FaultName.RATE_LIMITED, retry_after_seconds=7)
    async with someone.http.get(WEBHOOK, headers=HTTPS) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")


async def test_pool_leak_is_seen_in_the_sessions_and_ends(someone: Outside) -> None:
    async def leaked() -> int:
        return int(
            await someone.value(
                """SELECT count(*) FROM pg_stat_activity WHERE application_name = 'whatsapp-ordering-system'
                      AND state = 'idle in transaction' AND datname = current_database()"""
            )
        )

    async def are_leaked(count: int) -> bool:
        return await leaked() == count

    await someone.control.plant(FaultName.POOL_LEAK)
    await eventually(lambda: are_leaked(POOL - 2), "all but one session of each process leak")
    sms = Sms()
    assert (await someone.webhook(sms))[0] == 200
    await eventually(lambda: someone.processed(sms), "the rest of the pool still works")
    await someone.control.plant(FaultName.POOL_LEAK, sessions=POOL)
    await eventually(lambda: are_leaked(POOL), "the whole pool leaks")
    await someone.control.remove(FaultName.POOL_LEAK)
    await eventually(lambda: are_leaked(0), "the sessions are given back")


async def test_rollbacks_are_counted_by_the_server(someone: Outside) -> None:
    async def rollbacks() -> int:
        return int(
            await someone.value("SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        )

    before = await rollbacks()
    await someone.control.plant(FaultName.ROLLBACKS, per_second=100)

    async def grown() -> bool:
        return await rollbacks() > before + 50

    await eventually(grown, "the server counts rollbacks")


@pytest.mark.parametrize("pile", ["wait", "paused", "prioritized"])
async def test_stuck_queue_piles_up_and_comes_loose(target: KnownTarget, someone: Outside, pile: str) -> None:
    await someone.control.plant(FaultName.STUCK_QUEUE, pile=pile)
    messages = [Sms() for _ in range(10)]
    for sms in messages:
        assert (await someone.webhook(sms))[0] == 200
    key = f"bull:whatsapp-webhooks:{pile}"
    async with Redis.from_url(target.redis_url) as redis:

        async def length() -> int:
            return int(await (redis.zcard(key) if pile == "prioritized" else redis.llen(key)))

        async def piled() -> bool:
            return await length() == len(messages)

        await eventually(piled, "all jobs pile up")
        assert [await someone.status(sms) for sms in messages] == ["pending"] * len(messages)
        await someone.control.remove(FaultName.STUCK_QUEUE)

        async def all_done() -> bool:
            return all([await someone.processed(sms) for sms in messages])

        await eventually(all_done, "all jobs are done")
        assert await length() == 0


async def test_routes_missing_while_health_is_well(someone: Outside) -> None:
    await someone.control.plant(FaultName.ROUTES_MISSING)
    race = await someone.new_race(1)
    assert (await someone.accept(race, race.vendors[0])).status == 404
    assert (await someone.webhook(Sms()))[0] == 404
    async with someone.http.get("/health") as response:
        assert (response.status, (await response.json())["status"]) == (200, "healthy")


async def test_a_fault_ends_by_itself(someone: Outside) -> None:
    await someone.control.plant(FaultName.ERRORS, for_seconds=0.5)
    assert (await someone.webhook(Sms()))[0] == 500

    async def gone() -> bool:
        return not (await someone.control.faults())["planted"]

    await eventually(gone, "the fault is gone")
    assert (await someone.webhook(Sms()))[0] == 200


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("doubel_accept", {}, "known are: double_accept"),
        ("slow", {"delay": 1}, "its parameters: routes, delay_ms"),
        ("slow", {"delay_ms": "much"}, "delay_ms"),
        ("lost_message", {"probability": 2}, "less than or equal to 1"),
        ("slow", {"for_seconds": -1}, "for_seconds"),
        ("slow", [1], "slow"),
    ],
)
async def test_wrong_faults_are_refused_in_words(
    someone: Outside, fault: str, parameters: object, said: str
) -> None:
    async with (
        aiohttp.ClientSession(someone.target.control_url) as http,
        http.put(f"/faults/{fault}", data=json.dumps(parameters)) as response,
    ):
        assert response.status == 400
        assert said in (await response.json())["error"]
    assert (await someone.control.faults())["planted"] == {}
