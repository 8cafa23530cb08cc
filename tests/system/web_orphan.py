"""A prober process that starts a web process, says where, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from prober.publish.link import Link


async def _wait() -> None:
    link = await Link.start("127.0.0.1", 0, on_exit=sys.exit)
    print(link.pid, link.ready.port, flush=True)
    await asyncio.sleep(120)
    await link.close()


uvloop.run(_wait())
