"""Removes the orders that races left: where the clean-up could not be done, and what a killed prober had made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from prober.contract import Race
from prober.event import Event, Leftovers
from prober.probes.base import Permission
from prober.probes.synthetic import Mark
from prober.probes.witness import NotAskable, Witness
from prober.publish.journal import Intended

# The kind under which orders stand in the journal and in the metrics.
ORDERS = "orders"
# Seconds between two tries while something is left.
RETRY = 1.0
ASK_TIMEOUT = 5.0


@dataclass(slots=True)
class _Left:
    run_id: str
    once_more: float = 0.0  # monotonic: looked at until then, since rows of a killed prober may still arrive
    gone: bool = False


class OrderSweep:
    """Tries again and again to remove what races left, and says how much that is.

    `cleaned` is told of each order of which nothing is left. It touches no race in flight: only orders that it
    was given.
    """

    def __init__(
        self,
        contract: Race,
        witness: Witness,
        mark: Mark,
        *,
        cleaned: Callable[[str], Awaitable[None]],
        publish: Callable[[Event], None],
        permission: Permission,
    ) -> None:
        self._contract = contract
        self._witness = witness
        self._mark = mark
        self._cleaned = cleaned
        self._publish = publish
        self._permission = permission
        self._left: dict[str, _Left] = {}
        self._woken = asyncio.Event()

    def resume(self, marks: Iterable[Intended], *, once_more_after: float) -> None:
        """Take up the orders of an earlier life of this prober, and look again `once_more_after` seconds later."""
        until = time.monotonic() + once_more_after
        self._left |= {m.id: _Left(m.run_id, once_more=until) for m in marks if m.kind == ORDERS}
        self._woken.set()

    def follow(self, run_id: str, order_id: str) -> None:
        """Remove this order as soon as that is possible."""
        self._left[order_id] = _Left(run_id)
        self._woken.set()

    async def forever(self) -> None:
        """Sweep until cancelled."""
        while True:
            self._tell()
            if not self._left:
                await self._woken.wait()
            self._woken.clear()
            try:
                await self._round()
            except NotAskable:
                # The database is away or says no: they stay, and stay counted.
                self._tell()
            if self._left:
                await asyncio.sleep(RETRY)

    async def _round(self) -> None:
        for order_id, left in list(self._left.items()):
            if left.gone and time.monotonic() < left.once_more:
                continue
            if self._permission.refusal() is not None:
                return  # they stay, and stay counted
            values = {
                "order_id": order_id,
                "routing_id": self._mark.routing(left.run_id),
                "retailer_id": self._mark.retailer,
                "vendor_ids": [],
            }
            await self._witness.run(self._contract.cleanup, values, timeout=ASK_TIMEOUT)
            left.gone = await self._witness.count(self._contract.leftovers, values, timeout=ASK_TIMEOUT) == 0
            if left.gone and time.monotonic() >= left.once_more:
                del self._left[order_id]
                await self._cleaned(order_id)

    def _tell(self) -> None:
        count = sum(not left.gone for left in self._left.values())
        self._publish(Leftovers(counts={ORDERS: count}))
