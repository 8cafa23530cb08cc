"""What the tests of drills share: a stack that may be broken, a drill under way, the target's own record of it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prober.demo import procfs
from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from prober.demo.target.record import Kind
from prober.faults.conditions import CLEAR
from prober.faults.ledger import Ledger
from prober.suites.results import Results, read
from tests.system.daemon_stack import WIDE_CAP

PATIENCE = 300.0  # the longest drill takes two minutes, and its messages are followed afterwards
PROBES = {
    "webhook": {"timeout": "3s", "processing_deadline": "2s"},
    "redis": {"interval": "200ms"},
    "database": {"interval": "200ms"},
}


def drillable_stack(
    owner: Owner, *, target: Mapping[str, Any] | None = None, webhook: Mapping[str, Any] | None = None
) -> Stack:
    """A stack whose servers may be broken, with quick probes and no limit that would be in the way.

    `target` are settings of the target, `webhook` is the probe's section, where they are to be others.
    """
    return Stack(
        owner=owner,
        directory=owner.directory,
        probes={**PROBES, **({} if webhook is None else {"webhook": webhook})},
        target_settings={"rate_limit": {"requests": 50_000}, **(target or {})},
        target_config={"rate_limit": "50000/1m"},
        config_sections={"cap": WIDE_CAP},
        drillable=True,
    )


@dataclass(frozen=True)
class Ended:
    """How a drill ended, with everything that it and its guardian said."""

    code: int
    told: str
    results: Results | None


class Drilling:
    """One `prober drill` under way."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.process = process
        self._output = output
        self._told: list[str] = []

    @classmethod
    async def begin(cls, config: Path, *words: str) -> Drilling:
        """Start it; its results go beside the config."""
        output = config.parent / f"{'-'.join(words[:2])}.json"
        output.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prober", "drill", *words, "--config", str(config), "--output", str(output)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process, output)

    async def says(self, pattern: str) -> str:
        """Wait for a line of it."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stderr.readline()).decode():
                self._told.append(line)
                if re.search(pattern, line):
                    return line
        raise AssertionError(f"it ended without saying {pattern!r}:\n{''.join(self._told)}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> Ended:
        """Wait until it and its guardian have ended: both write to the one pipe."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            self._told.append((await self.process.stderr.read()).decode())
            code = await self.process.wait()
        told = "".join(self._told)
        assert "Traceback" not in told, told
        return Ended(code, told, read(self._output) if self._output.exists() else None)


async def drilled(config: Path, *words: str) -> Ended:
    """Run one from its beginning to its end; one that a test gives up ends, and its guardian undoes."""
    drilling = await Drilling.begin(config, *words)
    try:
        return await drilling.end()
    finally:
        if drilling.process.returncode is None:
            drilling.process.kill()


@dataclass(frozen=True)
class Recorded:
    """The target's own record of one drill, by MessageSid."""

    received: frozenset[str]
    accepted: frozenset[str]
    lost: frozenset[str]
    processed: frozenset[str]


async def recorded(stack: Stack, run_id: str) -> Recorded:
    """What the target wrote down of the messages of one run."""
    async with ControlClient(stack.target.control_url) as control:
        requests = await control.record(Kind.REQUEST, limit=100_000)
        ours = {e["sid"] for e in requests if str(e.get("mark", "")).split(";")[0].endswith(f"/{run_id}")}

        async def of(kind: Kind) -> frozenset[str]:
            return frozenset(e["sid"] for e in await control.record(kind, limit=100_000) if e["sid"] in ours)

        return Recorded(
            received=frozenset(ours),
            accepted=await of(Kind.ACCEPTED),
            lost=await of(Kind.LOST),
            processed=await of(Kind.PROCESSED),
        )


async def well(stack: Stack) -> bool:
    """Whether nothing is broken, asked of the servers, the proxies and the ledger themselves."""
    if not stack.redis.running or not stack.postgres.running:
        return False
    if any(stat.stopped for stat in procfs.everyone() if stat.identity.pid == stack.redis.pid):
        return False
    for proxy in (stack.redis_proxy, stack.database_proxy):
        if (await proxy.state()).conditions != CLEAR:
            return False
    connection = await stack.postgres.connect("orders", timeout=5)
    try:
        locks = await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation IS NOT NULL"
        )
    finally:
        await connection.close()
    return not locks and not Ledger(stack.data_dir).entries()
