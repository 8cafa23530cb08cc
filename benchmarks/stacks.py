"""A stack for measurements: the real servers, and the daemon at its default intervals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prober.demo.process import Owner
from prober.demo.stack import FROM_NUMBER, Stack

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "webhook": {"interval": "10s", "timeout": "10s", "processing_deadline": "60s", "from_number": FROM_NUMBER},
    "race": {"interval": "60s", "timeout": "10s"},
    "redis": {"details_interval": "10s"},
    "database": {"details_interval": "10s"},
    "health": {"interval": "30s"},
}


@asynccontextmanager
async def default_stack(
    probes: Mapping[str, Mapping[str, Any]] | None = None, **options: Any
) -> AsyncIterator[Stack]:
    """Run the services and the daemon at the default config, but for `probes`."""
    given = {name: {**DEFAULTS[name], **(probes or {}).get(name, {})} for name in DEFAULTS}
    async with Owner() as owner:
        made = Stack(owner=owner, directory=owner.directory, probes=given, **options)
        await made.start_services()
        yield made
