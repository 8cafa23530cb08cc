"""The role and the Redis user of docs/deploying.md, made from its text: enough, and not too much."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import yaml
from redis.asyncio import Redis

from prober.clock import now
from prober.config.load import load_config
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import Intentions, assemble, load_contract
from prober.daemon.once import check_once
from prober.demo.process import Owner
from prober.demo.redis_server import RedisServer, TlsFiles
from prober.demo.stack import FROM_NUMBER, Stack
from prober.doctor.database import examine_database
from prober.doctor.redis import examine_redis
from prober.doctor.walk import examine
from prober.outcome import Mode, StepVerdict
from prober.probes.base import Run, Unrestricted
from prober.probes.synthetic import Mark, new_run_id
from tests.certificates import write_certificate
from tests.system.daemon_stack import fast_stack, no_trace, nothing_of_ours, watcher_on
from tests.system.deployed import (
    PASSWORD,
    Grant,
    acl_rules,
    block,
    code_after,
    grant_least_privilege,
    grants_in,
    log_in,
    set_user,
)
from tests.system.privileged import TIMEOUT, falls_short, holds, nothing, shortcomings, shortcomings_of
from tests.system.watching import Watched

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """A stack in whose database PUBLIC may do nothing, with the role and the user of the documentation."""
    async with Owner() as owner:
        stack = fast_stack(owner, {"race": {"interval": "1s"}})
        await stack.start_services()
        await grant_least_privilege(stack)
        yield stack


def document_of(stack: Stack, mode: Mode) -> dict[str, Any]:
    """The stack's config with the least privileges."""
    document: dict[str, Any] = yaml.safe_load(stack.config_file.read_text())
    log_in(document, stack)
    document["probes"]["webhook"] |= {"mode": mode.value, "from_number": FROM_NUMBER}
    # Without an outage of its own a test would wait for it.
    document["target"]["app_role"] = "postgres"
    document["election"] = {"enabled": True, "lease": "1m"}
    return document


def settings(stack: Stack, mode: Mode) -> tuple[Config, Contract]:
    file = stack.directory / f"least-{mode}.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document_of(stack, mode)))
    config = load_config(file, {})
    return config, load_contract(config, file.parent)


async def sweep(stack: Stack) -> None:
    """Remove what a run without a grant could not."""
    await stack.postgres.execute(
        "DELETE FROM orders; DELETE FROM processed_messages; DELETE FROM whatsapp_messages; "
        "DELETE FROM prober.marks",
        "orders",
    )


async def test_every_probe_a_race_the_set_up_and_the_clean_up_work_with_them(stack: Stack) -> None:
    config, contract = settings(stack, Mode.NO_SIDE_EFFECTS)
    assert await shortcomings(config, contract) == []
    lines = await check_once(config, contract)
    assert [line for line in lines if line.verdict != "ok"] == []
    assert {line.name for line in lines} >= {"webhook", "webhook effect", "race", "redis", "database", "health"}
    findings = [finding async for finding in examine(config, contract)]
    assert [f for f in findings if f.verdict not in (StepVerdict.OK, StepVerdict.HINT)] == []
    assert [f.name for f in findings if f.verdict is StepVerdict.HINT] == ["redis.queues"]
    done = command(stack, "doctor", "--setup", "--json")
    assert done.returncode == 0, done.stderr
    assert all(item["there"] for item in json.loads(done.stdout)["items"])
    await nothing_of_ours(stack)


def command(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    file = stack.directory / f"least-{Mode.NO_SIDE_EFFECTS}.yaml"
    return subprocess.run(
        [sys.executable, "-m", "prober", *words, "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_daemon_runs_with_them_and_leaves_nothing(stack: Stack) -> None:
    watcher = watcher_on(stack, document_of(stack, Mode.NO_SIDE_EFFECTS), "least")
    await watcher.start()
    await watcher.wait_complete()
    watched = Watched(stack, watcher)
    await watched.grows("whatsapp_webhook_settled_total", by=3, settlement="done")
    await watched.grows("vendor_routing_race_outcomes_total", by=2, outcome="one_winner")
    await watched.becomes("db_connection_pool_usage", lambda value: value >= 0)
    await watched.becomes("prober_synthetic_leftovers", lambda value: value == 0, kind="orders")
    await watcher.stop(timeout=40)
    assert watcher.returncode == 0
    no_trace(watcher)
    await nothing_of_ours(stack)


async def test_a_clean_up_looks_for_keys_only_with_the_right_that_is_left_out(stack: Stack) -> None:
    config, _ = settings(stack, Mode.NO_SIDE_EFFECTS)
    client = stack.redis.client()
    await client.flushall()  # an urgent run leaves its key to the next one, which there was none here
    key = Mark(config.instance).key(new_run_id(now().wall))
    await client.set(key, "x", ex=60)
    done = await asyncio.to_thread(command, stack, "cleanup", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["keys"]["removed"], "+scan" in said["keys"]["not_known"]) == (0, 0, True)
    assert [said[kind]["not_known"] for kind in ("orders", "messages")] == [None, None]
    await client.execute_command(*block("redis-acl-scan").split())  # type: ignore[no-untyped-call]
    done = await asyncio.to_thread(command, stack, "cleanup", "--json")
    assert (done.returncode, json.loads(done.stdout)["keys"]) == (0, {"removed": 1, "left": [], "not_known": None})
    assert not await client.exists(key)
    await set_user(client, acl_rules("redis-acl-6"))
    await client.aclose()


async def test_without_any_one_grant_something_fails(stack: Stack) -> None:
    config, contract = settings(stack, Mode.NO_SIDE_EFFECTS)
    grants = grants_in(block("grants"))
    assert len(grants) > 30
    await each_is_needed(stack, grants, config, contract)


async def test_mode_full_needs_nothing_more(stack: Stack) -> None:
    config, contract = settings(stack, Mode.FULL)
    assert await shortcomings(config, contract) == []


async def each_is_needed(stack: Stack, grants: list[Grant], config: Config, contract: Contract) -> None:
    """Take each away by itself: a real probe has to fail, and the doctor has to name the very grant."""
    idle, unnamed = [], []
    for grant in grants:
        await stack.postgres.execute(grant.revoke, "orders")
        if not await falls_short(config, contract):
            idle.append(str(grant))
        bad = [f.mend async for f in examine_database(config, contract) if f.verdict is not StepVerdict.OK]
        if not any(word_of(grant) in mend for mend in bad):
            unnamed.append((str(grant), bad))
        await stack.postgres.execute(grant.give, "orders")
        await sweep(stack)
    assert idle == []
    assert unnamed == []
    assert await shortcomings(config, contract) == []


def word_of(grant: Grant) -> str:
    """What a mend has to say of a grant."""
    if grant.on.startswith(" ON DATABASE"):
        return "probes.database.dsn"
    if grant.on == " ON SCHEMA public":
        return "public"
    return f"{grant.what}{grant.on}" if grant.what.endswith(")") else grant.what


@pytest.mark.parametrize(("name", "version"), [("redis-acl-6", 6), ("redis-acl", 7)])
async def test_without_any_one_rule_of_the_redis_user_something_fails(
    stack: Stack, name: str, version: int
) -> None:
    server, url, tls = await redis_of(stack, version)
    document = document_of(stack, Mode.NO_SIDE_EFFECTS)
    document["probes"]["redis"] |= {"url": url, **tls}
    file = stack.directory / f"redis-{version}.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document))
    config = load_config(file, {})
    contract = load_contract(config, file.parent)
    client = server.client()
    rules = acl_rules(name)
    await set_user(client, rules)
    assert await redis_shortcomings(client, config, contract) == []
    for rule in rules:
        if rule.startswith(("+", "~", "%", "&")):
            await set_user(client, [other for other in rules if other != rule])
            assert await redis_shortcomings(client, config, contract) != [], rule
    await set_user(client, rules)
    with pytest.raises(Exception, match=r"(?i)no ?perm"):
        await as_prober(server, "HGETALL", "bull:mail:1")
    with pytest.raises(Exception, match=r"(?i)no ?perm"):
        await as_prober(server, "FLUSHALL")
    if version == 7:
        with pytest.raises(Exception, match=r"(?i)no ?perm"):
            await as_prober(server, "DEL", "bull:mail:wait")
    await client.aclose()


async def as_prober(server: RedisServer, *words: str) -> Any:
    options: dict[str, Any] = {"ssl_ca_certs": str(server.tls.authority)} if server.tls else {}
    client: Redis = Redis.from_url(server.url("prober", PASSWORD), **options)
    try:
        return await client.execute_command(*words)  # type: ignore[no-untyped-call]
    finally:
        await client.aclose()


async def redis_of(stack: Stack, version: int) -> tuple[RedisServer, str, dict[str, Any]]:
    """The stack's own Redis 6, or the system's, with TLS."""
    if version == 6:
        return stack.redis, stack.redis.url("prober", PASSWORD), {}
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server: apt-get install redis-server")
    files = write_certificate(stack.directory, "redis")
    server = RedisServer(
        stack.owner, stack.directory / "redis7", tls=TlsFiles(files.certificate, files.key, files.certificate)
    )
    await server.start()
    return server, server.url("prober", PASSWORD), {"tls": {"ca_file": str(files.certificate)}}


async def redis_shortcomings(client: Redis, config: Config, contract: Contract) -> list[str]:
    """What the Redis probe, its tripwire and the doctor cannot do, and whether our name can be seen."""
    assembled = assemble(config, contract, Intentions(webhook=nothing, order=nothing), Unrestricted())
    watched = next(each for each in assembled.watched if each.probe.name == "redis")
    found: list[str] = []
    try:
        for urgent in (False, True):
            started = now()
            run = Run(id=new_run_id(started.wall), started=started, timeout=TIMEOUT, urgent=urgent)
            found += shortcomings_of(await watched.probe.run(run), urgent=urgent)
        names = [session["name"] for session in await client.client_list()]
        if not found and f"synthetic-prober/{config.instance}" not in names:
            found.append("our name is not in CLIENT LIST")
        assert watched.tripwire is not None
        found += await holds(watched.tripwire.hold())
    finally:
        await assembled.close()
    findings = await examine_redis(config, contract)
    bad = [
        f
        for f in findings
        if f.verdict in (StepVerdict.PROBLEM, StepVerdict.HINT) and "have no key" not in f.sentence
    ]
    # Only the doctor asks whether queues exist.
    alike = [f for f in bad if f.name != "redis.exists"]
    assert bool(alike) == bool(found), (found, bad)
    return found + [f.sentence for f in bad]


async def test_undoing_leaves_nothing_of_ours(stack: Stack) -> None:
    await stack.postgres.execute(code_after("11. How to undo everything", "sql"), "orders")
    connection = await stack.postgres.connect("orders")
    try:
        for table in ("orders", "vendor_routings", "processed_messages", "wholesalers", "retailers"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        assert await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'prober'") == 0
        assert await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'prober'") == 0
    finally:
        await connection.close()
