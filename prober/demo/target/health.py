"""The health pages with the deployed system's quirks (TARGET, "Health"): some hang, some lie, as they do there."""

from __future__ import annotations

import asyncio
import os
import time
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from prober.demo.target.config import Settings
from prober.demo.target.database import Connection, Database, UnavailableError
from prober.demo.target.exchange import Incoming
from prober.demo.target.faults import HealthLies
from prober.demo.target.live import Live
from prober.demo.target.webhook_queue import REDIS_ERRORS, WebhookQueue

BASE = "/health"
REDIS_HANG = 30.0  # seconds: ioredis keeps a PING in its offline queue until Redis is back
REDIS_RETRY = 0.1  # seconds


class Health:
    """Answers GETs below `/health`."""

    def __init__(self, settings: Settings, live: Live, database: Database, queue: WebhookQueue) -> None:
        self._settings = settings
        self._live = live
        self._database = database
        self._queue = queue
        self._started = time.monotonic()

    async def answer(self, incoming: Incoming) -> web.Response | None:
        """Answer, or None when there is no such page."""
        page = {
            f"{BASE}": self._overall,
            f"{BASE}/detailed": self._detailed,
            f"{BASE}/live": self._alive,
            f"{BASE}/ready": self._ready,
            f"{BASE}/monitor": self._monitor,
        }.get(incoming.path)
        if page is None or incoming.method != "GET":
            return None
        if self._live.state.planted(HealthLies) is not None:
            services = {"database": "connected", "redis": "connected"}
            return self._page("healthy", HTTPStatus.OK, services=services, ready=True)
        return await page()

    async def _overall(self) -> web.Response:
        """Down with PostgreSQL; hangs while Redis does not answer."""
        if not await self._database_answers():
            services = {"database": "disconnected", "redis": "unknown"}
            return self._page("unhealthy", HTTPStatus.SERVICE_UNAVAILABLE, services=services)
        if not await self._redis_answers(REDIS_HANG):
            services = {"database": "connected", "redis": "disconnected"}
            return self._page("unhealthy", HTTPStatus.SERVICE_UNAVAILABLE, services=services)
        return self._page("healthy", HTTPStatus.OK, services={"database": "connected", "redis": "connected"})

    async def _detailed(self) -> web.Response:
        """Always 200; `degraded` when something is down."""
        database, redis = await asyncio.gather(
            self._database_answers(), self._redis_answers(self._settings.redis.timeout)
        )
        services = {
            "database": "connected" if database else "disconnected",
            "redis": "connected" if redis else "disconnected",
        }
        return self._page("healthy" if database and redis else "degraded", HTTPStatus.OK, services=services)

    async def _alive(self) -> web.Response:
        return self._page("alive", HTTPStatus.OK)

    async def _ready(self) -> web.Response:
        """Asks PostgreSQL only."""
        ready = await self._database_answers()
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return self._page("ready" if ready else "not ready", status, ready=ready)

    async def _monitor(self) -> web.Response:
        """Asks nobody."""
        return self._page("healthy", HTTPStatus.OK)

    def _page(self, status: str, code: HTTPStatus, **more: object) -> web.Response:
        page = {
            "status": status,
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "uptime": round(time.monotonic() - self._started, 3),
            "memory": {"rss": resident_memory()},
            **more,
        }
        return web.json_response(page, status=code)

    async def _database_answers(self) -> bool:
        async def ask(connection: Connection) -> None:
            await connection.fetchval("SELECT 1")

        try:
            await self._database.run(ask, None)
        except UnavailableError:
            return False
        return True

    async def _redis_answers(self, patience: float) -> bool:
        give_up = time.monotonic() + patience
        while True:
            try:
                await self._queue.redis.ping()
            except REDIS_ERRORS:
                if time.monotonic() >= give_up:
                    return False
                await asyncio.sleep(REDIS_RETRY)
            else:
                return True


def resident_memory() -> int:
    """Bytes that this worker process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
