"""The reference target as a server of ours, with the addresses it listens on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from prober.demo.process import Owner, ServerError
from prober.demo.server import HOST, Server

ASK_TIMEOUT = aiohttp.ClientTimeout(total=2)


class Target(Server):
    """The reference target (`python -m prober.demo.target`) on a PostgreSQL and a Redis.

    `settings` are keys of its settings file beside the addresses, which are set here.
    """

    name: ClassVar[str] = "target"

    def __init__(
        self,
        owner: Owner,
        directory: Path,
        *,
        dsn: str,
        redis_url: str,
        auth_token: str,
        public_url: str,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(owner, directory)
        self.control_port = owner.port()
        self._settings = {
            "auth_token": auth_token,
            "public_url": public_url,
            "create_schema": True,
            **(settings or {}),
            "database": {"dsn": dsn, **(settings or {}).get("database", {})},
            "redis": {"url": redis_url, **(settings or {}).get("redis", {})},
        }

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"http://{self.address}"

    @property
    def control_url(self) -> str:
        """Where faults are planted and the record is read."""
        return f"http://{HOST}:{self.control_port}"

    async def ask(self) -> None:
        """Ask whether all its workers serve."""
        try:
            async with (
                aiohttp.ClientSession(timeout=ASK_TIMEOUT) as session,
                session.get(f"{self.control_url}/ready") as response,
            ):
                if response.status != 200:
                    raise ServerError(f"the target answered {response.status} to /ready")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServerError(f"the target does not answer: {error or type(error).__name__}") from error

    def _command(self) -> Sequence[str | Path]:
        file = self.directory / "target.json"
        document = {
            **self._settings,
            "listen": self.address,
            "control": f"{HOST}:{self.control_port}",
            "data_dir": str(self.directory / "record"),
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(document, indent=2), encoding="utf-8")
        return [sys.executable, "-m", "prober.demo.target", "--config", file]
