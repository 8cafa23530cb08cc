"""PostgreSQL and Redis are killed and frozen under the target: an outage with the switches on, a loss without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from prober.demo.postgres import Postgres
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer
from prober.demo.server import Server
from prober.demo.target.faults import FaultName, Switch
from prober.demo.target.forms import FormName
from prober.demo.target.record import Kind
from tests.system.target_client import Outside, Sms, eventually, outside, start_target

FROZEN_TIMEOUT = 2.0
DEADLINE = 60.0


# Where statements of the form are in play that nothing else runs: messages taken without the database.
both_forms = pytest.mark.parametrize("someone", list(FormName), indirect=True)


@pytest_asyncio.fixture
async def someone(
    owner: Owner, database: str, redis_server: RedisServer, request: pytest.FixtureRequest
) -> AsyncIterator[Outside]:
    limits = {"timeout": 0.5, "frozen_timeout": FROZEN_TIMEOUT}
    form = getattr(request, "param", FormName.DEPLOYED)
    target = await start_target(owner, database, redis_server, database=limits, form=form)
    async with outside(target) as someone:
        yield someone


async def turn_off(someone: Outside, *switches: Switch) -> None:
    for switch in switches:
        await someone.control.switch(switch, on=False)


async def send_throughout(someone: Outside, ended: asyncio.Event) -> list[tuple[Sms, int]]:
    """Send messages, some of them twice, until told to end, and a while longer."""
    sent: list[tuple[Sms, int]] = []
    more = 20
    while more > 0:
        sms = Sms()
        sent.append((sms, (await someone.webhook(sms))[0]))
        if len(sent) % 3 == 1:
            sent.append((sms, (await someone.webhook(sms))[0]))
        more -= ended.is_set()
        await asyncio.sleep(0.01)
    return sent


async def expect_exactly_one_effect_each(someone: Outside, messages: list[Sms]) -> None:
    bodies = sorted({sms.body for sms in messages})

    async def all_there() -> bool:
        found = await someone.value(
            "SELECT count(DISTINCT body) FROM whatsapp_messages WHERE body = ANY($1)", bodies
        )
        return bool(found == len(bodies))

    await eventually(all_there, "every accepted message has its effect", DEADLINE)

    async def no_job_left() -> bool:
        return bool(await someone.value("SELECT count(*) FROM webhook_jobs") == 0)

    await eventually(no_job_left, "no job is left", DEADLINE)
    total = await someone.value("SELECT count(*) FROM whatsapp_messages WHERE body = ANY($1)", bodies)
    assert total == len(bodies)


async def break_and_mend(server: Server, how: str, pause: float) -> None:
    if how == "kill":
        server.kill()
        await asyncio.sleep(pause)
        await server.start()
    else:
        server.freeze()
        await asyncio.sleep(pause)
        server.thaw()


@both_forms
@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.parametrize("which", ["postgres", "redis"])
async def test_with_the_switches_on_no_accepted_message_is_lost_or_doubled(
    someone: Outside, postgres: Postgres, redis_server: RedisServer, which: str, how: str
) -> None:
    ended = asyncio.Event()
    senders = [asyncio.create_task(send_throughout(someone, ended)) for _ in range(3)]
    await eventually(lambda: someone.recorded(Kind.ACCEPTED), "messages flow")
    await break_and_mend(postgres if which == "postgres" else redis_server, how, pause=1.5)
    ended.set()
    sent = [one for sender in senders for one in await sender]
    assert {status for _, status in sent} == {200}
    assert len(sent) > 100
    await expect_exactly_one_effect_each(someone, [sms for sms, _ in sent])
    assert await someone.control.record(Kind.LOST) == []


async def test_messages_taken_while_redis_is_down_do_not_wait_for_it(
    someone: Outside, redis_server: RedisServer
) -> None:
    redis_server.kill()
    messages = [Sms() for _ in range(5)]
    for sms in messages:
        assert await someone.webhook(sms) == (200, "OK")
    await expect_exactly_one_effect_each(someone, messages)


async def test_with_both_down_a_message_is_refused(
    someone: Outside, postgres: Postgres, redis_server: RedisServer
) -> None:
    postgres.kill()
    redis_server.kill()
    assert (await someone.webhook(Sms()))[0] == 503


@both_forms
async def test_a_message_claimed_before_an_outage_is_skipped_after_it(
    someone: Outside, postgres: Postgres
) -> None:
    sms = Sms()
    await someone.claim(sms)
    postgres.kill()
    assert (await someone.webhook(sms))[0] == 200
    await postgres.start()

    await eventually(lambda: someone.recorded(Kind.SKIPPED, sid=sms.sid), "the claimed message is skipped")
    assert await someone.status(sms) == someone.words.claimed
    assert await someone.effects(sms) == 0


async def test_as_deployed_a_message_is_lost_at_once_with_postgres_down(
    someone: Outside, postgres: Postgres
) -> None:
    await turn_off(someone, *Switch)
    postgres.kill()
    sms = Sms()
    began = time.monotonic()
    assert await someone.webhook(sms) == (200, "OK")
    assert time.monotonic() - began < FROZEN_TIMEOUT
    assert [entry["reason"] for entry in await someone.recorded(Kind.LOST)] == ["database_unavailable"]
    await postgres.start()
    later = Sms()

    async def taken() -> bool:
        return (await someone.webhook(later))[0] == 200 and await someone.status(later) is not None

    await eventually(taken, "the webhook works again")
    await eventually(lambda: has_effect(someone, later), "a later message is processed")
    assert await someone.effects(sms) == 0


async def has_effect(someone: Outside, sms: Sms) -> bool:
    return await someone.effects(sms) == 1


async def test_as_deployed_the_webhook_hangs_with_postgres_frozen(someone: Outside, postgres: Postgres) -> None:
    await turn_off(someone, *Switch)
    assert (await someone.webhook(Sms()))[0] == 200
    postgres.freeze()

    async def took() -> float:
        began = time.monotonic()
        assert (await someone.webhook(Sms()))[0] == 200
        return time.monotonic() - began

    # More at once than there are idle sessions: a new one is waited for as blindly as an answer.
    waits = await asyncio.gather(*(took() for _ in range(6)))
    postgres.thaw()
    assert min(waits) >= FROZEN_TIMEOUT * 0.9


async def test_as_deployed_a_message_is_lost_with_redis_down(someone: Outside, redis_server: RedisServer) -> None:
    await turn_off(someone, *Switch)
    redis_server.kill()
    sms = Sms()
    assert await someone.webhook(sms) == (200, "OK")
    assert [entry["reason"] for entry in await someone.recorded(Kind.LOST)] == ["redis_unavailable"]
    await redis_server.start()
    later: list[Sms] = []

    async def processed() -> bool:
        # Not the first one of necessity: it may meet a Redis that is slow to answer yet, and is lost as well.
        later.append(Sms())
        await someone.webhook(later[-1])
        await asyncio.sleep(0.2)
        return any([await someone.processed(each) for each in later])

    await eventually(processed, "a later message is processed")
    assert (await someone.effects(sms), await someone.status(sms)) == (0, "pending")


async def test_races_go_on_without_redis_and_end_without_postgres(
    someone: Outside, postgres: Postgres, redis_server: RedisServer
) -> None:
    redis_server.kill()
    race = await someone.new_race(5)
    (winner,) = [answer.vendor for answer in await someone.run_race(race) if answer.accepted]
    assert await someone.outcome(race) == (winner, {winner})
    other = await someone.new_race(5)
    postgres.kill()
    assert {answer.status for answer in await someone.run_race(other)} == {503}
    await postgres.start()

    async def answers_again() -> bool:
        return (await someone.accept(other, other.vendors[0])).status == 200

    await eventually(answers_again, "accepts are answered again")
    assert (await someone.outcome(other))[0] == other.vendors[0]


async def page(someone: Outside, path: str, patience: float = 10.0) -> tuple[int | None, str | None]:
    try:
        async with asyncio.timeout(patience), someone.http.get(path) as response:
            return response.status, (await response.json())["status"]
    except TimeoutError:
        return None, None


async def test_health_pages_with_everything_up(someone: Outside) -> None:
    assert await page(someone, "/health") == (200, "healthy")
    assert await page(someone, "/health/detailed") == (200, "healthy")
    assert (await page(someone, "/health/ready"))[0] == 200
    assert (await page(someone, "/health/live"))[0] == 200
    assert await page(someone, "/health/monitor") == (200, "healthy")
    assert (await someone.http.get("/health/nothing")).status == 404


async def test_health_pages_with_postgres_down(someone: Outside, postgres: Postgres) -> None:
    postgres.kill()
    assert (await page(someone, "/health"))[0] == 503
    assert await page(someone, "/health/detailed") == (200, "degraded")
    assert (await page(someone, "/health/ready"))[0] == 503
    assert (await page(someone, "/health/live"))[0] == 200
    assert await page(someone, "/health/monitor") == (200, "healthy")
    await someone.control.plant(FaultName.HEALTH_LIES)
    for path in ("/health", "/health/detailed", "/health/ready", "/health/monitor"):
        assert (await page(someone, path))[0] == 200


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_health_pages_with_redis_gone(someone: Outside, redis_server: RedisServer, how: str) -> None:
    if how == "kill":
        redis_server.kill()
    else:
        redis_server.freeze()
    assert await page(someone, "/health", patience=4.5) == (None, None)
    assert await page(someone, "/health/detailed") == (200, "degraded")
    assert (await page(someone, "/health/ready"))[0] == 200
    hanging = asyncio.create_task(page(someone, "/health", patience=30.0))
    if how == "kill":
        await redis_server.start()
    else:
        redis_server.thaw()
    assert await hanging == (200, "healthy")


@both_forms
async def test_an_idempotency_key_is_remembered_through_an_outage(someone: Outside, postgres: Postgres) -> None:
    sms, other = Sms(), Sms()
    key = f"key-{sms.sid}"
    postgres.kill()
    assert await someone.webhook(sms, X_Idempotency_Key=key) == (200, "OK")
    await postgres.start()
    await eventually(lambda: someone.processed(sms), "the message is processed")

    async def remembered() -> bool:
        return (await someone.webhook(other, X_Idempotency_Key=key))[1].startswith("{")

    await eventually(remembered, "the key is known")
    await expect_exactly_one_effect_each(someone, [sms])
