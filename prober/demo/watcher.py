"""The daemon of a demo or a test as a server of ours: `prober run` on a config file."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import aiohttp

from prober.config.fields import Address
from prober.demo.process import Owner, ServerError
from prober.demo.server import HOST, Server

READY_POLL = 0.05  # seconds; the first round takes a second, and asking costs the web process something
ASK_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Watcher(Server):
    """One `prober run`, listening on `listen` (default: a free port of 127.0.0.1) by PROBER_LISTEN.

    `environment` is added to its own and may be changed between two starts.
    """

    name: ClassVar[str] = "prober"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        config: Path,
        *,
        listen: Address | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(owner, directory, None if listen is None else listen.port or None)
        self._config = config
        self._host = HOST if listen is None else listen.host
        self.environment: dict[str, str] = dict(environment or {})
        self.python = Path(sys.executable)  # the one with the packages it runs with

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.address}"

    async def get(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """Ask a page of it: status and text. ServerError when it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=ASK_TIMEOUT, headers={"Accept": accept}) as session,
                session.get(self.url + path) as response,
            ):
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerError(f"the prober does not answer {path}: {error or type(error).__name__}") from error

    async def ask(self) -> None:
        """Ask whether it lives."""
        status, text = await self.get("/-/healthy")
        if status != 200:
            raise ServerError(f"the prober answered {status} to /-/healthy: {text.strip()[:500]}")

    async def wait_complete(self, timeout: float = 60.0) -> None:
        """Wait until every probe has run once. ServerError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            status, text = await self.get("/-/ready")
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise ServerError(f"the prober is not ready after {timeout:g} s: {text.strip()[:500]}")
            await asyncio.sleep(READY_POLL)

    def _command(self) -> Sequence[str | Path]:
        return [
            "/usr/bin/env",
            f"PROBER_LISTEN={Address(self._host, self.port)}",
            *(f"{name}={value}" for name, value in self.environment.items()),
            self.python,
            "-m",
            "prober",
            "run",
            "--config",
            self._config,
        ]
