"""The duplicate check: the same message again, one after the other and several at once, as Twilio repeats them.

It only sends; that each message had exactly one effect is seen by who follows it (`probes.effects`).
"""

from __future__ import annotations

import asyncio

from prober.cap import Demand
from prober.http1 import Connection, Exchange, release_all
from prober.outcome import ProbeName, WebhookCheck
from prober.probes.base import Run
from prober.probes.webhook_answer import read_delivery
from prober.probes.webhook_checks import Attempts, Check
from prober.probes.webhook_message import Message, Request
from prober.probes.witness import NotAskable
from prober.result import WebhookCheckResult

AT_ONCE = 5
REQUESTS = 2 + AT_ONCE  # that one run sends
STAGED = 0.002  # seconds: long enough for what was staged to have left


class DuplicateProbe(Check):
    """Sends one message twice in a row, and another several times at one instant."""

    name = ProbeName.WEBHOOK_DUPLICATE
    demand = Demand(webhook=REQUESTS)

    async def run(self, run: Run) -> WebhookCheckResult:
        """Send both; good when each of the requests was accepted."""
        attempts = self._attempts(run)
        try:
            message = await attempts.message(1, repeated=True)
            for _ in range(2):
                request = attempts.request(message)
                self._add(attempts, message, request, await attempts.send(request))
            message = await attempts.message(2, repeated=True)
            requests = [attempts.request(message) for _ in range(AT_ONCE)]
            for request, exchange in zip(requests, await self._at_once(run, attempts, requests), strict=True):
                self._add(attempts, message, request, exchange)
        except NotAskable as why:
            return attempts.not_asked(self.name, why)
        return attempts.result(self.name, ())

    def _add(self, attempts: Attempts, message: Message, request: Request, exchange: Exchange) -> None:
        read = read_delivery(self._messages.contract, exchange)
        attempts.add(WebhookCheck.DUPLICATE, message, request, exchange, read)

    async def _at_once(self, run: Run, attempts: Attempts, requests: list[Request]) -> list[Exchange]:
        opened = await asyncio.gather(*(self._client.connect(run.permit, timeout=run.timeout) for _ in requests))
        connections = [each for each in opened if isinstance(each, Connection)]
        try:
            for connection, request in zip(connections, requests, strict=False):
                connection.stage(request.content)
            await asyncio.sleep(STAGED)
            attempts.ready(requests[0])
            release_all(connections)
            answered = iter(await asyncio.gather(*(c.answer(timeout=run.timeout) for c in connections)))
        finally:
            for connection in connections:
                connection.close()
        return [next(answered) if isinstance(each, Connection) else each for each in opened]
