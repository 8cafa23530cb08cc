"""Our own schema in the target's database: heartbeats, the marks of what we made, and the grants on both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

SCHEMA = "prober"
HEARTBEAT = f"{SCHEMA}.heartbeat"
MARKS = f"{SCHEMA}.marks"

# Half empty pages, so that an update a second stays on its page (HOT) and never grows an index.
_CREATE_HEARTBEAT = f"""
    CREATE TABLE {HEARTBEAT} (
        instance text PRIMARY KEY,
        beat bigint NOT NULL DEFAULT 0,
        at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
"""
# A row for each synthetic thing that stands in the target's tables just now, with what removing it needs.
_CREATE_MARKS = f"""
    CREATE TABLE {MARKS} (
        kind text NOT NULL CHECK (kind IN ('order', 'message')),
        id text NOT NULL,
        instance text NOT NULL,
        run_id text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        accepted_at timestamptz,
        payload jsonb NOT NULL,
        PRIMARY KEY (kind, id)
    )
"""
_TABLES = {"heartbeat": _CREATE_HEARTBEAT, "marks": _CREATE_MARKS}
_INSTANCE = re.compile(r"[A-Za-z0-9._:@/-]{1,128}")
_ADVISORY_LOCK = 0x70726F626572  # "prober"


def grants(role: str) -> tuple[str, ...]:
    """All that the prober's role needs of our own schema, as statements; the last one for others' statistics.

    Without pg_read_all_stats (or pg_monitor) the probe works and says that pool usage, the longest
    transaction and the lag of replicas are not observable.
    """
    name = quote_identifier(role)
    return (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
        f"GRANT SELECT, INSERT, UPDATE ON {HEARTBEAT} TO {name}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {MARKS} TO {name}",
        f"GRANT pg_read_all_stats TO {name}",
    )


async def ensure_schema(connection: Connection) -> bool:
    """Create what is missing of our schema; True if anything was. Several may do so at once.

    Needs CREATE on the database only where the schema is missing. Raises what asyncpg raises.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        # IF NOT EXISTS asks for the right to create even where there is nothing to create.
        found = await connection.fetch(
            "SELECT c.relname FROM pg_catalog.pg_namespace n"
            " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')"
            " WHERE n.nspname = $1",
            SCHEMA,
        )
        if not found:
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        missing = [create for name, create in _TABLES.items() if name not in {row[0] for row in found}]
        for create in missing:
            await connection.execute(create)
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


def quote_identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(instance: str) -> str:
    # The statement has no parameters, because those need prepared statements, which a pooler may lose.
    if not _INSTANCE.fullmatch(instance):
        raise ValueError(f"expected an instance name of 1 to 128 of A-Z a-z 0-9 . _ : @ / -, got {instance!r}")
    return f"'{instance}'"
