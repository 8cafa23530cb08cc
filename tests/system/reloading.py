"""How tests change the config of a running daemon and have it reloaded, and what must not fall meanwhile."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.system.daemon_stack import change_config
from tests.system.watching import Scrape, Watched, until

PROBES: dict[str, dict[str, Any]] = {
    "webhook": {"interval": "400ms", "timeout": "3s", "down_interval": "400ms", "processing_deadline": "8s"},
    "race": {"interval": "1s", "timeout": "4s"},
    "redis": {"interval": "200ms"},
    "database": {"interval": "200ms"},
    "health": {"interval": "1s"},
}
OK = "prober_config_last_reload_successful"
OK_AT = "prober_config_last_reload_success_timestamp_seconds"
Change = Callable[[dict[str, Any]], None]


def log_lines(watched: Watched) -> list[dict[str, Any]]:
    """What the daemon has logged, a document a line."""
    lines = watched.watcher.log_file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def said(watched: Watched, event: str) -> int:
    """How often the daemon has logged an event."""
    return sum(line.get("event") == event for line in log_lines(watched))


def hang_up(watched: Watched) -> None:
    """Send the daemon SIGHUP."""
    os.kill(watched.watcher.pid, signal.SIGHUP)


async def reload(watched: Watched, change: Change = lambda _: None) -> None:
    """Change the config, send SIGHUP, and wait until it is in force."""
    change_config(watched.stack, change)
    before, refused = (await watched.scrape()).value(OK_AT), said(watched, "reload refused")
    assert before is not None
    hang_up(watched)

    async def read() -> bool:
        assert said(watched, "reload refused") == refused, watched.watcher.log_tail(5)
        at = (await watched.scrape()).value(OK_AT)
        return at is not None and at > before

    await until("the config to be in force", read)
    assert (await watched.scrape()).value(OK) == 1


def probes(**changed: dict[str, Any]) -> Change:
    """A change of the settings of probes, by their names."""

    def change(document: dict[str, Any]) -> None:
        for name, values in changed.items():
            document["probes"][name] |= values

    return change


async def post(watched: Watched, password: str = "") -> tuple[int, dict[str, Any]]:
    """Ask for a reload by HTTP, as user `op` where a password is given: the status and the document."""
    headers = (
        {"Authorization": "Basic " + base64.b64encode(f"op:{password}".encode()).decode()} if password else {}
    )
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{watched.watcher.url}/-/reload") as response,
    ):
        document: dict[str, Any] = await response.json()
        return response.status, document


def counters(scrape: Scrape) -> dict[Any, float]:
    """Every series that never falls."""
    return {
        key: value for key, value in scrape.samples.items() if key[0].endswith(("_total", "_count", "_bucket"))
    }


def never_fell(before: Scrape, after: Scrape) -> None:
    """No counter reads less than before, and none is gone."""
    now = counters(after)
    fallen = {key: (value, now.get(key)) for key, value in counters(before).items() if now.get(key, -1) < value}
    assert fallen == {}
