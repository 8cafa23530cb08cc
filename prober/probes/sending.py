"""One HTTP request that writes, on a connection of its own: held back, if at all, at the last moment before it."""

from __future__ import annotations

from prober.gate import Permit
from prober.http1 import Client, Exchange
from prober.outcome import SkipReason
from prober.probes.base import Permission, refusal_under


async def send_write(
    client: Client, permit: Permit, permission: Permission, fence: int | None, request: bytes, *, timeout: float
) -> Exchange | SkipReason:
    """Connect, ask whether the write may begin, send; what came of it, or why it was not sent.

    Opening the connection may take its time, so what was allowed before may not be any more. `fence` is the number
    that the request carries.
    """
    opened = await client.connect(permit, timeout=timeout)
    if isinstance(opened, Exchange):
        return opened
    try:
        refused = refusal_under(permission, fence)
        return refused or await opened.first_exchange(request, timeout=timeout)
    finally:
        opened.close()
