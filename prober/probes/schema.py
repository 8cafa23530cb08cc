"""Our own schema in the target's database: a table with a heartbeat row for each instance, and its grants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

SCHEMA = "prober"
HEARTBEAT = f"{SCHEMA}.heartbeat"

# Half empty pages, so that an update a second stays on its page (HOT) and never grows an index.
_CREATE_HEARTBEAT = f"""
    CREATE TABLE {HEARTBEAT} (
        instance text PRIMARY KEY,
        beat bigint NOT NULL DEFAULT 0,
        at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
"""
_INSTANCE = re.compile(r"[A-Za-z0-9._:@/-]{1,128}")
_ADVISORY_LOCK = 0x70726F626572  # "prober"


def grants(role: str) -> tuple[str, ...]:
    """All that the role of the database probe needs, as statements; the last one for the statistics of others.

    Without pg_read_all_stats (or pg_monitor) the probe works and says that pool usage, the longest
    transaction and the lag of replicas are not observable.
    """
    name = quote_identifier(role)
    return (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
        f"GRANT SELECT, INSERT, UPDATE ON {HEARTBEAT} TO {name}",
        f"GRANT pg_read_all_stats TO {name}",
    )


async def ensure_schema(connection: Connection) -> bool:
    """Create what is missing of our schema; True if anything was. Several may do so at once.

    Needs CREATE on the database only where the schema is missing. Raises what asyncpg raises.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
        # IF NOT EXISTS asks for the right to create even where there is nothing to create.
        has_schema, has_table = await connection.fetchrow(
            "SELECT count(DISTINCT n.oid) = 1, count(c.oid) = 1 FROM pg_catalog.pg_namespace n"
            " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'heartbeat'"
            " WHERE n.nspname = $1",
            SCHEMA,
        ) or (False, False)
        if not has_schema:
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        if not has_table:
            await connection.execute(_CREATE_HEARTBEAT)
    return not (has_schema and has_table)


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
