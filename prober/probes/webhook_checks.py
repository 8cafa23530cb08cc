"""What the rarer checks of the webhook share: several attempts, and the messages that may exist due to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from prober.clock import Instant
from prober.http1 import Client, Exchange
from prober.outcome import Mode, Outcome, ProbeName, SkipReason, Violation, WebhookCheck
from prober.probes.base import Permission, Run, Unrestricted, refusal_under
from prober.probes.sending import send_write
from prober.probes.webhook import CLAIM_SHARE, Intend
from prober.probes.webhook_message import Message, Messages, Request, Signing
from prober.probes.witness import NotAskable
from prober.result import Attempt, AwaitedWebhook, WebhookCheckResult

# An attempt may only be read as good, as a violation, or as what the exchange came to.
Read = tuple[Outcome, str]


class Attempts:
    """The attempts of one run of a check, and the messages that they were about."""

    def __init__(
        self, messages: Messages, client: Client, intend: Intend, permission: Permission, run: Run
    ) -> None:
        self._messages = messages
        self._client = client
        self._intend = intend
        self._permission = permission
        self._run = run
        self._began: Instant | None = None
        self._duration = 0.0
        self._attempts: list[Attempt] = []
        self._awaited: dict[str, AwaitedWebhook] = {}

    async def message(self, ordinal: int = 1, *, repeated: bool = False) -> Message:
        """A message that is written down, and claimed where the mode wants that; NotAskable if that cannot be."""
        if (refused := self._permission.refusal()) is not None:
            _held_back(refused)
        message, mode = self._messages.compose(self._run, ordinal), self._messages.settings.mode
        awaited = self._messages.awaited(self._run, message, mode, repeated=repeated)
        await self._intend(awaited)
        self._awaited[message.sid] = awaited
        if mode is Mode.NO_SIDE_EFFECTS:
            self._awaited[message.sid] = await self._messages.claim(awaited, self._run.timeout * CLAIM_SHARE)
        else:
            self._awaited[message.sid] = await self._messages.mark(awaited)
        return message

    def request(
        self, message: Message, signing: Signing = Signing.RIGHTLY, *, stamp: Instant | None = None
    ) -> Request:
        """The request that carries a message, and the fencing number of now."""
        fence = self._permission.fence
        return self._messages.request(self._run, message, signing, stamp=stamp, fence=fence)

    async def send(self, request: Request) -> Exchange:
        """Send one request on a connection of its own; NotAskable where no write may begin any more."""
        sent = await send_write(
            self._client,
            self._run.permit,
            self._permission,
            request.fence,
            request.content,
            timeout=self._run.timeout,
        )
        return sent if isinstance(sent, Exchange) else _held_back(sent)

    def ready(self, request: Request) -> None:
        """To be called right before a request is sent in another way; NotAskable as above."""
        if (refused := refusal_under(self._permission, request.fence)) is not None:
            _held_back(refused)

    def add(
        self, check: WebhookCheck, message: Message, request: Request, exchange: Exchange, read: Read
    ) -> Outcome:
        """Take an attempt in; the outcome that was read."""
        outcome, told = read
        code = None if exchange.answer is None else exchange.answer.status
        if self._began is None:
            self._began = self._run.started.later(exchange.started)
        self._duration = max(self._duration, exchange.finished - self._began.mono)
        self._attempts.append(
            Attempt(
                check=check,
                message_sid=message.sid,
                sent=exchange.started - self._began.mono,
                duration=exchange.finished - exchange.started,
                code=code,
                outcome=outcome,
                told=told,
                trace_id=request.trace_id,
            )
        )
        self._awaited[message.sid] = self._known(self._awaited[message.sid], exchange, outcome)
        return outcome

    def _known(self, awaited: AwaitedWebhook, exchange: Exchange, outcome: Outcome) -> AwaitedWebhook:
        """What is known of a message after one more answer: accepted counts, whatever its repeats are told."""
        if awaited.accepted is not None or outcome is not Outcome.OK or exchange.answer is None:
            # What was taken although it should have been refused cannot be lost; it has only to be removed.
            return awaited
        if exchange.answer.status in self._messages.contract.accepted:
            return replace(awaited, accepted=self._run.started.later(exchange.finished), refused=False)
        return replace(awaited, refused=True)

    def result(self, probe: ProbeName, violations: Sequence[Violation]) -> WebhookCheckResult:
        """All of it."""
        failed = next((a for a in self._attempts if a.outcome not in (Outcome.OK, Outcome.VIOLATION)), None)
        outcome = Outcome.OK
        if violations:
            outcome = Outcome.VIOLATION
        elif failed is not None:
            outcome = failed.outcome
        # What all of them met is said once.
        detail = "; ".join(dict.fromkeys(attempt.told for attempt in self._attempts))
        return self._result(probe, outcome, detail, tuple(violations))

    def not_asked(
        self, probe: ProbeName, why: NotAskable, violations: Sequence[Violation] = ()
    ) -> WebhookCheckResult:
        """Without a claim nothing may be sent that could be taken; what was found by then stays found."""
        if violations:
            return self.result(probe, violations)
        return self._result(probe, Outcome.SETUP_FAILED, f"not sent: {why.detail}", ())

    def _result(
        self, probe: ProbeName, outcome: Outcome, detail: str, violations: tuple[Violation, ...]
    ) -> WebhookCheckResult:
        return WebhookCheckResult(
            probe=probe,
            run_id=self._run.id,
            started=self._began or self._run.started,
            duration=self._duration,
            outcome=outcome,
            detail=detail,
            mode=self._messages.settings.mode,
            attempts=tuple(self._attempts),
            violations=violations,
            awaited=tuple(self._awaited.values()),
        )


def _held_back(refused: SkipReason) -> NoReturn:
    raise NotAskable(Outcome.SETUP_FAILED, f"writes are held back: {refused}")


class Check:
    """What a check is made of; nothing is held between its runs."""

    def __init__(
        self, messages: Messages, client: Client, intend: Intend, permission: Permission | None = None
    ) -> None:
        self._messages = messages
        self._client = client
        self._intend = intend
        self._permission = permission or Unrestricted()

    async def close(self) -> None:
        """Nothing is held between runs."""

    def _attempts(self, run: Run) -> Attempts:
        return Attempts(self._messages, self._client, self._intend, self._permission, run)
