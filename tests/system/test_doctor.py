"""`prober doctor` from outside: each mistake planted for real is named, with the setting that mends it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from prober.demo.stack import PUBLIC_URL, WEBHOOK_PATH, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from tests.certificates import write_certificate
from tests.system.daemon_stack import nothing_of_ours
from tests.system.doctoring import (
    ALARM,
    BAD_CONFIG,
    FAILED,
    FINE,
    doctor,
    doctor_stack,
    overriding,
    probe,
    run,
    target,
)
from tests.system.tls import tls_in_front_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with doctor_stack() as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def control(stack: Stack) -> AsyncIterator[ControlClient]:
    async with ControlClient(stack.target.control_url) as control:
        yield control


async def test_a_healthy_stack_is_all_ok_and_left_as_it_was(stack: Stack, control: ControlClient) -> None:
    await control.reset_record()
    walk = await doctor(stack)
    assert walk.code == FINE
    assert walk.bad() == []
    assert set(walk.hints()) <= {"redis.queues"}
    assert walk.skipped() == set()
    assert len(walk.steps) > 50
    # One message taken for a repeat, no reply, nothing processed; and every request marked.
    requests = await control.record(Kind.REQUEST)
    assert 10 <= len(requests) <= 20
    assert all("mark" in request for request in requests)
    assert len(await control.record(Kind.SKIPPED)) == 1
    for kind in (Kind.ACCEPTED, Kind.PROCESSED, Kind.REPLY):
        assert await control.record(kind) == []
    began = sorted(request["mono"] for request in requests)
    assert all(later - first >= 0.9 for first, later in zip(began, began[10:], strict=False))
    await nothing_of_ours(stack)


async def test_a_person_reads_one_line_a_step_and_no_secret(stack: Stack) -> None:
    code, out, _ = await run(stack, "doctor", change=target(auth_token="hunter2hunter2hunter2"))
    assert code == FAILED
    assert "✗ webhook.signed" in out
    assert "→ target.auth_token" in out
    assert "hunter2" not in out
    assert stack.postgres.password not in out


async def test_a_wrong_token_is_told_after_other_urls_were_tried(stack: Stack, control: ControlClient) -> None:
    await control.reset_record()
    walk = await doctor(stack, target(auth_token="0" * 32))
    assert walk.code == FAILED
    assert walk.bad() == ["webhook.signed"]
    assert walk.steps["webhook.forged"]["verdict"] == "ok"
    assert walk.skipped() == {"webhook.effect"}
    told = walk.mends("webhook.signed")
    assert "target.auth_token" in told
    assert "target.public_url" in told
    assert PUBLIC_URL + WEBHOOK_PATH in told
    assert len(await control.record(Kind.REQUEST)) <= 22
    assert await control.record(Kind.SKIPPED) == []
    await nothing_of_ours(stack)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (PUBLIC_URL.replace("https://", "http://"), PUBLIC_URL),
        (f"{PUBLIC_URL}:443", PUBLIC_URL),
    ],
    ids=["scheme", "port"],
)
async def test_a_public_url_that_is_spelt_otherwise_is_found(stack: Stack, wrong: str, right: str) -> None:
    walk = await doctor(stack, target(public_url=wrong))
    assert walk.code == FAILED
    assert walk.bad() == ["webhook.signed"]
    assert walk.steps["webhook.signed"]["mend"] == f"target.public_url: {right}"
    assert "the token is right" in walk.steps["webhook.signed"]["sentence"]
    await nothing_of_ours(stack)


async def test_an_altogether_wrong_public_url_names_both(stack: Stack) -> None:
    walk = await doctor(stack, target(public_url="https://other.example"))
    assert walk.bad() == ["webhook.signed"]
    assert "https://other.example" in walk.mends("webhook.signed")
    assert "target.public_url" in walk.mends("webhook.signed")


async def test_without_the_https_header_the_target_redirects(stack: Stack) -> None:
    def change(document: dict[str, Any]) -> None:
        document["target"]["contract_overrides"] = {"webhook.headers": {"X-Forwarded-Proto": "http"}}

    walk = await doctor(stack, change)
    assert walk.code == FAILED
    assert walk.bad() == ["webhook.https"]
    assert "301" in walk.mends("webhook.https")
    assert "webhook.headers.X-Forwarded-Proto: https" in walk.mends("webhook.https")
    assert {"webhook.rate_limit", "webhook.forged", "webhook.signed", "webhook.effect"} == walk.skipped()


async def test_a_path_that_is_not_there(stack: Stack) -> None:
    walk = await doctor(stack, overriding(**{"webhook.path": "/hooks/whatsapp"}))
    assert walk.bad() == ["webhook.path"]
    assert "404" in walk.mends("webhook.path")
    assert "webhook.path" in walk.steps["webhook.path"]["mend"]


async def test_routes_that_are_missing(stack: Stack, control: ControlClient) -> None:
    await control.plant("routes_missing", routes="routing")
    try:
        walk = await doctor(stack)
    finally:
        await control.remove("routes_missing")
    assert walk.bad() == ["route.accept"]
    assert "race.accept.path" in walk.mends("route.accept")


async def test_a_limit_that_is_used_up(stack: Stack, control: ControlClient) -> None:
    await control.plant("rate_limited", retry_after_seconds=17, routes="webhook")
    try:
        walk = await doctor(stack)
    finally:
        await control.remove("rate_limited")
    assert walk.code == FAILED
    assert "webhook.rate_limit" in walk.bad()
    assert "17 s (Retry-After)" in walk.mends("webhook.rate_limit")
    assert "target.rate_limit" in walk.mends("webhook.rate_limit")
    assert "webhook.signed" in walk.skipped()


async def test_a_limit_that_is_lower_than_ours(stack: Stack) -> None:
    walk = await doctor(stack, target(rate_limit="9000/1m"))
    assert walk.bad() == ["webhook.rate_limit"]
    assert "target.rate_limit: 5000/60s" in walk.mends("webhook.rate_limit")


async def test_a_target_that_takes_forged_messages_is_an_alarm_and_nothing_is_left(
    stack: Stack, control: ControlClient
) -> None:
    await control.plant("forged_accepted")
    try:
        walk = await doctor(stack)
    finally:
        await control.remove("forged_accepted")
    assert walk.code == ALARM
    assert walk.steps["webhook.forged"]["verdict"] == "alarm"
    assert await control.record(Kind.PROCESSED) == []
    await nothing_of_ours(stack)


async def test_an_effect_that_never_comes(stack: Stack, control: ControlClient) -> None:
    await control.plant("lost_message")
    try:
        walk = await doctor(stack, probe("webhook", processing_deadline="1s"))
    finally:
        await control.remove("lost_message")
    assert walk.code == FAILED
    assert walk.bad() == ["webhook.effect"]
    await nothing_of_ours(stack)


async def test_a_target_that_is_down(stack: Stack) -> None:
    await stack.target.stop()
    try:
        walk = await doctor(stack)
    finally:
        await stack.target.start()
    assert walk.code == FAILED
    assert walk.bad() == ["target.connection"]
    assert "target.url" in walk.mends("target.connection")
    assert {"target.tls", "webhook.path", "route.accept", "race.accept", "webhook.signed"} <= walk.skipped()
    assert walk.steps["sql.race.rows"]["verdict"] == "ok"  # what can be looked at, is


async def test_a_name_that_does_not_resolve(stack: Stack) -> None:
    walk = await doctor(stack, target(url="http://nowhere.invalid:8080"))
    assert walk.bad() == ["target.name"]
    assert "target.url" in walk.mends("target.name")


async def test_a_certificate_of_an_unknown_authority(stack: Stack) -> None:
    certificate = write_certificate(stack.directory, "target")
    async with tls_in_front_of(stack.target.port, certificate) as port:
        walk = await doctor(stack, target(url=f"https://127.0.0.1:{port}"))
        assert walk.code == FAILED
        assert walk.bad() == ["target.tls"]
        assert "target.tls.ca_file" in walk.mends("target.tls")
        trusting = {"url": f"https://127.0.0.1:{port}", "tls": {"ca_file": str(certificate.certificate)}}
        walk = await doctor(stack, target(**trusting))
    assert walk.bad() == []
    assert "the certificate ends in" in walk.mends("target.tls")  # in a day: a hint


async def test_https_asked_of_a_port_that_speaks_http(stack: Stack) -> None:
    walk = await doctor(stack, target(url=stack.target.url.replace("http://", "https://")))
    (bad,) = walk.bad()
    assert bad in ("target.connection", "target.tls")
    assert "target.url" in walk.mends(bad) or "target.tls" in walk.mends(bad)


async def test_what_is_disabled_is_skipped(stack: Stack) -> None:
    def change(document: dict[str, Any]) -> None:
        document["probes"]["redis"] = {"enabled": False}
        document["probes"]["race"] = {"enabled": False}

    walk = await doctor(stack, change)
    assert (walk.code, walk.bad()) == (FINE, [])
    assert walk.skipped() == {"redis.connection"}
    assert not any(name.startswith(("sql.race", "race.")) for name in walk.steps)


async def test_a_bad_config_and_bad_usage_are_2(stack: Stack) -> None:
    code, _, err = await run(stack, "doctor", change=target(url="ftp://nowhere"))
    assert code == BAD_CONFIG
    assert "target.url" in err
    code, _, err = await run(stack, "doctor", "--yes")
    assert code == BAD_CONFIG
    assert "--setup" in err
