"""What the database told of itself, of our schema, and of each statement: facts in, findings out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prober.doctor.finding import Finding, alarm, hint, ok, problem, skipped
from prober.doctor.needs import Need, grants
from prober.doctor.statements import Statement
from prober.outcome import Outcome
from prober.probes.database_stats import AppPool
from prober.probes.network_outcome import Failure
from prober.probes.schema import OBJECTS, SCHEMA, STATISTICS_ROLE, SchemaObject
from prober.sql import quoted

CONNECTION, LOGIN, SERVER, WRITABLE = (
    "database.connection",
    "database.login",
    "database.server",
    "database.writable",
)
SCHEMA_STEP, STATISTICS, POOL = "database.schema", "database.statistics", "database.app_pool"
FIXTURES, VENDORS, CLOCK = "race.fixtures", "race.vendors", "clock.database"
POOLED_CONNECTION, POOLED_LOGIN, POOLED_SERVER = "pooled.connection", "pooled.login", "pooled.server"
SETUP = "prober doctor --setup"

# What goes wrong before PostgreSQL (or the pooler) has looked at who we are.
_WAY = frozenset({Outcome.DNS, Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMEOUT, Outcome.TLS, Outcome.RESET})
_WAY |= {Outcome.CLOSED, Outcome.GARBAGE, Outcome.TOO_LARGE, Outcome.NOT_KNOWN, Outcome.SETUP_FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a connection tells of the server at its other end, and of our role there."""

    role: str  # ours
    told_pid: int  # of the backend, as the login told; a pooler makes one up
    pid: int  # of the backend, as the backend tells
    version: str
    datname: str
    started_at: float  # Unix time
    wall: float  # its clock, Unix time
    read_only: bool
    visible: bool  # whether we see the sessions of others
    app_role_known: bool  # whether there is a role of the configured name; True where none is configured


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What PostgreSQL says of one statement. `error` is its refusal, as (SQLSTATE, text)."""

    columns: Sequence[str] = ()  # of its rows
    missing: Collection[Need] = ()  # what our role lacks for it
    error: tuple[str, str] | None = None
    scanned: Sequence[str] = ()  # tables that can be read only from end to end
    # For a table that was not found: the schemas in which there is one, and whether we may use them.
    elsewhere: Sequence[tuple[str, bool]] = ()


def read_connection(failure: Failure | None, *, pooled: bool = False) -> list[Finding]:
    """Whether we got in; `failure` is why not."""
    connection, login = (POOLED_CONNECTION, POOLED_LOGIN) if pooled else (CONNECTION, LOGIN)
    key = "probes.database.pooled_dsn" if pooled else "probes.database.dsn"
    if failure is None:
        return [ok(connection, "it answers"), ok(login, "user and password are taken")]
    if failure.outcome in _WAY:
        mend = f"{key}: is this its host and port, is it running, does a firewall let us through?"
        if failure.outcome is Outcome.TLS:
            mend = f"{key}: sslmode and sslrootcert in it"
        return [problem(connection, failure.detail, mend), *skipped([login], f"{connection} failed")]
    mend = f"{key}: the user, password and database in it, or probes.database.password"
    return [ok(connection, "it answers"), problem(login, failure.detail, mend)]


def read_server(server: Server) -> list[Finding]:
    """Whether `dsn` leads to the server itself, and to one that takes writes."""
    findings = []
    if server.told_pid != server.pid:
        said = "a pooler stands in between: it hides the server's death and its return, and loses statements"
        mend = "probes.database.dsn: the server's own address; this one belongs into probes.database.pooled_dsn"
        findings.append(problem(SERVER, said, mend))
    else:
        findings.append(ok(SERVER, f"PostgreSQL {server.version} itself, database {server.datname}"))
    if server.read_only:
        said = "it takes no writes: a standby, or default_transaction_read_only is on"
        findings.append(problem(WRITABLE, said, "probes.database.dsn: the primary"))
    else:
        findings.append(ok(WRITABLE, "it takes writes"))
    return findings


def read_pooled(direct: Server, pooled: Server) -> Finding:
    """Whether the pooler leads to the same server."""
    if (direct.started_at, direct.datname) != (pooled.started_at, pooled.datname):
        said = "the pooler leads to another server or database than probes.database.dsn"
        return problem(POOLED_SERVER, said, "probes.database.pooled_dsn: the pooler before that server")
    if pooled.told_pid == pooled.pid:
        said = "no pooler in between: this is the server itself"
        return hint(
            POOLED_SERVER, said, "probes.database.pooled_dsn: the way the application takes, or leave it out"
        )
    return ok(POOLED_SERVER, "a pooler, before the same server and database")


def read_schema(lacking: Sequence[str]) -> Finding:
    """`lacking`: what is not there of our schema, by name."""
    if lacking:
        return problem(SCHEMA_STEP, f"not there: {', '.join(lacking)}", f"{SETUP}, as the owner of the database")
    return ok(SCHEMA_STEP, f"schema {SCHEMA} is there")


def read_own_grants(
    there: bool, usable: bool, objects: Sequence[tuple[SchemaObject, Sequence[str]]], role: str
) -> Iterator[Finding]:
    """What our role may do in our schema; with each object that is there the privileges that it lacks."""
    name = f"grant.{SCHEMA}"
    if not there:
        yield from skipped(own_grants(), f"{SCHEMA_STEP} failed")
        return
    if not usable:
        yield problem(
            name, f"role {role} may not use schema {SCHEMA}", f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}"
        )
        yield from skipped(own_grants()[1:], f"{name} failed")
        return
    yield ok(name, f"role {role} may use schema {SCHEMA}")
    lacked = {each.qualified: lacks for each, lacks in objects}
    for each in OBJECTS:
        name, lacks = f"grant.{each.qualified}", lacked.get(each.qualified)
        if lacks is None:
            yield from skipped([name], f"{SCHEMA_STEP} failed")
        elif lacks:
            yield problem(name, f"role {role} lacks {', '.join(lacks)} on {each.qualified}", each.grant(role))
        else:
            yield ok(name, f"role {role} has {', '.join(each.privileges)}")


def own_grants() -> list[str]:
    """The names of what `read_own_grants` finds."""
    return [f"grant.{SCHEMA}", *(f"grant.{each.qualified}" for each in OBJECTS)]


def read_statistics(server: Server, pool: AppPool) -> Iterator[Finding]:
    """Which metrics are not observable, and why."""
    if server.visible:
        yield ok(STATISTICS, "the sessions of others are visible")
    else:
        hidden = "db_longest_transaction_seconds, db_lock_waiters and db_replication_lag_seconds (of replicas)"
        yield hint(STATISTICS, f"not observable: {hidden}", f"GRANT {STATISTICS_ROLE} TO {server.role}")
    if not pool.is_known:
        mend = "target.app_role or target.app_name: which sessions are the application's"
        yield hint(POOL, "not observable: db_connection_pool_usage", mend)
    elif not server.app_role_known:
        said = f"there is no role {pool.role!r}, so db_connection_pool_usage is not observable"
        yield problem(POOL, said, "target.app_role: the role under which the application logs in")
    elif not server.visible and pool.role != server.role:
        mend = f"GRANT {STATISTICS_ROLE} TO {server.role}"
        yield hint(POOL, "not observable: db_connection_pool_usage", mend)
    else:
        yield ok(POOL, f"the application may have {pool.capacity} sessions")


def read_statement(statement: Statement, looked: Looked, role: str) -> Finding:
    """Whether a statement of the contract fits the target's tables and our role, and has an index to use."""
    name, override = f"sql.{statement.key}", f"target.contract_overrides: {statement.key}"
    if looked.missing:
        lacks = ", ".join(sorted({f"{need.privilege} on {need.table}" for need in looked.missing}))
        return problem(name, f"role {role} lacks {lacks}", "; ".join(grants(looked.missing, role)))
    if looked.error is not None:
        state, text = looked.error
        said = f"PostgreSQL answers {state}: {text}"
        for schema, usable in looked.elsewhere:
            if not usable:
                mend = f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role}"
                return problem(name, f"{said}; role {role} may not look into schema {schema}", mend)
            mend = f"ALTER ROLE {role} SET search_path = {quoted(schema)}, public, or {override}"
            return problem(name, f"{said}; there is one in schema {schema}, where nobody looks", mend)
        if state == "42501":
            return problem(name, said, f"grant that to role {role}; docs/deploying.md has all of them")
        if state in ("42P01", "42703", "3F000"):
            said = f"{said}; this version has other names"
        return problem(name, said, f"{override}, written for this version (docs/contract.md)")
    absent = [column for column in statement.sql.columns if column not in looked.columns]
    if absent:
        expected, found = ", ".join(statement.sql.columns), ", ".join(looked.columns) or "none"
        return problem(name, f"its rows have the columns {found}; expected {expected}", override)
    if looked.scanned:
        tables = ", ".join(looked.scanned)
        mend = f"CREATE INDEX CONCURRENTLY on {tables}, beginning with a column that the statement compares"
        return hint(name, f"no index helps it: each run reads the whole table {tables}", mend)
    return ok(name, "fits the tables, and is granted")


def read_fixtures(wanted: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[Finding]:
    """Whether the synthetic retailer and vendors are there, and kept from real orders."""
    found = {str(row["id"]): bool(row["offered"]) for row in rows}
    lacking = [each for each in wanted if each not in found]
    offered = [each for each in wanted if found.get(each)]
    if lacking:
        said = f"{len(lacking)} of {len(wanted)} are not there: {_few(lacking)}"
        there = problem(FIXTURES, said, f"{SETUP}, as the owner of the tables")
    else:
        there = ok(FIXTURES, f"all {len(wanted)} are there")
    if offered:
        said = f"active or verified, so real orders may be offered to them: {_few(offered)}"
        mend = "make them inactive and unverified at once; orders that reached them have to be routed again"
        return [there, alarm(VENDORS, said, mend)]
    if lacking:
        return [there, *skipped([VENDORS], f"{FIXTURES} failed")]
    return [there, ok(VENDORS, "inactive and unverified: no real order reaches them")]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
