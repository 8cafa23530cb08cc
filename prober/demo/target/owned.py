"""The reference target as one of the servers of our own, for the demo and the tests."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from prober.demo.process import Owner, ServerError
from prober.demo.server import HOST, Server

PUBLIC_URL = "https://orders.example.test/api/v1/whatsapp/webhook"


class ReferenceTarget(Server):
    """One target on a PostgreSQL and a Redis that exist already; it makes its tables in the database.

    `settings` are further keys of its configuration (`prober.demo.target.config.Settings`) and may be changed
    between two starts.
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
        port: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ):
        super().__init__(owner, directory, port)
        self.dsn = dsn
        self.redis_url = redis_url
        self.auth_token = auth_token
        self.settings: dict[str, Any] = dict(settings or {})
        self.control_port = owner.port()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.address}"

    @property
    def public_url(self) -> str:
        """What Twilio signs."""
        return str(self.settings.get("public_url", PUBLIC_URL))

    @property
    def control_url(self) -> str:
        """Its control server, for `ControlClient`."""
        return f"http://{HOST}:{self.control_port}"

    async def ask(self) -> None:
        """Ask its control server, which serves once all workers do."""
        reader, writer = await asyncio.open_connection(HOST, self.control_port)
        try:
            writer.write(b"GET /ready HTTP/1.0\r\n\r\n")
            answer = await reader.readline()
        finally:
            writer.close()
        if b" 200 " not in answer:
            raise ServerError(f"its control server answered {answer!r}")

    def _command(self) -> Sequence[str | Path]:
        configuration = self.directory / "target.json"
        settings = {
            "redis": {"url": self.redis_url},
            "auth_token": self.auth_token,
            "listen": self.address,
            "control": f"{HOST}:{self.control_port}",
            "data_dir": str(self.directory / "record"),
            "create_schema": True,
            "public_url": PUBLIC_URL,
            **self.settings,
            "database": {"dsn": self.dsn, **self.settings.get("database", {})},
        }
        configuration.unlink(missing_ok=True)
        with open(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            json.dump(settings, file, indent=2)
        return [sys.executable, "-m", "prober.demo.target", "--config", configuration]
