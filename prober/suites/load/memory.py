"""Asks the target how much memory it uses, by the way that its contract names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prober.config.model import Config
from prober.contract import Contract, Memory, at, parsed
from prober.daemon.assembly import target_client_parts
from prober.http1 import Endpoint, build_request
from prober.http1.dial import dial
from prober.http1.errors import Failure
from prober.http1.exchange import Exchange, Limits
from prober.http1.protocol import Http1Protocol
from prober.outcome import Outcome

TIMEOUT = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why it cannot be told, for a note."""

    why: str


class MemorySource:
    """Reads one figure at a time; keeps its connection, so that of many processes always the same one answers."""

    def __init__(self, memory: Memory, config: Config, contract: Contract) -> None:
        self._memory = memory
        self._headers: Mapping[str, str] = contract.health.headers
        if memory.metrics is not None:
            base, slash, path = memory.metrics.partition("://")[2].partition("/")
            self._endpoint = Endpoint.parse(f"{memory.metrics.partition('://')[0]}://{base}")
            self._tls = target_client_parts(config)[1] if self._endpoint.tls else None
            self._path = slash + path or "/"
        else:
            self._endpoint, self._tls = target_client_parts(config)
            self._path = memory.page or "/"
        self._protocol: Http1Protocol | None = None

    async def read(self) -> int | Unseen:
        """Bytes, or why they cannot be told. Never raises for what the target does."""
        if self._memory.pid_file is not None:
            return resident_of(self._memory.pid_file)
        body = await self._get()
        if isinstance(body, Unseen):
            return body
        if self._memory.field is not None:
            found = at(parsed(body), self._memory.field)
            if isinstance(found, int | float) and not isinstance(found, bool) and found >= 0:
                return int(found)
            return Unseen(f"{self._path} has no number at {self._memory.field}")
        summed = metric_in(body.decode("utf-8", "replace"), self._memory.name)
        return Unseen(f"{self._memory.metrics} has no metric {self._memory.name}") if summed is None else summed

    def close(self) -> None:
        """Drop the connection."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None

    async def _get(self) -> bytes | Unseen:
        request = build_request("GET", self._endpoint, self._path, self._headers)
        done = asyncio.Event()
        if self._protocol is None or not self._protocol.reusable:
            opened = await dial(
                self._endpoint, tls=self._tls, limits=Limits(), timeout=TIMEOUT, on_done=lambda _: None
            )
            if isinstance(opened, Exchange):
                return Unseen(opened.detail)
            self._protocol = opened[0]
        protocol = self._protocol
        protocol.on_done = lambda _: done.set()
        protocol.start(request)
        try:
            async with asyncio.timeout(TIMEOUT):
                await done.wait()
        except TimeoutError:
            protocol.fail(Failure(Outcome.TIMEOUT, f"no answer within {TIMEOUT:g} s"))
        answer = protocol.answer()
        if answer is None:
            self.close()
            return Unseen(f"{self._path}: {protocol.detail}")
        return answer.body if answer.status == 200 else Unseen(f"{self._path} answered {answer.status}")


def resident_of(pid_file: Path) -> int | Unseen:
    """The resident memory of the process that a file names (proc(5), statm)."""
    try:
        pid = int(pid_file.read_text(encoding="ascii").split()[0])
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError) as error:
        return Unseen(f"{pid_file}: {error}")
    return pages * os.sysconf("SC_PAGE_SIZE")


def metric_in(text: str, name: str) -> int | None:
    """The sum of one metric over its labels, in Prometheus' text form; None when it is not there."""
    total: float | None = None
    for line in text.splitlines():
        if not line.startswith(name) or line[len(name) : len(name) + 1] not in (" ", "{"):
            continue
        try:
            total = (total or 0.0) + float(line.rpartition("}")[2].split()[-1] if "{" in line else line.split()[1])
        except (ValueError, IndexError):
            continue
    return None if total is None else int(total)
