"""What PostgreSQL and Redis told, as findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prober.doctor import database_reading as database
from prober.doctor import redis_reading as redis
from prober.doctor.database_asking import scanned
from prober.doctor.needs import Need
from prober.doctor.statements import Statement
from prober.outcome import Outcome, StepVerdict
from prober.probes.database_stats import AppPool
from prober.probes.network_outcome import Failure
from prober.probes.redis_acl import COMMANDS, rules
from prober.probes.resp import Refusal
from prober.probes.schema import OBJECTS
from prober.sql import Sql

SERVER = database.Server(
    role="prober",
    told_pid=1,
    pid=1,
    version="16.14",
    datname="orders",
    started_at=1.0,
    wall=2.0,
    read_only=False,
    visible=True,
    app_role_known=True,
)
POOL = AppPool(role="app", size=10)
STATEMENT = Statement("race.rows", Sql.parse("SELECT a AS x FROM t WHERE id = :order_id", ("x",)))


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        *((each, "database.connection") for each in (Outcome.DNS, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.TLS)),
        *((each, "database.login") for each in (Outcome.AUTH, Outcome.ERROR, Outcome.TOO_MANY_CONNECTIONS)),
    ],
)
def test_the_way_into_the_database(outcome: Outcome, step: str) -> None:
    findings = database.read_connection(Failure(outcome, "why"))
    assert [f.name for f in findings] == ["database.connection", "database.login"]
    (bad,) = [f for f in findings if f.is_bad]
    assert bad.name == step
    assert "probes.database.dsn" in bad.mend
    pooled = database.read_connection(Failure(outcome, "why"), pooled=True)
    assert "probes.database.pooled_dsn" in next(f.mend for f in pooled if f.is_bad)


def test_a_pooler_and_a_standby_are_told() -> None:
    assert not any(f.is_bad for f in database.read_server(SERVER))
    server, _ = database.read_server(replace(SERVER, told_pid=7))
    assert server.is_bad
    assert "pooled_dsn" in server.mend
    _, writable = database.read_server(replace(SERVER, read_only=True))
    assert writable.is_bad
    assert "primary" in writable.mend


def test_the_pooler_leads_to_the_same_server() -> None:
    pooled = replace(SERVER, told_pid=7)
    assert database.read_pooled(SERVER, pooled).verdict is StepVerdict.OK
    assert database.read_pooled(SERVER, SERVER).verdict is StepVerdict.HINT
    assert database.read_pooled(SERVER, replace(pooled, datname="other")).is_bad
    assert database.read_pooled(SERVER, replace(pooled, started_at=9.0)).is_bad


@pytest.mark.parametrize(
    ("server", "pool", "verdicts"),
    [
        (SERVER, POOL, (StepVerdict.OK, StepVerdict.OK)),
        (replace(SERVER, visible=False), POOL, (StepVerdict.HINT, StepVerdict.HINT)),
        (replace(SERVER, visible=False, role="app"), POOL, (StepVerdict.HINT, StepVerdict.OK)),
        (SERVER, AppPool(), (StepVerdict.OK, StepVerdict.HINT)),
        (replace(SERVER, app_role_known=False), POOL, (StepVerdict.OK, StepVerdict.PROBLEM)),
    ],
)
def test_what_is_not_observable(
    server: database.Server, pool: AppPool, verdicts: tuple[StepVerdict, StepVerdict]
) -> None:
    assert tuple(f.verdict for f in database.read_statistics(server, pool)) == verdicts


def test_own_grants_are_told_one_by_one() -> None:
    first = OBJECTS[0]
    lacks = [(each, ["UPDATE"] if each is first else []) for each in OBJECTS]
    findings = list(database.read_own_grants(True, True, lacks, "prober"))
    assert [f.name for f in findings] == database.own_grants()
    (bad,) = [f for f in findings if f.is_bad]
    assert bad.name == f"grant.{first.qualified}"
    assert bad.mend == first.grant("prober")
    none = list(database.read_own_grants(True, False, [], "prober"))
    assert none[0].mend == "GRANT USAGE ON SCHEMA prober TO prober"
    assert all(f.verdict is StepVerdict.SKIPPED for f in none[1:])
    assert all(f.verdict is StepVerdict.SKIPPED for f in database.read_own_grants(False, False, [], "prober"))


@pytest.mark.parametrize(
    ("looked", "verdict", "word"),
    [
        (database.Looked(columns=["x"]), StepVerdict.OK, ""),
        (database.Looked(columns=["y"]), StepVerdict.PROBLEM, "race.rows"),
        (
            database.Looked(missing=[Need("t", "SELECT", "a")]),
            StepVerdict.PROBLEM,
            "GRANT SELECT (a) ON t TO prober",
        ),
        (database.Looked(error=("42P01", "no t")), StepVerdict.PROBLEM, "target.contract_overrides: race.rows"),
        (
            database.Looked(error=("42P01", "no t"), elsewhere=[("app", False)]),
            StepVerdict.PROBLEM,
            "GRANT USAGE ON SCHEMA app TO prober",
        ),
        (
            database.Looked(error=("42P01", "no t"), elsewhere=[("app", True)]),
            StepVerdict.PROBLEM,
            "SET search_path = app",
        ),
        (database.Looked(error=("42501", "denied")), StepVerdict.PROBLEM, "deploying.md"),
        (database.Looked(error=("55P03", "locked")), StepVerdict.PROBLEM, "race.rows"),
        (database.Looked(columns=["x"], scanned=["t"]), StepVerdict.HINT, "CREATE INDEX"),
    ],
)
def test_a_statement(looked: database.Looked, verdict: StepVerdict, word: str) -> None:
    finding = database.read_statement(STATEMENT, looked, "prober")
    assert (finding.name, finding.verdict) == ("sql.race.rows", verdict)
    assert word in finding.mend


def test_fixtures() -> None:
    wanted = ["r", "v1", "v2"]
    rows = [{"id": each, "offered": False} for each in wanted]
    assert [f.verdict for f in database.read_fixtures(wanted, rows)] == [StepVerdict.OK, StepVerdict.OK]
    there, vendors = database.read_fixtures(wanted, rows[:2])
    assert there.is_bad
    assert "prober doctor --setup" in there.mend
    assert vendors.verdict is StepVerdict.SKIPPED
    # An alarm, also where others are missing; and a row that we did not ask about is not ours.
    there, vendors = database.read_fixtures(wanted, [{"id": "v1", "offered": True}, {"id": "x", "offered": True}])
    assert (there.verdict, vendors.verdict) == (StepVerdict.PROBLEM, StepVerdict.ALARM)
    assert vendors.sentence.endswith(": v1")


def test_a_plan_is_searched_for_tables_read_whole() -> None:
    inner = [{"Node Type": "Seq Scan", "Relation Name": "b"}, {"Node Type": "Index Scan", "Relation Name": "c"}]
    plan = [
        {"Plan": {"Node Type": "Nested Loop", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "a"}, *inner]}}
    ]
    assert scanned(plan) == ["a", "b"]
    assert scanned([{"Plan": {"Node Type": "Result"}}]) == []


KEYS = Refusal("NOPERM this user has no permissions to access one of the keys used as arguments")
WORD = Refusal("NOPERM this user has no permissions to run the 'x' command")


@pytest.mark.parametrize(
    ("command", "answers", "verdict", "word"),
    [
        ("set", [b"OK"], StepVerdict.OK, ""),
        ("set", [WORD], StepVerdict.PROBLEM, "+set"),
        ("set", [KEYS], StepVerdict.PROBLEM, "~synthetic-prober:*"),
        ("set", [Refusal("READONLY You can't write against a read only replica.")], StepVerdict.PROBLEM, "master"),
        ("set", [Refusal("OOM command not allowed")], StepVerdict.PROBLEM, "redis.url"),
        ("info", [b"", WORD], StepVerdict.HINT, "+info"),
        ("llen", [0, KEYS], StepVerdict.HINT, "%R~bull:*:wait"),
        (
            "subscribe",
            [Refusal("NOPERM No permissions to access a channel")],
            StepVerdict.HINT,
            "&synthetic-prober:*",
        ),
    ],
)
def test_a_command_of_redis(command: str, answers: list[object], verdict: StepVerdict, word: str) -> None:
    finding = redis.read_command(command, answers, "bull")  # type: ignore[arg-type]
    assert finding.verdict is verdict
    assert word in finding.mend


def test_queues_without_a_key_are_a_hint() -> None:
    assert redis.read_queues("bull", ["a", "b"], [1, 1]).verdict is StepVerdict.OK
    finding = redis.read_queues("bull", ["a", "b"], [1, 0])
    assert finding.verdict is StepVerdict.HINT
    assert finding.sentence.endswith(": b")
    assert redis.read_queues("bull", ["a"], [WORD]).verdict is StepVerdict.SKIPPED


def test_the_rules_allow_what_is_tried_and_nothing_else() -> None:
    for read_only in (True, False):
        made = rules("bull", read_only_keys=read_only)
        assert {rule[1:] for rule in made if rule.startswith("+")} == set(COMMANDS)
        assert "-@all" in made
        # `-@all` after a command would take it away again.
        assert made.index("-@all") < min(made.index(rule) for rule in made if rule.startswith("+"))
        assert all("bull:*:" in rule for rule in made if "bull" in rule)
