"""`prober doctor` from outside: each mistake planted for real is named, with the setting that mends it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import yaml

from prober.demo.pgbouncer import PgBouncer, installed
from prober.demo.process import Owner
from prober.demo.stack import PUBLIC_URL, WEBHOOK_PATH, Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.probes.schema import OBJECTS
from prober.probes.synthetic import Mark
from tests.system.daemon_stack import config_of, fast_stack, nothing_of_ours
from tests.system.deployed import PASSWORD, acl_rules, block
from tests.system.test_probe_tls import make_certificate, tls_in_front_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Change = Callable[[dict[str, Any]], None]
FINE, ALARM, BAD_CONFIG, FAILED = 0, 1, 2, 3


@dataclass(frozen=True)
class Walk:
    """What one `prober doctor --json` said."""

    code: int
    steps: dict[str, dict[str, str]]
    text: str

    def bad(self) -> list[str]:
        return [name for name, step in self.steps.items() if step["verdict"] in ("problem", "alarm")]

    def hints(self) -> list[str]:
        return [name for name, step in self.steps.items() if step["verdict"] == "hint"]

    def skipped(self) -> set[str]:
        return {name for name, step in self.steps.items() if step["verdict"] == "skipped"}

    def mends(self, name: str) -> str:
        step = self.steps[name]
        return f"{step['sentence']} | {step['mend']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Owner() as owner:
        stack = fast_stack(owner, {"webhook": {"processing_deadline": "5s"}})
        await stack.start_services()
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def control(stack: Stack) -> AsyncIterator[ControlClient]:
    async with ControlClient(stack.target.control_url) as control:
        yield control


async def run(stack: Stack, *words: str, change: Change | None = None) -> tuple[int, str, str]:
    """A command on the stack's config with a change in it: exit code, stdout, stderr."""
    document = config_of(stack)
    if change is not None:
        change(document)
    file = stack.directory / "doctor.yaml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "prober", *words, "--config", str(file)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


async def doctor(stack: Stack, change: Change | None = None) -> Walk:
    code, out, err = await run(stack, "doctor", "--json", change=change)
    assert code in (FINE, ALARM, FAILED), err
    document = json.loads(out)
    return Walk(code, {step["name"]: step for step in document["steps"]}, out)


def target(**values: Any) -> Change:
    return lambda document: document["target"].update(values)


def probe(name: str, **values: Any) -> Change:
    return lambda document: document["probes"][name].update(values)


def overriding(**values: Any) -> Change:
    return lambda document: document["target"].update(contract_overrides=values)


@asynccontextmanager
async def changed(stack: Stack, sql: str, back: str) -> AsyncIterator[None]:
    """A database that is otherwise for a while."""
    await stack.postgres.execute(sql, "orders")
    try:
        yield
    finally:
        await stack.postgres.execute(back, "orders")


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
    certificate = make_certificate(stack.directory, "target")
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


async def test_a_table_that_this_version_does_not_have(stack: Stack) -> None:
    walk = await doctor(stack, target(contract="guide"))  # its tables, on the deployed system
    assert walk.code == FAILED
    told = walk.mends("sql.race.rows")
    assert '"vendor_routing" does not exist' in told
    assert "target.contract_overrides: race.rows" in told
    assert "race.vendors" in walk.skipped()
    assert "webhook.signed" in walk.skipped()


async def test_a_column_that_this_version_does_not_have(stack: Stack) -> None:
    sql = (
        "SELECT r.locked AS locked_vendor, '{}' AS accepted_vendors FROM vendor_routings r WHERE id = :routing_id"
    )
    walk = await doctor(stack, overriding(**{"race.rows": sql}))
    assert walk.bad() == ["sql.race.rows"]
    assert "r.locked does not exist" in walk.mends("sql.race.rows")


async def test_a_statement_without_the_columns_that_are_read(stack: Stack) -> None:
    sql = 'SELECT "lockedWholesalerId" FROM vendor_routings WHERE id = :routing_id'
    walk = await doctor(stack, overriding(**{"race.rows": sql}))
    assert walk.bad() == ["sql.race.rows"]
    assert "expected locked_vendor, accepted_vendors" in walk.mends("sql.race.rows")


async def test_a_missing_grant_is_named_with_the_statement_that_gives_it(stack: Stack) -> None:
    await stack.postgres.execute(block("grants"), "orders")
    dsn = stack.postgres.dsn("prober", "orders", PASSWORD)

    def change(document: dict[str, Any]) -> None:
        document["probes"]["database"]["dsn"] = dsn
        document["probes"]["webhook"]["mode"] = "no_side_effects"

    async with changed(
        stack,
        "REVOKE DELETE ON orders FROM prober; REVOKE UPDATE ON prober.heartbeat FROM prober;"
        " REVOKE pg_read_all_stats FROM prober",
        "GRANT DELETE ON orders TO prober; GRANT UPDATE ON prober.heartbeat TO prober",
    ):
        walk = await doctor(stack, change)
    assert walk.code == FAILED
    assert walk.bad() == ["grant.prober.heartbeat", "sql.race.cleanup[0]"]
    assert walk.steps["sql.race.cleanup[0]"]["mend"] == "GRANT DELETE ON orders TO prober"
    assert "GRANT SELECT, INSERT, UPDATE ON prober.heartbeat TO prober" in walk.mends("grant.prober.heartbeat")
    # Not observable, and so no failure: a hint.
    assert "db_longest_transaction_seconds" in walk.mends("database.statistics")
    assert "GRANT pg_read_all_stats TO prober" in walk.mends("database.statistics")
    assert "db_connection_pool_usage" in walk.mends("database.app_pool")
    await stack.postgres.execute("DROP OWNED BY prober; DROP ROLE prober", "orders")


async def test_a_message_is_not_sent_where_its_id_cannot_be_claimed(stack: Stack, control: ControlClient) -> None:
    await stack.postgres.execute(f"CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}'", "orders")
    await control.reset_record()
    dsn = stack.postgres.dsn("nobody", "orders", PASSWORD)
    walk = await doctor(stack, probe("database", dsn=dsn))
    assert walk.code == FAILED
    assert {"webhook.signed", "webhook.effect"} <= walk.skipped()
    assert "INSERT" in walk.steps["sql.webhook.claimed.claim"]["mend"]
    assert await control.record(Kind.SKIPPED) == []
    assert await control.record(Kind.ACCEPTED) == []
    await stack.postgres.execute("DROP ROLE nobody", "orders")


async def test_a_scan_of_the_whole_table_is_a_hint(stack: Stack) -> None:
    async with changed(
        stack,
        'DROP INDEX "whatsapp_messages_from_idx"',
        'CREATE INDEX "whatsapp_messages_from_idx" ON whatsapp_messages ("from")',
    ):
        walk = await doctor(stack)
    assert walk.code == FINE
    assert {"sql.webhook.full.effect", "sql.webhook.full.cleanup[0]"} <= set(walk.hints())
    assert "CREATE INDEX CONCURRENTLY on whatsapp_messages" in walk.mends("sql.webhook.full.effect")


async def test_no_schema_and_no_fixtures_until_they_are_made(stack: Stack) -> None:
    await stack.postgres.execute(
        "DROP SCHEMA prober CASCADE; DELETE FROM wholesalers; DELETE FROM retailers", "orders"
    )
    walk = await doctor(stack)
    assert walk.code == FAILED
    assert walk.bad() == ["database.schema", "race.fixtures"]
    for step in walk.bad():
        assert "prober doctor --setup" in walk.mends(step)
    assert {"grant.prober", "grant.prober.heartbeat", "race.vendors"} <= walk.skipped()

    code, out, _ = await run(stack, "doctor", "--setup")
    assert code == FINE
    assert "CREATE TABLE prober.heartbeat" in out
    assert "INSERT INTO wholesalers" in out
    assert Mark("demo").vendors(5)[4] in out
    assert "nothing was made" in out
    assert (await doctor(stack)).bad() == ["database.schema", "race.fixtures"]

    code, out, _ = await run(stack, "doctor", "--setup", "--yes")
    assert code == FINE
    assert "made: schema prober, table prober.heartbeat, table prober.marks, table prober.lease, " in out
    assert "the heartbeat of demo, a synthetic retailer" in out
    walk = await doctor(stack)
    assert (walk.code, walk.bad()) == (FINE, [])

    code, out, _ = await run(stack, "doctor", "--setup", "--yes")
    assert code == FINE
    assert "everything is there; nothing was made" in out
    assert "missing" not in out

    code, out, _ = await run(stack, "doctor", "--setup", "--json", change=probe("race", vendors=7))
    items = json.loads(out)["items"]
    assert [item["there"] for item in items] == [True] * (2 + len(OBJECTS)) + [False]
    assert "2 of 8 missing" in items[-1]["name"]


async def test_a_person_at_a_terminal_is_asked(stack: Stack) -> None:
    await stack.postgres.execute("DROP SCHEMA prober CASCADE", "orders")
    for typed, made in (("n", False), ("y", True)):
        main, terminal = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prober", "doctor", "--setup", "--config", str(stack.config_file)),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        os.write(main, f"{typed}\n".encode())
        assert await process.wait() == FINE
        said = os.read(main, 65536).decode()
        os.close(main)
        assert "make what is missing? [y/N]" in said
        assert ("made: schema prober" in said) is made
        assert ("nothing was made" in said) is not made
    assert (await doctor(stack)).bad() == []


async def test_what_the_dry_run_prints_makes_the_same(stack: Stack) -> None:
    """The SQL is shown to be pasted by whoever does not give prober the rights."""
    drop = "DROP SCHEMA prober CASCADE; DELETE FROM wholesalers; DELETE FROM retailers"
    await stack.postgres.execute(drop, "orders")
    _, out, _ = await run(stack, "doctor", "--setup", "--json")
    await stack.postgres.execute("\n".join(item["sql"] for item in json.loads(out)["items"]), "orders")
    walk = await doctor(stack)
    assert (walk.code, walk.bad()) == (FINE, [])


async def test_a_role_that_may_not_set_up_is_told_who_may(stack: Stack) -> None:
    await stack.postgres.execute(f"CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}'", "orders")
    await stack.postgres.execute("DROP SCHEMA prober CASCADE", "orders")
    dsn = stack.postgres.dsn("nobody", "orders", PASSWORD)
    code, _, err = await run(stack, "doctor", "--setup", "--yes", change=probe("database", dsn=dsn))
    assert code == FAILED
    assert "as the owner of the target's tables" in err
    await stack.postgres.execute("DROP ROLE nobody", "orders")
    assert (await run(stack, "doctor", "--setup", "--yes"))[0] == FINE


@pytest.mark.parametrize("column", ['"isActive"', '"isVerified"'])
async def test_vendors_that_real_orders_reach_are_an_alarm(stack: Stack, column: str) -> None:
    vendor = Mark("demo").vendors(2)[1]
    set_to = f"UPDATE wholesalers SET {column} = {{}} WHERE id = '{vendor}'"
    async with changed(stack, set_to.format("true"), set_to.format("false")):
        walk = await doctor(stack)
        code, out, _ = await run(stack, "doctor")
    assert (walk.code, code) == (ALARM, ALARM)
    assert walk.bad() == ["race.vendors"]
    assert vendor in walk.mends("race.vendors")
    assert "inactive and unverified" in walk.steps["race.vendors"]["mend"]
    assert "! race.vendors" in out


async def test_a_database_that_does_not_let_us_in(stack: Stack) -> None:
    dsn = stack.postgres.dsn("postgres", "orders", "wrong-one-of-many")
    walk = await doctor(stack, probe("database", dsn=dsn))
    assert walk.code == FAILED
    assert walk.bad() == ["database.login"]
    assert "probes.database.dsn" in walk.mends("database.login")
    assert "wrong-one" not in walk.text
    assert {"database.schema", "sql.race.rows", "race.vendors", "webhook.signed"} <= walk.skipped()
    closed = stack.owner.port()
    walk = await doctor(stack, probe("database", dsn=f"postgresql://postgres@127.0.0.1:{closed}/orders"))
    assert walk.bad() == ["database.connection"]
    walk = await doctor(stack, probe("database", dsn=stack.postgres.dsn(dbname="nowhere")))
    assert walk.bad() == ["database.login"]
    assert "no such database" in walk.mends("database.login")


async def test_a_role_of_the_application_that_does_not_exist(stack: Stack) -> None:
    walk = await doctor(stack, target(app_role="ordres", app_name=None))
    assert walk.bad() == ["database.app_pool"]
    assert "target.app_role" in walk.mends("database.app_pool")


async def test_redis_that_does_not_let_us_in(stack: Stack) -> None:
    client = stack.redis.client()
    await client.execute_command("ACL", "SETUSER", "prober", "on", f">{PASSWORD}", *acl_rules("redis-acl-6"))  # type: ignore[no-untyped-call]
    walk = await doctor(stack, probe("redis", url=stack.redis.url("prober", "wrong-one-of-many")))
    assert walk.code == FAILED
    assert walk.bad() == ["redis.login"]
    assert "probes.redis.url" in walk.mends("redis.login")
    assert "wrong-one" not in walk.text
    assert "redis.set" in walk.skipped()
    walk = await doctor(stack, probe("redis", url=stack.redis.url("prober", PASSWORD)))
    assert walk.bad() == []
    assert set(walk.hints()) <= {"redis.queues"}
    await client.execute_command("ACL", "SETUSER", "prober", "-set", "-zcount")  # type: ignore[no-untyped-call]
    walk = await doctor(stack, probe("redis", url=stack.redis.url("prober", PASSWORD)))
    assert walk.code == FAILED
    assert walk.bad() == ["redis.set"]
    assert "+set" in walk.mends("redis.set")
    assert "redis.zcount" in walk.hints()
    assert "the backlog of queues" in walk.mends("redis.zcount")
    await client.execute_command("ACL", "DELUSER", "prober")  # type: ignore[no-untyped-call]
    await client.aclose()
    walk = await doctor(stack, probe("redis", url=f"redis://127.0.0.1:{stack.owner.port()}/0"))
    assert walk.bad() == ["redis.connection"]


async def test_a_queue_without_a_key_is_a_hint(stack: Stack) -> None:
    walk = await doctor(stack, overriding(**{"queues.names": ["whatsapp-webhoks"]}))
    assert walk.code == FINE
    assert "whatsapp-webhoks" in walk.mends("redis.queues")
    assert "queues.names" in walk.mends("redis.queues")


@pytest.mark.skipif(not installed(), reason="needs PgBouncer: apt-get install pgbouncer")
async def test_a_pooler_is_told_from_the_server(stack: Stack) -> None:
    pooler = PgBouncer(stack.owner, stack.directory / "pgbouncer", stack.postgres)
    await pooler.start()
    through = pooler.dsn(dbname="orders")
    walk = await doctor(stack, probe("database", pooled_dsn=through))
    assert (walk.code, walk.bad()) == (FINE, [])
    assert walk.steps["pooled.server"]["verdict"] == "ok"
    walk = await doctor(stack, probe("database", dsn=through))
    assert walk.bad() == ["database.server"]
    assert "probes.database.pooled_dsn" in walk.mends("database.server")
    other = pooler.dsn(dbname="postgres")
    walk = await doctor(stack, probe("database", pooled_dsn=other))
    assert walk.bad() == ["pooled.server"]
    await pooler.stop()
    walk = await doctor(stack, probe("database", pooled_dsn=through))
    assert walk.bad() == ["pooled.connection"]
    assert "probes.database.pooled_dsn" in walk.mends("pooled.connection")


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
