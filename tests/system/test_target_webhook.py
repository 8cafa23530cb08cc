"""The target's webhook with nothing planted: every check in its order, and exactly one effect a message."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from prober.demo.postgres import Postgres
from prober.demo.target.forms import FormName
from prober.demo.target.record import Kind
from tests.system.target_client import (
    HTTPS,
    WEBHOOK,
    KnownTarget,
    Outside,
    Sms,
    eventually,
    outside,
    running_target,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(FormName))
async def target(module_postgres: Postgres, request: pytest.FixtureRequest) -> AsyncIterator[KnownTarget]:
    async with running_target(module_postgres, form=request.param) as target:
        yield target


@pytest_asyncio.fixture
async def someone(target: KnownTarget) -> AsyncIterator[Outside]:
    async with outside(target) as someone:
        yield someone


async def test_a_good_message_is_answered_ok_and_processed_afterwards(someone: Outside) -> None:
    sms = Sms()
    assert await someone.webhook(sms) == (200, "OK")
    await eventually(lambda: someone.processed(sms), "the message is processed")
    row = await (await someone.connection()).fetchrow(
        'SELECT "from", "to", direction FROM whatsapp_messages WHERE body = $1', sms.body
    )
    assert row is not None
    assert tuple(row) == (sms.sender, "SYSTEM", "INCOMING")
    await eventually(lambda: someone.recorded(Kind.REPLY, sid=sms.sid), "the reply is recorded")
    assert len(await someone.recorded(Kind.PROCESSED, sid=sms.sid)) == 1
    assert len(await someone.recorded(Kind.REQUEST, sid=sms.sid, status=200)) == 1


async def test_a_repeat_is_known_again_and_has_no_effect(someone: Outside) -> None:
    sms = Sms()
    await someone.webhook(sms)
    await eventually(lambda: someone.processed(sms), "the message is processed")
    assert await someone.webhook(sms) == (200, "OK")
    assert await someone.status(sms) == someone.words.repeated
    assert len(await someone.recorded(Kind.SKIPPED, sid=sms.sid)) == 1
    assert await someone.effects(sms) == 1


async def test_a_claimed_message_is_skipped_and_gets_no_reply(someone: Outside) -> None:
    sms = Sms()
    await someone.claim(sms)
    assert await someone.webhook(sms) == (200, "OK")
    assert await someone.status(sms) == someone.words.claimed
    assert len(await someone.recorded(Kind.SKIPPED, sid=sms.sid)) == 1
    later = Sms()  # queued after it, so once this one is done nothing is to come of the other
    await someone.webhook(later)
    await eventually(lambda: someone.processed(later), "the later message is processed")
    assert await someone.effects(sms) == 0
    assert await someone.recorded(Kind.REPLY, to=sms.sender, sid=sms.sid) == []


async def test_messages_sent_many_times_at_once_have_one_effect_each(someone: Outside) -> None:
    messages = [Sms() for _ in range(120)]
    sent = [sms for number, sms in enumerate(messages) for _ in range(1 + number % 5)]
    random.Random(1).shuffle(sent)
    answers = await asyncio.gather(*(someone.webhook(sms) for sms in sent))
    assert set(answers) == {(200, "OK")}
    bodies = [sms.body for sms in messages]

    async def all_done() -> bool:
        found = await someone.value("SELECT count(*) FROM whatsapp_messages WHERE body = ANY($1)", bodies)
        return bool(found >= len(messages))

    await eventually(all_done, "every message has its effect")
    await eventually(lambda: no_jobs_left(someone), "no job is left")
    counts = await (await someone.connection()).fetch(
        "SELECT body, count(*) FROM whatsapp_messages WHERE body = ANY($1) GROUP BY body", bodies
    )
    assert {row["body"]: row["count"] for row in counts} == dict.fromkeys(bodies, 1)
    sids = {sms.sid for sms in messages}
    processed = [entry["sid"] for entry in await someone.control.record(Kind.PROCESSED) if entry["sid"] in sids]
    assert sorted(processed) == sorted(sids)
    replies = [entry["sid"] for entry in await someone.control.record(Kind.REPLY) if entry["sid"] in sids]
    assert sorted(replies) == sorted(sids)


async def no_jobs_left(someone: Outside) -> bool:
    return bool(await someone.value("SELECT count(*) FROM webhook_jobs") == 0)


async def test_a_repeated_idempotency_key_gets_json(someone: Outside) -> None:
    sms, other = Sms(), Sms()
    key = f"key-{sms.sid}"
    assert await someone.webhook(sms, X_Idempotency_Key=key) == (200, "OK")
    status, body = await someone.webhook(other, X_Idempotency_Key=key)
    assert status == 200
    assert json.loads(body).keys() == {"success", "message", "processed_at"}
    assert await someone.status(other) is None
    stored = await someone.value("SELECT request_body FROM webhook_idempotency WHERE idempotency_key = $1", key)
    assert json.loads(stored)["MessageSid"] == sms.sid
    await eventually(lambda: someone.processed(sms), "the first message is processed")


async def test_a_key_that_is_the_message_sid_is_no_hindrance(someone: Outside) -> None:
    sms = Sms()
    assert await someone.webhook(sms, X_Idempotency_Key=sms.sid) == (200, "OK")
    await eventually(lambda: someone.processed(sms), "the message is processed")
    assert (await someone.webhook(sms, X_Idempotency_Key=sms.sid))[1].startswith("{")
    assert await someone.webhook(sms) == (200, "OK")
    assert await someone.effects(sms) == 1


@pytest.mark.parametrize("signature", [None, "forged", "no base64 at all", "é"])
async def test_what_is_not_signed_rightly_is_refused(someone: Outside, signature: str | None) -> None:
    sms = Sms()
    status, body = await someone.webhook(sms, signature=signature)
    assert status == 403
    assert json.loads(body)["success"] is False
    assert await someone.status(sms) is None


@pytest.mark.parametrize(("age", "expected"), [(0, 200), (290, 200), (310, 400), (-20, 200), (-40, 400)])
async def test_replay_protection_looks_at_the_age(someone: Outside, age: float, expected: int) -> None:
    status, _ = await someone.webhook(Sms(), x_twilio_timestamp=str(int(time.time() - age)))
    assert status == expected


async def test_a_repeated_request_is_a_conflict_in_whichever_process(someone: Outside) -> None:
    sms, stamp = Sms(), str(int(time.time()))
    answers = await asyncio.gather(*(someone.webhook(sms, x_twilio_timestamp=stamp) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7


async def test_without_https_it_redirects_and_counts_nothing(someone: Outside) -> None:
    async with someone.http.post(WEBHOOK, data=Sms().form, allow_redirects=False) as response:
        assert response.status == 301
        assert response.headers["Location"].startswith("https://")


async def test_get_answers_ok(someone: Outside) -> None:
    async with someone.http.get(WEBHOOK, headers=HTTPS) as response:
        assert (response.status, await response.text()) == (200, "OK")


async def test_queues_hold_future_jobs_that_are_no_backlog(target: KnownTarget, someone: Outside) -> None:
    async with Redis.from_url(target.redis_url) as redis:

        async def standing() -> bool:
            return bool(await redis.zcard("bull:order-expiry:delayed") == 2)

        await eventually(standing, "the calendar's jobs stand in delayed")
        overdue = f"({int(time.time() * 1000) * 4096}"
        assert await redis.zcount("bull:daily-reports:delayed", "-inf", overdue) == 0
        assert await redis.zcard("bull:daily-reports:delayed") == 1
        sms = Sms()
        await someone.webhook(sms)
        await eventually(lambda: someone.processed(sms), "the message is processed")

        async def done() -> bool:
            return await redis.zscore("bull:whatsapp-webhooks:completed", sms.sid) is not None

        await eventually(done, "the job is completed")
        assert await redis.llen("bull:whatsapp-webhooks:active") == 0
        assert int(await redis.get("bull:whatsapp-webhooks:id") or 0) >= 1


async def test_the_limit_counts_over_all_processes_and_everything(module_postgres: Postgres) -> None:
    limit = 20
    async with (
        running_target(module_postgres, rate_limit={"requests": limit, "window_seconds": 3600}) as target,
        outside(target) as someone,
    ):
        forged = await asyncio.gather(*(someone.webhook(Sms(), signature="forged") for _ in range(10)))
        assert {status for status, _ in forged} == {403}

        async def get() -> int:
            async with someone.http.get(WEBHOOK, headers={**HTTPS, "X-Forwarded-For": "203.0.113.9"}) as response:
                return response.status

        gets = await asyncio.gather(*(get() for _ in range(9)))
        assert set(gets) == {200}
        answers = await asyncio.gather(*(someone.webhook(Sms()) for _ in range(5)))
        assert sorted(status for status, _ in answers) == [200] + [429] * 4
        async with someone.http.get(WEBHOOK, headers=HTTPS) as response:
            assert response.status == 429
            assert 0 < int(response.headers["Retry-After"]) <= 3600
            assert response.headers["RateLimit-Remaining"] == "0"
            assert response.headers["RateLimit-Limit"] == str(limit)
        pids = {entry["pid"] for entry in await someone.control.record(Kind.REQUEST)}
        assert len(pids) == 2


async def test_development_refuses_plain_http(module_postgres: Postgres) -> None:
    async with (
        running_target(module_postgres, environment="development") as target,
        outside(target) as someone,
        someone.http.post(WEBHOOK, data=Sms().form) as response,
    ):
        assert response.status == 403
        assert (await response.json())["code"] == "HTTPS_REQUIRED"
