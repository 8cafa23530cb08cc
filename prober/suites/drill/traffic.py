"""The messages of a drill, sent at a steady rate whatever the target does.

Open loop: a message is due at its own instant, and its time counts from there, however late others are. Their ids
follow from run and ordinal and stand in the suites' ledger before any is sent, so that those of a drill that was
killed are removed by a daemon or by `prober cleanup`, as those of a load.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from prober.cap import Demand
from prober.clock import Instant
from prober.contract import Webhook
from prober.gate import Permit, Routes
from prober.http1 import Client
from prober.outcome import Mode, Outcome
from prober.probes.webhook_answer import read_delivery
from prober.probes.witness import NotAskable, Witness
from prober.result import AwaitedWebhook
from prober.suites.ledger import Ledger
from prober.suites.load.messages import Ids, Sender
from prober.suites.running import CouldNotRunError

CLAIMS = 200  # in one transaction
CLAIM_TIMEOUT = 10.0  # seconds
MOST_UNDER_WAY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message and its answer. Instants are CLOCK_MONOTONIC; `due` is when it had to be sent."""

    message_sid: str
    due: float
    answered: float
    outcome: Outcome  # OK: accepted
    code: int | None

    @property
    def accepted(self) -> bool:
        """Whether the target took it."""
        return self.outcome is Outcome.OK

    @property
    def seconds(self) -> float:
        """From when it was due to its answer."""
        return self.answered - self.due


class Traffic:
    """Sends one message after the other; `accepted` is told of each that the target took."""

    def __init__(
        self,
        sender: Sender,
        ids: Ids,
        client: Client,
        routes: Routes,
        *,
        started: Instant,
        mode: Mode,
        rate: float,
        timeout: float,
        accepted: Callable[[AwaitedWebhook], None],
    ) -> None:
        """`rate` in messages a second; `timeout` (seconds) is that of each."""
        self._sender = sender
        self._ids = ids
        self._client = client
        self._routes = routes
        self._started = started
        self._mode = mode
        self._rate = rate
        self._timeout = timeout
        self._accepted = accepted
        self._under_way: set[asyncio.Task[None]] = set()
        self._ledger: Ledger | None = None
        self.sent: list[Sent] = []
        self.prepared = 0  # ordinals 1 to this one may have rows
        self.begun = 0  # messages of which a byte may have left
        self.held_up = 0  # due while too many were under way, and not sent

    @property
    def exhausted(self) -> bool:
        """Whether there is no message left to be sent."""
        return self.begun + self.held_up >= self.prepared

    async def prepare(self, count: int, ledger: Ledger, witness: Witness, contract: Webhook) -> None:
        """Make so many possible: on disk, and claimed where that is to be; CouldNotRunError where it cannot be.

        Claimed before anything is broken: without a database nothing can be.
        """
        try:
            await asyncio.to_thread(ledger.reserve, count)
        except OSError as error:
            raise CouldNotRunError(
                f"{ledger.path}: {error.strerror}; what is sent is written down first"
            ) from None
        self.prepared = count
        self._ledger = ledger
        if self._mode is Mode.FULL:
            return
        if contract.claimed is None:
            raise CouldNotRunError(
                "messages in mode no_side_effects are claimed first, for which the contract has nothing "
                "(webhook.claimed); set probes.webhook.mode: full and a from_number of yours"
            )
        sids = self._ids.sids(range(1, count + 1))
        try:
            for first in range(0, count, CLAIMS):
                writes = [
                    (contract.claimed.claim, {"message_sid": sid, "from_number": self._sender.from_number})
                    for sid in sids[first : first + CLAIMS]
                ]
                await witness.run_each(writes, timeout=CLAIM_TIMEOUT)
        except NotAskable as why:
            raise CouldNotRunError(f"the messages could not be claimed: {why.detail}") from None

    async def forever(self, start: float) -> None:
        """Send from the instant `start` on, until cancelled or out of messages."""
        for ordinal in range(1, self.prepared + 1):
            due = start + (ordinal - 1) / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(self._under_way) >= MOST_UNDER_WAY:
                self.held_up += 1
                continue
            self.begun += 1
            if self._ledger is not None:
                self._ledger.touch()
            task = asyncio.create_task(self._send(ordinal, due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def finished(self) -> None:
        """Wait for what is under way; every message has its own timeout."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _send(self, ordinal: int, due: float) -> None:
        # The drill is to send on while the target wants less, so no gate stands before it; the rate is the limit.
        permit = Permit(Demand(webhook=1), None, self._routes)
        request = self._sender.request(self._ids, ordinal)
        exchange = await self._client.exchange(permit, request, timeout=self._timeout)
        outcome, _ = read_delivery(self._sender.contract, exchange)
        sid = self._ids.sid(ordinal)
        self.sent.append(
            Sent(
                message_sid=sid,
                due=due,
                answered=exchange.finished,
                outcome=outcome,
                code=None if exchange.answer is None else exchange.answer.status,
            )
        )
        if outcome is Outcome.OK:
            self._accepted(
                AwaitedWebhook(
                    message_sid=sid,
                    run_id=self._ids.run_id,
                    mode=self._mode,
                    from_number=self._sender.from_number,
                    body=self._ids.body(ordinal),
                    intended=self._started.later(due),
                    accepted=self._started.later(exchange.finished),
                )
            )
