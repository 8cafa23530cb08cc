"""Making what has to exist in the target's database before the first race: our schema and the fixtures.

The fixtures are the contract's: a synthetic retailer and synthetic vendors, inactive and unverified, so that
no real order ever reaches them. Running it again changes nothing.
"""

from __future__ import annotations

import asyncpg

from prober.contract import Contract
from prober.probes.database_session import MARK, DatabaseAddress
from prober.probes.schema import ensure_heartbeat, ensure_schema
from prober.probes.synthetic import Mark

TIMEOUT = 10.0


async def set_up(address: DatabaseAddress, contract: Contract, instance: str, vendors: int) -> None:
    """Create what is missing, all or nothing. Raises OSError, TimeoutError or asyncpg's errors."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        address.dsn,
        password=address.password,
        timeout=TIMEOUT,
        command_timeout=TIMEOUT,
        statement_cache_size=0,
        server_settings={"application_name": f"{MARK}{instance}/setup"},
    )
    try:
        await ensure_schema(connection)
        await ensure_heartbeat(connection, instance)
        mark = Mark(instance)
        values = {"retailer_id": mark.retailer, "vendor_ids": list(mark.vendors(vendors))}
        async with connection.transaction():
            for sql in contract.race.fixtures:
                await connection.execute(sql.query, *sql.arguments(values))
    finally:
        await connection.close(timeout=TIMEOUT)
