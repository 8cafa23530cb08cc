"""Our own schema in the target's database: what is in it, what makes it, what the prober's role may do there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prober.sql import literal, quoted

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

SCHEMA = "prober"
HEARTBEAT = f"{SCHEMA}.heartbeat"
MARKS = f"{SCHEMA}.marks"
LEASE = f"{SCHEMA}.lease"
FENCED = f"{SCHEMA}.fenced"
# What FENCED raises; a class of SQLSTATE that PostgreSQL does not use.
FENCED_STATE = "PF001"
# Makes pool usage, the longest transaction, lock waits and the lag of replicas visible; pg_monitor holds it too.
STATISTICS_ROLE = "pg_read_all_stats"
CREATE_SCHEMA = f"CREATE SCHEMA {SCHEMA}"


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """Something in our schema. `name` is as GRANT takes it, a function's with the types of its arguments.

    A function is for PUBLIC to execute unless its `create` revokes that.
    """

    kind: Literal["TABLE", "FUNCTION"]
    name: str
    privileges: tuple[str, ...]  # what the prober's role needs
    create: str

    @property
    def qualified(self) -> str:
        """The name with its schema."""
        return f"{SCHEMA}.{self.name}"

    def grant(self, role: str) -> str:
        """The statement that lets `role` use it as the prober does."""
        kind = "FUNCTION " if self.kind == "FUNCTION" else ""
        return f"GRANT {', '.join(self.privileges)} ON {kind}{self.qualified} TO {role}"


# All that is made, in this order. A new table or function is one entry here: `prober doctor`, its --setup, the
# grants and docs/deploying.md follow.
OBJECTS = (
    SchemaObject(
        "TABLE",
        "heartbeat",
        ("SELECT", "INSERT", "UPDATE"),
        # Half empty pages, so that an update a second stays on its page (HOT) and never grows an index.
        f"""CREATE TABLE {HEARTBEAT} (
    instance text PRIMARY KEY,
    beat bigint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50)""",
    ),
    SchemaObject(
        "TABLE",
        "marks",
        ("SELECT", "INSERT", "UPDATE", "DELETE"),
        # A row for each synthetic thing that stands in the target's tables just now, with what removing it needs.
        f"""CREATE TABLE {MARKS} (
    kind text NOT NULL CHECK (kind IN ('order', 'message')),
    id text NOT NULL,
    instance text NOT NULL,
    run_id text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    payload jsonb NOT NULL,
    PRIMARY KEY (kind, id)
)""",
    ),
    # Who may write, where replicas are elected (`prober.judge.lease`).
    SchemaObject(
        "TABLE",
        "lease",
        ("SELECT", "INSERT", "UPDATE"),
        f"""CREATE TABLE {LEASE} (
    name text PRIMARY KEY,
    holder text NOT NULL,
    fence bigint NOT NULL,
    term interval NOT NULL,
    expires timestamptz NOT NULL
) WITH (fillfactor = 50)""",
    ),
    # First statement of a write's transaction. Whoever takes the lease waits for the transactions that passed
    # here, so what one of them has written was written before the lease went to another.
    SchemaObject(
        "FUNCTION",
        "fenced(text, bigint)",
        ("EXECUTE",),
        f"""CREATE FUNCTION {FENCED}(lease_name text, number bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fenced$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('{LEASE} ' || lease_name, 0));
    IF NOT EXISTS (SELECT FROM {LEASE} AS l
                   WHERE l.name = lease_name AND l.fence = number AND l.expires > clock_timestamp()) THEN
        RAISE EXCEPTION USING ERRCODE = '{FENCED_STATE}',
            MESSAGE = format('the lease %L is not held under number %s any more', lease_name, number);
    END IF;
END
$fenced$;
REVOKE ALL ON FUNCTION {FENCED}(text, bigint) FROM PUBLIC""",  # noqa: S608 - made of constants
    ),
)

_INSTANCE = re.compile(r"[A-Za-z0-9._:@/-]{1,128}")
_ADVISORY_LOCK = 0x70726F626572  # "prober"
# From the catalogue, which everybody may read: to_regclass is refused where the schema is.
_THERE = """
SELECT c.relname::text AS name FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
UNION ALL
SELECT format('%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)) FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = $1
"""


def grants(role: str) -> tuple[str, ...]:
    """What the prober's role needs of our own schema, as statements; the last one for the statistics of others.

    Without pg_read_all_stats (or pg_monitor) the database probe works and says that pool usage, the longest
    transaction and the lag of replicas are not observable. What the contract's statements need besides, on the
    target's tables, `prober.doctor.grants` tells.
    """
    name = quoted(role)
    return (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
        *(each.grant(name) for each in OBJECTS),
        f"GRANT {STATISTICS_ROLE} TO {name}",
    )


@dataclass(frozen=True, slots=True)
class Lacking:
    """What is not there of our schema."""

    schema: bool
    objects: tuple[SchemaObject, ...]

    def __bool__(self) -> bool:
        return self.schema or bool(self.objects)

    @property
    def made_by(self) -> dict[str, str]:
        """The statement that makes each of it, by name, in order."""
        return ({f"schema {SCHEMA}": CREATE_SCHEMA} if self.schema else {}) | {
            f"{each.kind.lower()} {each.qualified}": each.create for each in self.objects
        }


ALL = Lacking(True, OBJECTS)


async def lacking(connection: Connection) -> Lacking:
    """Look what is missing of our schema; needs no grant. Raises what asyncpg raises."""
    schema = await connection.fetchval("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1", SCHEMA)
    there = {row["name"] for row in await connection.fetch(_THERE, SCHEMA)}
    return Lacking(not schema, tuple(each for each in OBJECTS if each.name not in there))


async def ensure_schema(connection: Connection) -> bool:
    """Create what is missing of our schema; True if anything was. Several may do so at once.

    Needs CREATE on the database only where the schema is missing. Raises what asyncpg raises.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        # IF NOT EXISTS asks for the right to create even where there is nothing to create.
        missing = await lacking(connection)
        for statement in missing.made_by.values():
            await connection.execute(statement)
    return bool(missing)


async def ensure_heartbeat(connection: Connection, instance: str) -> None:
    """Make sure that the row of `instance` is there; leaves it alone if it is."""
    await connection.execute(insert_heartbeat(instance))


def insert_heartbeat(instance: str) -> str:
    """The statement that makes the row of `instance` if it is missing."""
    return f"INSERT INTO {HEARTBEAT} (instance) VALUES ({_literal(instance)}) ON CONFLICT DO NOTHING"  # noqa: S608


def update_heartbeat(instance: str) -> str:
    """The write of the probe: one committed update of one row."""
    return f"UPDATE {HEARTBEAT} SET beat = beat + 1, at = now() WHERE instance = {_literal(instance)}"  # noqa: S608


def fenced(statement: str, lease: str, fence: int | None) -> str:
    """`statement` in one transaction with the check that `fence` still holds `lease`; itself where that is None.

    One message of the simple protocol: between check and write there is no way to be late. The server answers with
    the SQLSTATE FENCED_STATE, and nothing is written, once the lease has gone to another or run out.
    """
    return statement if fence is None else f"SELECT {FENCED}({literal(lease)}, {fence:d});\n{statement}"


def _literal(instance: str) -> str:
    # The statement has no parameters, because those need prepared statements, which a pooler may lose.
    if not _INSTANCE.fullmatch(instance):
        raise ValueError(f"expected an instance name of 1 to 128 of A-Z a-z 0-9 . _ : @ / -, got {instance!r}")
    return f"'{instance}'"
