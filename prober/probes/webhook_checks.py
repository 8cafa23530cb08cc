"""What the rarer checks of the webhook share: several attempts, and the messages that may exist due to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from prober.clock import Instant
from prober.http1 import Client, Exchange
from prober.outcome import Mode, Outcome, ProbeName, Violation, WebhookCheck
from prober.probes.base import Permission, Run
from prober.probes.webhook import CLAIM_SHARE, Intend
from prober.probes.webhook_message import Message, Messages, Request
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
            raise NotAskable(Outcome.SETUP_FAILED, f"writes are held back: {refused}")
        message, mode = self._messages.compose(self._run, ordinal), self._messages.settings.mode
        awaited = self._messages.awaited(self._run, message, mode, repeated=repeated)
        await self._intend(awaited)
        self._awaited[message.sid] = awaited
        if mode is Mode.NO_SIDE_EFFECTS:
            self._awaited[message.sid] = await self._messages.claim(awaited, self._run.timeout * CLAIM_SHARE)
        else:
            self._awaited[message.sid] = await self._messages.mark(awaited)
        return message

    async def send(self, request: Request) -> Exchange:
        """Send one request on a connection of its own."""
        return await self._client.exchange(self._run.permit, request.content, timeout=self._run.timeout)

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
        awaited = self._awaited[message.sid]
        if outcome is Outcome.OK and code in self._messages.contract.accepted and awaited.accepted is None:
            # Not of what should have been refused: such a message cannot be lost, it has only to be removed.
            accepted = self._run.started.later(exchange.finished)
            self._awaited[message.sid] = replace(awaited, accepted=accepted)
        return outcome

    def result(self, probe: ProbeName, violations: Sequence[Violation]) -> WebhookCheckResult:
        """All of it."""
        failed = next((a for a in self._attempts if a.outcome not in (Outcome.OK, Outcome.VIOLATION)), None)
        outcome = Outcome.OK
        if violations:
            outcome = Outcome.VIOLATION
        elif failed is not None:
            outcome = failed.outcome
        return self._result(probe, outcome, "; ".join(a.told for a in self._attempts), tuple(violations))

    def not_asked(self, probe: ProbeName, why: NotAskable) -> WebhookCheckResult:
        """Without a claim nothing may be sent that could be taken."""
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
            awaited=tuple(replace(a, refused=self._is_refused(a)) for a in self._awaited.values()),
        )

    def _is_refused(self, message: AwaitedWebhook) -> bool:
        """Whether every request that carried it got a definite no: one of them may not speak for the others."""
        codes = [attempt.code for attempt in self._attempts if attempt.message_sid == message.message_sid]
        return bool(codes) and all(code is not None and 400 <= code < 500 for code in codes)
