"""Tries each command that the Redis probe uses, on our own key and on the queues' counters."""

from __future__ import annotations

import asyncio
import time

from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import redis_address
from prober.doctor import redis_reading as reading
from prober.doctor.finding import Finding, problem, skipped, why_not
from prober.probes.redis_acl import COMMANDS
from prober.probes.redis_info import INFO, TIME
from prober.probes.redis_outcome import redis_failure
from prober.probes.redis_session import RedisAddress, open_session
from prober.probes.resp import Answer, RedisConnection, pack
from prober.probes.synthetic import new_run_id

TIMEOUT = 10.0
EXPIRY = 60  # seconds; of a key that could not be removed


async def examine_redis(config: Config, contract: Contract) -> list[Finding]:
    """Everything about Redis, in the order in which it can fail."""
    section = config.probes.redis
    if not section.enabled:
        return skipped([reading.CONNECTION], "probes.redis is disabled")
    address = redis_address(section)
    where, sentinel = str(address), section.sentinel is not None
    try:
        async with asyncio.timeout(section.timeout):
            connection = await open_session(address, client_name=_name(config), timeout=section.timeout)
    except Exception as error:  # whatever a server does is a finding
        findings = reading.read_connection(redis_failure(error, where), where, sentinel=sentinel)
        return [*findings, *skipped(reading.STEPS, why_not(findings))]
    findings = reading.read_connection(None, where, sentinel=sentinel)
    try:
        async with asyncio.timeout(TIMEOUT):
            return findings + await _commands(connection, address, config, contract)
    except Exception as error:
        failure = redis_failure(error, where)
        return [*findings, problem("redis", failure.detail, "run it again when Redis is well")]
    finally:
        connection.drop()


async def _commands(
    connection: RedisConnection, address: RedisAddress, config: Config, contract: Contract
) -> list[Finding]:
    prefix, queues = contract.queues.prefix, contract.queues.names
    asked = await _ask_each(connection, config, prefix, queues)
    asked["subscribe"] = await _subscribe(address, config)
    findings = [reading.read_command(command, asked[command], prefix) for command in COMMANDS]
    return [*findings, reading.read_queues(prefix, queues, asked["exists"])]


async def _ask_each(
    connection: RedisConnection, config: Config, prefix: str, queues: tuple[str, ...]
) -> dict[str, list[Answer]]:
    """The answers to each command, by its name in the ACL."""
    key, value = f"synthetic-prober:{config.instance}:{new_run_id(time.time())}", "doctor"
    bases = [f"{prefix}:{queue}" for queue in queues]
    commands = {
        "ping": [pack("PING")],
        "set": [pack("SET", key, value, "EX", EXPIRY)],
        "get": [pack("GET", key)],
        "del": [pack("DEL", key)],
        "info": list(INFO),
        "time": [TIME],
        "llen": [pack("LLEN", f"{base}:{kind}") for base in bases for kind in ("wait", "paused")],
        "zcard": [pack("ZCARD", f"{base}:prioritized") for base in bases],
        "zcount": [pack("ZCOUNT", f"{base}:delayed", "-inf", 0) for base in bases],
        "exists": [pack("EXISTS", f"{base}:meta") for base in bases],
        "client|setname": [pack("CLIENT", "SETNAME", _name(config))],
    }
    return {
        name: list((await connection.ask(*packed)).answers) if packed else [] for name, packed in commands.items()
    }


async def _subscribe(address: RedisAddress, config: Config) -> list[Answer]:
    connection = await open_session(address, client_name=_name(config), timeout=TIMEOUT, subscriber=True)
    try:
        return list((await connection.ask(pack("SUBSCRIBE", f"synthetic-prober:{config.instance}"))).answers)
    finally:
        connection.drop()


def _name(config: Config) -> str:
    return f"synthetic-prober/{config.instance}/doctor"
