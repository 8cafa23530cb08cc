"""The webhook probe: a correctly signed synthetic message, and how its delivery was answered.

In mode `no_side_effects` the MessageSid is claimed first by a committed insert. Without a claim nothing is
sent but the path check, which has no side effect: a badly signed message that has to be refused. Nor is
anything else sent where no write is allowed (a pause, a maintenance window).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from prober.cap import Demand
from prober.contract import Webhook, fill
from prober.gate import Permit
from prober.http1 import Client, Connection, Exchange, build_request
from prober.outcome import Mode, Outcome, ProbeName, WebhookCheck
from prober.probes.base import Permission, Run, Unrestricted
from prober.probes.synthetic import HEADER, Mark, new_message_sid, new_trace
from prober.probes.witness import NotAskable, Witness
from prober.result import AwaitedWebhook, WebhookResult
from prober.signature import forge_form, sign_form

# The claim is our own work beside the request, bounded by this share of its timeout.
CLAIM_SHARE = 0.5

Intend = Callable[[AwaitedWebhook], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What the probe has to know besides the contract."""

    mode: Mode
    public_url: str
    auth_token: str
    account_sid: str
    from_number: str
    reuse_connection: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One synthetic message, before it is signed."""

    sid: str
    body: str
    form: Mapping[str, str]


def compose(contract: Webhook, settings: WebhookSettings, mark: Mark, run_id: str, sid: str) -> Message:
    """Fill the contract's form for one run."""
    body = mark.body(run_id)
    values = {
        "from_number": settings.from_number,
        "body": body,
        "message_sid": sid,
        "account_sid": settings.account_sid,
    }
    return Message(sid=sid, body=body, form={k: fill(v, values) for k, v in contract.form.items()})


def read_delivery(contract: Webhook, exchange: Exchange) -> tuple[Outcome, str]:
    """Say what the answer to a good message means."""
    if exchange.answer is None:
        return exchange.outcome, exchange.detail
    code = exchange.answer.status
    if code in contract.accepted:
        return Outcome.OK, f"{code}"
    expected = " or ".join(map(str, contract.accepted))
    return _by_status(code), f"expected {expected}, got {code}: {_excerpt(exchange)}"


def read_path_check(contract: Webhook, exchange: Exchange) -> tuple[Outcome, str]:
    """Say what the answer to a badly signed message means: refused is right, accepted a violation."""
    if exchange.answer is None:
        return exchange.outcome, exchange.detail
    code = exchange.answer.status
    expected = " or ".join(map(str, contract.path_check.refused))
    if code in contract.path_check.refused:
        return Outcome.OK, f"badly signed, and refused with {code}"
    if 200 <= code < 300:
        return Outcome.FORGED_ACCEPTED, f"a badly signed message was accepted with {code}; expected {expected}"
    return _by_status(code), f"expected {expected}, got {code}: {_excerpt(exchange)}"


def _by_status(code: int) -> Outcome:
    if code == 429:
        return Outcome.RATE_LIMITED
    if code >= 500:
        return Outcome.SERVER_ERROR
    if 300 <= code < 400:
        return Outcome.REDIRECT
    return Outcome.UNEXPECTED_STATUS


def _excerpt(exchange: Exchange) -> str:
    if exchange.answer is None:
        return ""
    location = exchange.answer.header("location")
    if location is not None:
        return f"redirect to {location[:200]!r}, not followed"
    return repr(exchange.answer.body[:200].decode("utf-8", "replace"))


class WebhookProbe:
    """Sends one synthetic webhook a run.

    `intend` is told of each message before it exists anywhere, so that a crash of ours leaves nothing that
    cannot be found again.
    """

    name = ProbeName.WEBHOOK
    demand = Demand(webhook=1)

    def __init__(
        self,
        contract: Webhook,
        settings: WebhookSettings,
        mark: Mark,
        client: Client,
        witness: Witness | None,
        intend: Intend,
        permission: Permission | None = None,
    ) -> None:
        self._contract = contract
        self._settings = settings
        self._mark = mark
        self._client = client
        self._witness = witness
        self._intend = intend
        self._permission = permission or Unrestricted()
        self._kept: Connection | None = None

    async def run(self, run: Run) -> WebhookResult:
        """Deliver one message, or check the path where no message may be sent."""
        message = compose(self._contract, self._settings, self._mark, run.id, new_message_sid())
        claimed = self._contract.claimed
        if self._settings.mode is Mode.NO_SIDE_EFFECTS and (self._witness is None or claimed is None):
            return await self._send(run, message, WebhookCheck.PATH)
        if (refused := self._permission.refusal()) is not None:
            return await self._send(run, message, WebhookCheck.PATH, f"; not delivered: {refused}")
        awaited = self._awaited(run, message)
        await self._intend(awaited)
        if self._settings.mode is Mode.NO_SIDE_EFFECTS:
            check, remark = await self._claimed(run, message)
        else:
            check, remark = self._allowed()
        # A claim whose answer was lost may have been committed: its row is looked for as well.
        return replace(await self._send(run, message, check, remark), awaited=awaited)

    async def close(self) -> None:
        """Drop the connection that is kept where reuse is wanted."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    async def _exchange(self, permit: Permit, request: bytes, timeout: float) -> Exchange:
        if not self._settings.reuse_connection:
            return await self._client.exchange(permit, request, timeout=timeout)
        if self._kept is not None and self._kept.usable:
            self._kept.renew(permit)
            return await self._kept.exchange(request, timeout=timeout)
        opened = await self._client.connect(permit, timeout=timeout)
        if isinstance(opened, Exchange):
            return opened
        self._kept = opened
        return await opened.first_exchange(request, timeout=timeout)

    def _awaited(self, run: Run, message: Message) -> AwaitedWebhook:
        return AwaitedWebhook(
            message_sid=message.sid,
            run_id=run.id,
            mode=self._settings.mode,
            from_number=self._settings.from_number,
            body=message.body,
            intended=run.started,
        )

    def _allowed(self) -> tuple[WebhookCheck, str]:
        """What may be sent right now, and what is to be said of it."""
        refused = self._permission.refusal()
        if refused is not None:
            return WebhookCheck.PATH, f"; not delivered: {refused}"
        return WebhookCheck.DELIVERY, ""

    async def _claimed(self, run: Run, message: Message) -> tuple[WebhookCheck, str]:
        """Claim the message, if that is still allowed, and say what may be sent then."""
        check, remark = self._allowed()
        if check is WebhookCheck.PATH:
            return check, remark
        try:
            await self._claim(message, run.timeout * CLAIM_SHARE)
        except NotAskable as why:
            return WebhookCheck.PATH, f"; not delivered, no claim: {why.detail}"
        return self._allowed()

    async def _claim(self, message: Message, timeout: float) -> None:
        if self._witness is None or self._contract.claimed is None:
            raise NotAskable(Outcome.SETUP_FAILED, "the contract has no claim, or no database is configured")
        values = {"message_sid": message.sid, "from_number": self._settings.from_number}
        await self._witness.run([self._contract.claimed.claim], values, timeout=timeout)

    async def _send(self, run: Run, message: Message, check: WebhookCheck, remark: str = "") -> WebhookResult:
        sign = forge_form if check is WebhookCheck.PATH else sign_form
        public_url = self._settings.public_url.rstrip("/") + self._contract.path
        trace_id, traceparent = new_trace()
        request = build_request(
            "POST",
            self._client.endpoint,
            self._contract.path,
            {
                **self._contract.headers,
                "Content-Type": "application/x-www-form-urlencoded",
                self._contract.signature.header: sign(self._settings.auth_token, public_url, message.form),
                HEADER: self._mark.header(run.id),
                "traceparent": traceparent,
            },
            urlencode(message.form).encode(),
        )
        exchange = await self._exchange(run.permit, request, run.timeout)
        read = read_path_check if check is WebhookCheck.PATH else read_delivery
        outcome, detail = read(self._contract, exchange)
        code = exchange.answer.status if exchange.answer is not None else None
        return WebhookResult(
            probe=self.name,
            run_id=run.id,
            started=run.started.later(exchange.started),
            duration=exchange.finished - exchange.started,
            outcome=outcome,
            detail=detail + remark,
            check=check,
            mode=self._settings.mode,
            code=code,
            accepted=code in self._contract.accepted,
            message_sid=message.sid,
            trace_id=trace_id,
            phases=exchange.phases,
            reused=exchange.reused,
            sent=exchange.sent is not None,
            retry_after=exchange.answer.retry_after if exchange.answer and code in (429, 503) else None,
            tls_not_after=exchange.tls_not_after,
        )
