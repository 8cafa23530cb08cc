"""Making what has to exist in the target's database before the first race: our schema and the fixtures.

The fixtures are the contract's: a synthetic retailer and synthetic vendors, inactive and unverified, so that
no real order ever reaches them. Running it again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from prober.contract import Contract
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.schema import ALL, Lacking, ensure_heartbeat, ensure_schema, insert_heartbeat, lacking
from prober.probes.synthetic import Mark
from prober.sql import Sql

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of the set-up: what it is, whether it is there (None: nobody can tell), and what makes it."""

    name: str
    there: bool | None
    sql: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that has to be there, in the order in which it is made."""

    items: tuple[Item, ...]

    @property
    def to_make(self) -> tuple[Item, ...]:
        """What is missing, or may be."""
        return tuple(item for item in self.items if not item.there)


async def plan_set_up(address: DatabaseAddress, contract: Contract, instance: str, vendors: int) -> Plan:
    """Look what is there and what is missing; makes nothing. Raises what `database_failure` names."""
    async with asyncio.timeout(TIMEOUT):
        session = await _open(address, instance)
        try:
            missing = await lacking(session.connection)
            beats = not missing and await _has_heartbeat(session, instance)
            fixtures = await _present(session, contract, _values(instance, vendors))
        finally:
            session.drop()
    return Plan(_items(missing, beats, fixtures, contract, instance, vendors))


async def set_up(address: DatabaseAddress, contract: Contract, instance: str, vendors: int) -> None:
    """Create what is missing, all or nothing: for races of `vendors`, and one that comes late.

    Raises what `database_failure` names.
    """
    async with asyncio.timeout(TIMEOUT):
        session = await _open(address, instance)
        try:
            await ensure_schema(session.connection)
            await ensure_heartbeat(session.connection, instance)
            values = _values(instance, vendors)
            await session.timed("BEGIN")
            for sql in contract.race.fixtures:
                await session.rows(sql.query, *sql.arguments(values))
            await session.timed("COMMIT")
        finally:
            session.drop()


async def _open(address: DatabaseAddress, instance: str) -> DatabaseSession:
    return await open_database(address, f"{MARK}{instance}/setup")


def _values(instance: str, vendors: int) -> dict[str, object]:
    mark = Mark(instance)
    return {"retailer_id": mark.retailer, "vendor_ids": [*mark.vendors(vendors), mark.late_vendor]}


async def _has_heartbeat(session: DatabaseSession, instance: str) -> bool:
    row = await session.row("SELECT count(*) AS rows FROM prober.heartbeat WHERE instance = $1", instance)
    return bool(row["rows"])


async def _present(
    session: DatabaseSession, contract: Contract, values: Mapping[str, object]
) -> frozenset[str] | None:
    """The fixtures that are there; None where the contract does not tell how to look."""
    sql = contract.race.present
    if sql is None:
        return None
    return frozenset(str(row["id"]) for row in await session.rows(sql.query, *sql.arguments(values)))


def _items(
    missing: Lacking,
    beats: bool,
    fixtures: frozenset[str] | None,
    contract: Contract,
    instance: str,
    vendors: int,
) -> tuple[Item, ...]:
    values = _values(instance, vendors)
    wanted = [Mark(instance).retailer, *Mark(instance).vendors(vendors)]
    lacks = None if fixtures is None else sum(each not in fixtures for each in wanted)
    name = f"a synthetic retailer and {vendors} synthetic vendors, inactive and unverified"
    if lacks:
        name += f" ({lacks} of {len(wanted)} missing)"
    filled = "\n".join(f"{written(sql, values)};" for sql in contract.race.fixtures)
    return (
        *(Item(made, made not in missing.made_by, f"{sql};") for made, sql in ALL.made_by.items()),
        Item(f"the heartbeat of {instance}", beats, f"{insert_heartbeat(instance)};"),
        Item(name, None if lacks is None else not lacks, filled),
    )


def written(sql: Sql, values: Mapping[str, object]) -> str:
    """A statement as psql takes it, for people to read: the values in place of its parameters."""
    return sql.filled({name: _literal(value) for name, value in values.items()}).strip()


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "ARRAY[" + ", ".join(_literal(each) for each in value) + "]"
    return "'" + str(value).replace("'", "''") + "'"
