"""A synthetic message: its form, its signature, its request as bytes, and the claim before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from urllib.parse import urlencode

from prober.clock import Instant
from prober.contract import Webhook, fill
from prober.http1 import Endpoint, build_request
from prober.outcome import Mode, Outcome
from prober.probes.base import Run
from prober.probes.marks import Marks
from prober.probes.synthetic import HEADER, Mark, new_message_sid, new_trace
from prober.probes.witness import NotAskable
from prober.result import AwaitedWebhook
from prober.signature import forge_form, sign_form


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What the webhook probes have to know besides the contract."""

    mode: Mode
    public_url: str
    auth_token: str
    account_sid: str
    from_number: str
    reuse_connection: bool = False
    full_every: float | None = None  # seconds between two messages in mode `full` where the mode is another


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One synthetic message, before it is signed."""

    sid: str
    body: str
    form: Mapping[str, str]


class Signing(Enum):
    """How a message is signed."""

    RIGHTLY = auto()
    FORGED = auto()
    NOT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a message, ready to be sent."""

    content: bytes
    trace_id: str
    fence: int | None  # the fencing number that it carries


class Messages:
    """Makes messages and their requests, and claims them; one serves all webhook probes of a prober."""

    def __init__(
        self,
        contract: Webhook,
        settings: WebhookSettings,
        mark: Mark,
        endpoint: Endpoint,
        marks: Marks | None,
    ) -> None:
        self.contract = contract
        self.settings = settings
        self._mark = mark
        self._endpoint = endpoint
        self._marks = marks

    @property
    def claims(self) -> bool:
        """Whether a message can be claimed at all."""
        return self._marks is not None and self.contract.claimed is not None

    def compose(self, run: Run, ordinal: int = 1, sid: str | None = None) -> Message:
        """A message, with a new MessageSid unless one is given.

        `ordinal` tells those of one run apart, since a body has to be unique.
        """
        body = self._mark.body(run.id) + (f" {ordinal}" if ordinal > 1 else "")
        sid = sid or new_message_sid()
        values = {
            "from_number": self.settings.from_number,
            "body": body,
            "message_sid": sid,
            "account_sid": self.settings.account_sid,
        }
        return Message(sid=sid, body=body, form={k: fill(v, values) for k, v in self.contract.form.items()})

    def awaited(self, run: Run, message: Message, mode: Mode, *, repeated: bool = False) -> AwaitedWebhook:
        """What may exist in the target because of this message."""
        return AwaitedWebhook(
            message_sid=message.sid,
            run_id=run.id,
            mode=mode,
            from_number=self.settings.from_number,
            body=message.body,
            intended=run.started,
            repeated=repeated,
        )

    async def claim(self, message: AwaitedWebhook, timeout: float) -> AwaitedWebhook:
        """Insert its MessageSid and its mark before it is sent; NotAskable when that cannot be done."""
        if self._marks is None or self.contract.claimed is None:
            raise NotAskable(Outcome.SETUP_FAILED, "the contract has no claim, or no database is configured")
        marked = await self._marks.claim(message, self.contract.claimed.claim, timeout=timeout)
        return replace(message, marked=marked)

    async def mark(self, message: AwaitedWebhook) -> AwaitedWebhook:
        """Mark what is sent without a claim, as far as that can be done at once."""
        marked = self._marks is not None and await self._marks.mark(message)
        return replace(message, marked=marked)

    def request(
        self,
        run: Run,
        message: Message,
        signing: Signing = Signing.RIGHTLY,
        *,
        stamp: Instant | None = None,
        signed_url: str | None = None,
        fence: int | None = None,
    ) -> Request:
        """The request that carries a message; `stamp` goes into the contract's replay header.

        `signed_url` is signed in place of the configured public URL. `fence`: the number under which a write is
        sent; a path check is none.
        """
        trace_id, traceparent = new_trace()
        headers = {
            **self.contract.headers,
            "Content-Type": "application/x-www-form-urlencoded",
            HEADER: self._mark.header(run.id, fence),
            "traceparent": traceparent,
        }
        if signing is not Signing.NOT:
            sign = sign_form if signing is Signing.RIGHTLY else forge_form
            url = signed_url or self.settings.public_url.rstrip("/") + self.contract.path
            headers[self.contract.signature.header] = sign(self.settings.auth_token, url, message.form)
        if stamp is not None and self.contract.replay is not None:
            headers[self.contract.replay.header] = str(int(stamp.wall))
        content = urlencode(message.form).encode()
        return Request(
            content=build_request("POST", self._endpoint, self.contract.path, headers, content),
            trace_id=trace_id,
            fence=fence,
        )
