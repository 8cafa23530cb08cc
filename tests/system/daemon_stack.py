"""What the tests of the whole daemon share: fast probes, the rows of ours, a changed config, how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from prober.demo.process import Owner
from prober.demo.stack import DEFAULT_CONTRACT, Stack
from prober.demo.watcher import Watcher
from tests.system.watching import until

# Tables of the target in which something of ours may stand, by contract; nobody else writes there in a test.
TABLES = {
    "whatsapp-ordering-system": ("orders", "vendor_routings", "processed_messages", "whatsapp_messages"),
    "guide": (
        *("orders", "vendor_routing", "vendor_routing_responses", "order_events"),
        *("webhook_idempotency", "whatsapp_messages"),
    ),
}
# A daemon that was told to end has the time its config allows, then what the journal and the web process get.
END = 30.0


# As much as the config allows: for tests that want to see a lot in little time.
WIDE_CAP = {"requests": "100/1s", "burst": 200, "in_flight": 256}


def fast_stack(
    owner: Owner,
    probes: Mapping[str, Mapping[str, Any]],
    contract: str = DEFAULT_CONTRACT,
    **sections: Any,
) -> Stack:
    """A stack whose limits are no hindrance; `sections` go to the top level of the config."""
    return Stack(
        owner=owner,
        directory=owner.directory,
        contract=contract,
        probes=probes,
        target_settings={"rate_limit": {"requests": 5000}},
        target_config={"rate_limit": "5000/1m"},
        config_sections={"cap": WIDE_CAP, **sections},
    )


def config_of(stack: Stack) -> dict[str, Any]:
    """Read the config of a stack, to change it."""
    document: dict[str, Any] = yaml.safe_load(stack.config_file.read_text(encoding="utf-8"))
    return document


def change_config(stack: Stack, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite the config file for the next start of the daemon."""
    document = config_of(stack)
    change(document)
    stack.config_file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def watcher_on(stack: Stack, document: dict[str, Any], name: str) -> Watcher:
    """Another daemon on the services of a stack, with a config, a port and a directory of its own."""
    file = stack.directory / f"{name}.yaml"
    watcher = Watcher(stack.owner, stack.directory / name, file)
    document = {**document, "data_dir": str(stack.directory / f"{name}-data"), "listen": watcher.address}
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return watcher


async def rows(stack: Stack, *tables: str) -> dict[str, int]:
    """Count the rows in these tables of the target, or in all that we touch."""
    connection = await stack.postgres.connect("orders")
    try:
        wanted = tables or TABLES[stack.contract]
        return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in wanted}
    finally:
        await connection.close()


async def nothing_of_ours(stack: Stack) -> None:
    """Wait until no row of ours is left."""

    async def none() -> bool:
        return not any((await rows(stack)).values())

    await until("every row of ours to be removed", none)


async def ended(watcher: Watcher, timeout: float = END) -> int:
    """Wait until a daemon has ended by itself; its exit code."""
    deadline = time.monotonic() + timeout
    while watcher.returncode is None:
        assert time.monotonic() < deadline, f"the daemon still runs:\n{watcher.log_tail(40)}"
        await asyncio.sleep(0.02)
    return watcher.returncode


def no_trace(watcher: Watcher) -> None:
    """The daemon met nothing that it did not expect."""
    lines = watcher.log_file.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "Traceback" in line or "inside the prober" in line] == []
