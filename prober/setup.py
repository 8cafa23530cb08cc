"""Making what has to exist in the target's database before the first race: our schema and the fixtures.

The fixtures are the contract's: a synthetic retailer and synthetic vendors, inactive and unverified, so that
no real order ever reaches them. Running it again changes nothing.
"""

from __future__ import annotations

import asyncio

from prober.contract import Contract
from prober.probes.database_session import MARK, DatabaseAddress, open_database
from prober.probes.schema import ensure_heartbeat, ensure_schema
from prober.probes.synthetic import Mark

TIMEOUT = 10.0


async def set_up(address: DatabaseAddress, contract: Contract, instance: str, vendors: int) -> None:
    """Create what is missing, all or nothing: for races of `vendors`, and one that comes late.

    Raises what `database_failure` names.
    """
    async with asyncio.timeout(TIMEOUT):
        session = await open_database(address, f"{MARK}{instance}/setup")
        try:
            await ensure_schema(session.connection)
            await ensure_heartbeat(session.connection, instance)
            mark = Mark(instance)
            values = {"retailer_id": mark.retailer, "vendor_ids": [*mark.vendors(vendors), mark.late_vendor]}
            await session.timed("BEGIN")
            for sql in contract.race.fixtures:
                await session.rows(sql.query, *sql.arguments(values))
            await session.timed("COMMIT")
        finally:
            session.drop()
