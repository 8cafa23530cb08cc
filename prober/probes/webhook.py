"""The webhook probe: a correctly signed synthetic message, and how its delivery was answered.

In mode `no_side_effects` the MessageSid is claimed first by a committed insert. Without a claim nothing is
sent but the path check, which has no side effect: a badly signed message that has to be refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from prober.cap import Demand
from prober.http1 import Client, Connection, Exchange
from prober.outcome import Mode, Outcome, ProbeName, SkipReason, WebhookCheck
from prober.probes.base import Permission, Probe, Run, Unrestricted, refusal_under
from prober.probes.webhook_answer import read_delivery, read_refusal
from prober.probes.webhook_message import Message, Messages, Request, Signing
from prober.probes.witness import NotAskable
from prober.result import AwaitedWebhook, WebhookResult

# The claim is our own work beside the request, bounded by this share of its timeout.
CLAIM_SHARE = 0.5

Intend = Callable[[AwaitedWebhook], Awaitable[object]]


class WebhookProbe:
    """Sends one synthetic webhook a run.

    `intend` is told of each message before it exists anywhere, so that a crash of ours leaves nothing that
    cannot be found again.
    """

    name = ProbeName.WEBHOOK
    demand = Demand(webhook=1)

    def __init__(
        self, messages: Messages, client: Client, intend: Intend, permission: Permission | None = None
    ) -> None:
        self._messages = messages
        self._client = client
        self._intend = intend
        self._permission = permission or Unrestricted()
        self._kept: Connection | None = None
        self._full_last = float("-inf")

    async def run(self, run: Run) -> WebhookResult:
        """Deliver one message, or check the path where no message may be sent."""
        message, mode = self._messages.compose(run), self._mode(run)
        if mode is Mode.NO_SIDE_EFFECTS and not self._messages.claims:
            return await self._send(run, message, mode, WebhookCheck.PATH)
        check, remark = self._allowed()
        if check is WebhookCheck.PATH:
            return await self._send(run, message, mode, check, remark)
        awaited = self._messages.awaited(run, message, mode)
        await self._intend(awaited)
        if mode is Mode.NO_SIDE_EFFECTS:
            awaited, check, remark = await self._claimed(run, awaited)
        else:
            awaited = await self._messages.mark(awaited)
        # A claim whose answer was lost may have been committed: its row is looked for as well.
        return replace(await self._send(run, message, mode, check, remark), awaited=awaited)

    def _allowed(self) -> tuple[WebhookCheck, str]:
        """What may be sent right now, and what is to be said of it."""
        refused = self._permission.refusal()
        if refused is not None:
            return WebhookCheck.PATH, _not_delivered(refused)
        return WebhookCheck.DELIVERY, ""

    async def _claimed(self, run: Run, awaited: AwaitedWebhook) -> tuple[AwaitedWebhook, WebhookCheck, str]:
        """Claim a message, if that is still allowed, and say what may be sent then."""
        check, remark = self._allowed()
        if check is WebhookCheck.PATH:
            return awaited, check, remark
        try:
            awaited = await self._messages.claim(awaited, run.timeout * CLAIM_SHARE)
        except NotAskable as why:
            return awaited, WebhookCheck.PATH, f"; not delivered, no claim: {why.detail}"
        return awaited, check, remark

    def succeed(self, before: Probe) -> None:
        """Take over when the last message in full was sent."""
        if isinstance(before, WebhookProbe):
            self._full_last = max(self._full_last, before._full_last)

    async def close(self) -> None:
        """Drop the connection that is kept where reuse is wanted."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _mode(self, run: Run) -> Mode:
        """Now and then a message in full, where that is wanted: the only way to see losses without a claim."""
        settings = self._messages.settings
        if settings.full_every is None or run.urgent or run.started.mono < self._full_last + settings.full_every:
            return settings.mode
        self._full_last = run.started.mono
        return Mode.FULL

    async def _connection(self, run: Run) -> tuple[Connection | Exchange, bool]:
        """A connection, and whether it was opened for this request; what prevents it, in its place."""
        if self._kept is not None and self._kept.usable:
            self._kept.renew(run.permit)
            return self._kept, False
        opened = await self._client.connect(run.permit, timeout=run.timeout)
        if isinstance(opened, Connection) and self._messages.settings.reuse_connection:
            self._kept = opened
        return opened, True

    async def _exchange(
        self, run: Run, message: Message, check: WebhookCheck
    ) -> tuple[Request, Exchange, SkipReason | None]:
        """Send what `check` says, or the path check where no write may begin once there is a connection."""
        request = self._request(run, message, check)
        connection, is_new = await self._connection(run)
        if isinstance(connection, Exchange):
            return request, connection, None
        refused = None
        if check is not WebhookCheck.PATH:
            refused = refusal_under(self._permission, request.fence)
        if refused is not None:
            request = self._request(run, message, WebhookCheck.PATH)
        try:
            send = connection.first_exchange if is_new else connection.exchange
            return request, await send(request.content, timeout=run.timeout), refused
        finally:
            if connection is not self._kept:
                connection.close()

    def _request(self, run: Run, message: Message, check: WebhookCheck) -> Request:
        if check is WebhookCheck.PATH:
            return self._messages.request(run, message, Signing.FORGED)
        return self._messages.request(run, message, fence=self._permission.fence)

    async def _send(
        self, run: Run, message: Message, mode: Mode, check: WebhookCheck, remark: str = ""
    ) -> WebhookResult:
        contract = self._messages.contract
        request, exchange, refused = await self._exchange(run, message, check)
        if refused is not None:
            check, remark = WebhookCheck.PATH, _not_delivered(refused)
        if check is WebhookCheck.PATH:
            outcome, detail = read_refusal(contract.path_check.refused, exchange, "a badly signed message")
            if outcome is Outcome.VIOLATION:
                outcome = Outcome.FORGED_ACCEPTED
        else:
            outcome, detail = read_delivery(contract, exchange)
        code = exchange.answer.status if exchange.answer is not None else None
        return WebhookResult(
            probe=self.name,
            run_id=run.id,
            started=run.started.later(exchange.started),
            duration=exchange.finished - exchange.started,
            outcome=outcome,
            detail=detail + remark,
            check=check,
            mode=mode,
            code=code,
            accepted=code in contract.accepted,
            message_sid=message.sid,
            trace_id=request.trace_id,
            phases=exchange.phases,
            reused=exchange.reused,
            sent=exchange.sent is not None,
            retry_after=exchange.answer.retry_after if exchange.answer and code in (429, 503) else None,
            tls_not_after=exchange.tls_not_after,
        )


def _not_delivered(refused: SkipReason) -> str:
    return f"; not delivered: {refused}"
