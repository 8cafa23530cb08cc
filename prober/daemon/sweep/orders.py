"""Removes the orders that races left: where the clean-up could not be done, and what a killed prober had made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from prober.contract import Race
from prober.event import Event, Leftovers
from prober.outcome import Leftover
from prober.probes.base import Permission
from prober.probes.marks import Marks
from prober.probes.synthetic import Mark, Order
from prober.probes.witness import NotAskable
from prober.publish.journal.entries import Intended

# Seconds between two tries while something is left.
RETRY = 1.0
ASK_TIMEOUT = 5.0


@dataclass(slots=True)
class _Left:
    order: Order
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
        marks: Marks,
        mark: Mark,
        *,
        cleaned: Callable[[str], Awaitable[None]],
        publish: Callable[[Event], None],
        permission: Permission,
    ) -> None:
        self._contract = contract
        self._witness = marks.witness
        self._marks = marks
        self._mark = mark
        self._cleaned = cleaned
        self._publish = publish
        self._permission = permission
        self._left: dict[str, _Left] = {}
        self._woken = asyncio.Event()

    def resume(self, marks: Iterable[Intended], *, once_more_after: float) -> None:
        """Take up the orders of an earlier life of this prober, and look again `once_more_after` seconds later."""
        orders = (self._mark.order_called(m.id, m.run_id) for m in marks if m.kind == Leftover.ORDERS)
        self.adopt((order for order in orders if order is not None), once_more_after=once_more_after)

    def adopt(self, orders: Iterable[Order], *, once_more_after: float) -> None:
        """Remove these orders of whatever prober, and look again `once_more_after` seconds later."""
        until = time.monotonic() + once_more_after
        self._left |= {order.id: _Left(order, once_more=until) for order in orders}
        self._woken.set()

    def follow(self, run_id: str, order_id: str) -> None:
        """Remove this order of a run of ours as soon as that is possible."""
        order = self._mark.order_called(order_id, run_id)
        if order is not None:
            self._left[order.id] = _Left(order)
            self._woken.set()

    def follows(self, order_id: str) -> bool:
        """Whether this order is being seen to."""
        return order_id in self._left

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
        for left in list(self._left.values()):
            if left.gone and time.monotonic() < left.once_more:
                continue
            # Where writes are held back another may remove it meanwhile; until then it stays, and stays counted.
            if self._permission.refusal() is None:
                await self._marks.remove_order(left.order, self._contract.cleanup, timeout=ASK_TIMEOUT)
            rows = await self._witness.count(self._contract.leftovers, left.order.values, timeout=ASK_TIMEOUT)
            left.gone = rows == 0
            if left.gone and time.monotonic() >= left.once_more:
                del self._left[left.order.id]
                await self._cleaned(left.order.id)

    def _tell(self) -> None:
        count = sum(not left.gone for left in self._left.values())
        self._publish(Leftovers(counts={Leftover.ORDERS: count}))
