"""Looks at the database step by step: the way in, the server, our schema, grants, each statement, the fixtures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence

from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import database_addresses
from prober.doctor import database_reading as reading
from prober.doctor.database_asking import DatabaseAsker
from prober.doctor.database_reading import Server
from prober.doctor.finding import Finding, hint, problem, skipped, why_not
from prober.doctor.statements import Statement, run_under
from prober.doctor.target_reading import read_clock
from prober.probes.database_outcome import database_failure
from prober.probes.database_session import MARK, DatabaseAddress, DatabaseSession, open_database
from prober.probes.database_stats import AppPool
from prober.probes.schema import SCHEMA
from prober.probes.synthetic import NOBODYS_NUMBER, Mark, new_message_sid, new_run_id

TIMEOUT = 20.0  # seconds, of each question


async def examine_database(config: Config, contract: Contract) -> AsyncIterator[Finding]:
    """Everything about the database, in the order in which it can fail."""
    section, checked = config.probes.database, run_under(config, contract)
    direct, pooled = database_addresses(section)
    if not section.enabled or direct is None:
        for finding in skipped([reading.CONNECTION], "probes.database is disabled"):
            yield finding
        return
    server: Server | None = None
    session, findings = await _opened(direct, config)
    for finding in findings:
        yield finding
    if session is None:
        for finding in skipped(_steps(config, checked), why_not(findings)):
            yield finding
    else:
        try:
            asker = DatabaseAsker(session, config)
            async with asyncio.timeout(TIMEOUT):
                server = await asker.server()
            async for finding in _examine(asker, server, config, contract, checked):
                yield finding
        except Exception as error:  # whatever a server does is a finding
            failure = database_failure(error, str(direct))
            yield problem("database", failure.detail, "run it again when the database is well")
        finally:
            session.drop()
    if pooled is not None:
        for finding in await _examine_pooled(pooled, server, config):
            yield finding


async def _examine(
    asker: DatabaseAsker, server: Server, config: Config, contract: Contract, checked: Sequence[Statement]
) -> AsyncIterator[Finding]:
    for finding in reading.read_server(server):
        yield finding
    yield read_clock(reading.CLOCK, "the database", time.time(), server.wall, 0.5)
    if server.told_pid != server.pid:
        for finding in skipped(_steps(config, checked)[3:], f"{reading.SERVER} failed"):
            yield finding
        return
    async with asyncio.timeout(TIMEOUT):
        missing, usable, objects = await asker.own_schema()
    yield reading.read_schema(missing)
    for finding in reading.read_own_grants(SCHEMA not in missing, usable, objects, server.role):
        yield finding
    target = config.target
    pool = AppPool(
        role=target.app_role,
        application_name=target.app_name,
        size=target.pool_size,
        instances=target.app_instances,
    )
    for finding in reading.read_statistics(server, pool):
        yield finding
    values = _values(config)
    looks: dict[str, Finding] = {}
    for statement in checked:
        async with asyncio.timeout(TIMEOUT):
            looked = await asker.look_at(statement, values)
        looks[statement.key] = reading.read_statement(statement, looked, server.role)
        yield looks[statement.key]
    if config.probes.race.enabled:
        for finding in await _examine_fixtures(asker, config, contract, looks, values):
            yield finding


async def _examine_fixtures(
    asker: DatabaseAsker,
    config: Config,
    contract: Contract,
    looks: Mapping[str, Finding],
    values: Mapping[str, object],
) -> list[Finding]:
    steps = [reading.FIXTURES, reading.VENDORS]
    present, mark = contract.race.present, Mark(config.instance)
    if present is None:
        why = "not observable: the contract has no race.present, which asks for them"
        return [hint(reading.FIXTURES, why, "target.contract_overrides: race.present (docs/contract.md)")]
    statement = Statement("race.present", present)
    if looks[statement.key].is_bad:
        return skipped(steps, f"sql.{statement.key} failed")
    async with asyncio.timeout(TIMEOUT):
        rows = await asker.fixtures(statement, values)
    return reading.read_fixtures(
        [mark.retailer, *mark.vendors(config.probes.race.vendors), mark.late_vendor], rows
    )


async def _examine_pooled(address: DatabaseAddress, direct: Server | None, config: Config) -> list[Finding]:
    session, findings = await _opened(address, config)
    if session is None:
        return [
            *findings,
            *skipped([reading.POOLED_SERVER], why_not(findings)),
        ]
    try:
        async with asyncio.timeout(TIMEOUT):
            server = await DatabaseAsker(session, config).server()
    except Exception as error:
        failure = database_failure(error, str(address))
        mend = "probes.database.pooled_dsn: a pooler in session or transaction mode"
        return [*findings, problem(reading.POOLED_SERVER, failure.detail, mend)]
    finally:
        session.drop()
    if direct is None:
        return [*findings, *skipped([reading.POOLED_SERVER], "the server itself could not be asked")]
    return [*findings, reading.read_pooled(direct, server)]


async def _opened(address: DatabaseAddress, config: Config) -> tuple[DatabaseSession | None, list[Finding]]:
    try:
        async with asyncio.timeout(config.probes.database.timeout):
            session = await open_database(address, f"{MARK}{config.instance}/doctor")
    except Exception as error:
        failure = database_failure(error, str(address))
        return None, reading.read_connection(failure, pooled=address.pooled)
    return session, reading.read_connection(None, pooled=address.pooled)


def _steps(config: Config, checked: Sequence[Statement]) -> list[str]:
    """The names of what is found once we are in."""
    race = [reading.FIXTURES, reading.VENDORS] if config.probes.race.enabled else []
    return [
        *(reading.SERVER, reading.WRITABLE, reading.CLOCK),
        *(reading.SCHEMA_STEP, *reading.own_grants(), reading.STATISTICS, reading.POOL),
        *(f"sql.{statement.key}" for statement in checked),
        *race,
    ]


def _values(config: Config) -> dict[str, object]:
    """Values for every parameter of a contract, of things that do not exist but for the fixtures."""
    mark, run_id, sid = Mark(config.instance), new_run_id(time.time()), new_message_sid()
    return {
        "message_sid": sid,
        "message_sids": [sid],
        "from_number": NOBODYS_NUMBER,
        "bodies": [mark.body(run_id)],
        "retailer_id": mark.retailer,
        "vendor_ids": [*mark.vendors(config.probes.race.vendors), mark.late_vendor],
        "order_id": mark.order(run_id),
        "routing_id": mark.routing(run_id),
    }
