"""Asks PostgreSQL in ways that change nothing and roll nothing back.

Each statement of the contract is planned, not run, behind a savepoint in a transaction that commits: PostgreSQL
checks every name and privilege for a plan, and an error behind a savepoint is no rollback of the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from prober.config.model import Config
from prober.doctor.database_reading import Looked, Server
from prober.doctor.needs import Need, needs, tables
from prober.doctor.statements import Statement
from prober.probes.database_session import DatabaseSession
from prober.probes.schema import OBJECTS, SCHEMA, SchemaObject, lacking
from prober.sql import quoted

# A statement that is planned waits for locks of the application's this long.
LOCK_TIMEOUT = "2s"

_SERVER = """
SELECT current_user::text AS role, pg_backend_pid() AS pid, current_setting('server_version') AS version,
       current_database()::text AS datname,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
       extract(epoch FROM clock_timestamp())::float8 AS wall,
       current_setting('transaction_read_only') = 'on' AS read_only,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS visible,
       $1::text IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1) AS app_role_known
"""
# Both ways in which a statement names a table: alone, then the search path decides; or with its schema.
_COLUMNS = """
SELECT t.name, c.oid, array_agg(a.attname::text) AS columns
  FROM unnest($1::text[]) AS t(name)
  JOIN pg_catalog.pg_class c ON c.relname = substring(t.name FROM '[^.]*$') AND c.relkind IN ('r', 'p', 'v', 'f')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE CASE WHEN position('.' IN t.name) > 0 THEN t.name = n.nspname || '.' || c.relname
            ELSE pg_catalog.pg_table_is_visible(c.oid) END
 GROUP BY t.name, c.oid
"""
_ELSEWHERE = """
SELECT DISTINCT n.nspname::text AS schema, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'f') AND NOT pg_catalog.pg_table_is_visible(c.oid)
"""
_INDEXES = """
SELECT a.attname::text AS column FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL
"""
_ON_TABLE = "has_table_privilege($1::oid, $2)"
_ON_COLUMN = "has_column_privilege($1::oid, $3::text, $2)"
_ON_ANY_COLUMN = "has_any_column_privilege($1::oid, $2)"


class DatabaseAsker:
    """Asks one server, as the prober's own role."""

    def __init__(self, session: DatabaseSession, config: Config) -> None:
        self._session = session
        self._config = config

    async def server(self) -> Server:
        """Who is there."""
        row = await self._session.row(_SERVER, self._config.target.app_role)
        told = {name: row[name] for name in ("pid", "version", "datname", "started_at", "wall", "read_only")}
        return Server(
            told_pid=self._session.connection.get_server_pid(),
            role=quoted(row["role"]),
            visible=row["visible"],
            app_role_known=row["app_role_known"],
            **told,
        )

    async def own_schema(self) -> tuple[list[str], bool, list[tuple[SchemaObject, list[str]]]]:
        """What of it is not there, whether we may use it, and what we lack on each object that is there."""
        missing = await lacking(self._session.connection)
        names = [SCHEMA] if missing.schema else [each.qualified for each in missing.objects]
        if missing.schema:
            return names, False, []
        usable = (await self._session.row("SELECT has_schema_privilege($1, 'USAGE') AS may", SCHEMA))["may"]
        there = [each for each in OBJECTS if each not in missing.objects] if usable else []
        return names, usable, [(each, await self.lacks(each)) for each in there]

    async def lacks(self, each: SchemaObject) -> list[str]:
        """The privileges that our role needs on an object of ours, and has not."""
        function = "has_function_privilege" if each.kind == "FUNCTION" else "has_table_privilege"
        query = f"SELECT p AS name FROM unnest($2::text[]) AS p WHERE NOT {function}($1::text, p)"  # noqa: S608
        rows = await self._session.rows(query, each.qualified, list(each.privileges))
        return [row["name"] for row in rows]

    async def look_at(self, statement: Statement, values: Mapping[str, object]) -> Looked:
        """What PostgreSQL says of a statement; it is planned, and not executed."""
        query = statement.sql.query
        arguments = [values.get(name) for name in statement.sql.parameters]
        await self._session.timed("BEGIN")
        await self._session.timed(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        # So that a scan of the whole table is left only where nothing else is possible, however small the table.
        await self._session.timed("SET LOCAL enable_seqscan = off")
        await self._session.timed("SAVEPOINT look")
        looked = Looked()
        try:
            prepared = await self._session.connection.prepare(query)
            columns = [each.name for each in prepared.get_attributes()]
            missing = await self._missing(query)
            looked = Looked(columns=columns, missing=missing)
            if not missing:
                plan = await self._session.row(f"EXPLAIN (FORMAT JSON) {query}", *arguments)
                looked = Looked(
                    columns=columns, scanned=await self._unindexed(query, scanned(json.loads(plan[0])))
                )
        except asyncpg.PostgresError as error:
            await self._session.timed("ROLLBACK TO SAVEPOINT look")
            lost = error.sqlstate == asyncpg.UndefinedTableError.sqlstate
            elsewhere = await self._session.rows(_ELSEWHERE, list(tables(query))) if lost else []
            looked = Looked(
                error=(error.sqlstate or "", str(error)[:200]),
                elsewhere=[(row["schema"], row["usable"]) for row in elsewhere],
            )
        await self._session.timed("COMMIT")
        return looked

    async def _missing(self, query: str) -> list[Need]:
        rows = await self._session.rows(_COLUMNS, list(tables(query)))
        oids = {row["name"]: row["oid"] for row in rows}
        wanted = needs(query, {row["name"]: row["columns"] for row in rows})
        return [need for need in sorted(wanted) if not await self._has(need, oids[need.table])]

    async def _unindexed(self, query: str, read_whole: Sequence[str]) -> list[str]:
        """Of tables that a plan reads whole, those without an index that begins with a column of the statement.

        A plan alone does not tell: where one table has to be read whole, all other costs are nothing beside it.
        """
        if not read_whole:
            return []
        rows = await self._session.rows(_COLUMNS, list(tables(query)))
        wanted = needs(query, {row["name"]: row["columns"] for row in rows})
        found = []
        for row in rows:
            if row["name"].rpartition(".")[2] in read_whole:
                begins = {each["column"] for each in await self._session.rows(_INDEXES, row["oid"])}
                if not begins & {need.column for need in wanted if need.table == row["name"]}:
                    found.append(row["name"])
        return found

    async def _has(self, need: Need, oid: int) -> bool:
        arguments: tuple[object, ...] = (oid, need.privilege)
        if need.column:
            check, arguments = _ON_COLUMN, (*arguments, need.column)
        elif need.privilege == "SELECT":
            check = _ON_ANY_COLUMN  # no column is named: any of them will do
        else:
            check = _ON_TABLE
        return bool((await self._session.row(f"SELECT {check} AS may", *arguments))["may"])

    async def fixtures(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Run the contract's own look at the fixtures."""
        rows = await self._session.rows(statement.sql.query, *statement.sql.arguments(values))
        return [dict(row) for row in rows]


def scanned(plan: object) -> list[str]:
    """The tables that a plan (EXPLAIN, FORMAT JSON) reads from end to end."""
    found: list[str] = []
    if isinstance(plan, list):
        for part in plan:
            found += scanned(part)
    elif isinstance(plan, Mapping):
        kind, table = plan.get("Node Type", ""), plan.get("Relation Name")
        if kind == "Seq Scan" and table is not None:
            found.append(str(table))
        for part in plan.values():
            found += scanned(part) if isinstance(part, list | Mapping) else []
    return list(dict.fromkeys(found))
