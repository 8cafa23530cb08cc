"""The witnesses of a race besides its answers: the rows, and the status page where the contract has one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from prober.cap import PAGE_READS
from prober.contract import Race, at, fill, parsed
from prober.http1 import Client, build_request
from prober.judge.race import agrees
from prober.probes.base import Run
from prober.probes.synthetic import HEADER, Mark, new_trace
from prober.probes.witness import NotAskable, Values, Witness
from prober.result import RaceRows, VendorAnswer

# Rows may follow the answers by a moment: they are read again for this long before anyone is convicted.
SETTLE = 2.0
SETTLE_STEP = 0.05
ASK_TIMEOUT = 5.0


class RaceWitness:
    """Asks what the target has written down of a routing."""

    def __init__(self, contract: Race, mark: Mark, client: Client, witness: Witness) -> None:
        self._contract = contract
        self._mark = mark
        self._client = client
        self._witness = witness

    async def rows(self, values: Values, answers: Sequence[VendorAnswer] = ()) -> RaceRows | None:
        """The rows of the routing in `values`, read until they agree with `answers`; None if they cannot be."""
        deadline = time.monotonic() + SETTLE
        while True:
            try:
                found = await self._witness.fetch(self._contract.rows, values, timeout=ASK_TIMEOUT)
            except NotAskable:
                # Rows read before this moment may have been too early: better none than old ones.
                return None
            rows = _rows(found)
            if agrees(answers, rows) or not rows.routing_exists or time.monotonic() >= deadline:
                return rows
            await asyncio.sleep(SETTLE_STEP)

    async def page_winner(self, run: Run, routing_id: str, rows: RaceRows | None) -> str | None:
        """Who the status page names, asked until it agrees with the rows; None where it names nobody."""
        page = self._contract.status_page
        if page is None:
            return None
        path = fill(page.path, {"routing_id": routing_id})
        named: str | None = None
        for _ in range(PAGE_READS):
            headers = {**page.headers, HEADER: self._mark.header(run.id), "traceparent": new_trace()[1]}
            request = build_request("GET", self._client.endpoint, path, headers)
            exchange = await self._client.exchange(run.permit, request, timeout=run.timeout)
            named = None
            if exchange.answer is not None and exchange.answer.status in page.status:
                found = at(parsed(exchange.answer.body), page.winner)
                named = found if isinstance(found, str) else None
            if named is None or rows is None or named == rows.locked_vendor:
                break
            # A page may show for a moment what it had cached.
            await asyncio.sleep(SETTLE)
        return named


def _rows(found: Sequence[Mapping[str, Any]]) -> RaceRows:
    if not found:
        return RaceRows(locked_vendor=None, accepted_vendors=(), routing_exists=False)
    locked, accepted = found[0]["locked_vendor"], found[0]["accepted_vendors"]
    return RaceRows(
        locked_vendor=None if locked is None else str(locked),
        accepted_vendors=tuple(str(v) for v in accepted) if isinstance(accepted, list | tuple) else (),
    )
