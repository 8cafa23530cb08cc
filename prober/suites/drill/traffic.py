"""The messages of a drill: made and marked before it begins, then sent at a steady rate whatever the target does.

Open loop: a message is due at its own instant, and its time counts from there, however late others are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from prober.cap import Demand
from prober.clock import Instant
from prober.gate import Permit, Routes
from prober.http1 import Client
from prober.outcome import Mode, Outcome
from prober.probes.base import Run
from prober.probes.webhook_answer import read_delivery
from prober.probes.webhook_message import Message, Messages
from prober.probes.witness import NotAskable
from prober.result import AwaitedWebhook
from prober.suites.running import CouldNotRunError

AT_ONCE = 3  # messages that are marked at once: as many as the witness has connections
MARK_TIMEOUT = 5.0  # seconds
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
    """Sends one prepared message after the other; `accepted` is told of each that the target took."""

    def __init__(
        self,
        messages: Messages,
        client: Client,
        routes: Routes,
        *,
        run: Run,
        rate: float,
        accepted: Callable[[AwaitedWebhook], None],
    ) -> None:
        """`rate` in messages a second; `run.timeout` is that of each."""
        self._messages = messages
        self._client = client
        self._routes = routes
        self._run = run
        self._rate = rate
        self._accepted = accepted
        self._prepared: list[tuple[Message, AwaitedWebhook]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self.sent: list[Sent] = []
        self.begun = 0  # messages of which a byte may have left
        self.held_up = 0  # due while too many were under way, and not sent

    @property
    def exhausted(self) -> bool:
        """Whether there is no message left to be sent."""
        return self.begun + self.held_up >= len(self._prepared)

    @property
    def awaited(self) -> Sequence[AwaitedWebhook]:
        """Every message that was prepared, sent or not."""
        return [awaited for _, awaited in self._prepared]

    async def prepare(self, count: int) -> None:
        """Make so many messages, and claim or mark each; CouldNotRunError where that cannot be done."""
        mode = self._messages.settings.mode
        if mode is Mode.NO_SIDE_EFFECTS and not self._messages.claims:
            raise CouldNotRunError(
                "messages in mode no_side_effects have to be claimed first, for which no database is configured or "
                "the contract has no claim; set probes.webhook.mode: full and a from_number of yours"
            )
        for ordinal in range(1, count + 1):
            message = self._messages.compose(self._run, ordinal)
            self._prepared.append((message, self._messages.awaited(self._run, message, mode)))
        places = iter(range(count))

        async def work() -> None:
            for place in places:
                message, awaited = self._prepared[place]
                if mode is Mode.NO_SIDE_EFFECTS:
                    awaited = await self._messages.claim(awaited, MARK_TIMEOUT)
                else:
                    awaited = await self._messages.mark(awaited)
                self._prepared[place] = (message, awaited)

        try:
            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        except NotAskable as why:
            raise CouldNotRunError(f"the messages could not be claimed: {why.detail}") from None

    async def forever(self, start: float) -> None:
        """Send from the instant `start` on, until cancelled or out of messages."""
        for number, (message, awaited) in enumerate(self._prepared):
            due = start + number / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if len(self._under_way) >= MOST_UNDER_WAY:
                self.held_up += 1
                continue
            self.begun += 1
            task = asyncio.create_task(self._send(message, awaited, due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def finished(self) -> None:
        """Wait for what is under way; every message has its own timeout."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _send(self, message: Message, awaited: AwaitedWebhook, due: float) -> None:
        # The drill is to send on while the target wants less, so no gate stands before it; the rate is the limit.
        permit = Permit(Demand(webhook=1), None, self._routes)
        request = self._messages.request(self._run, message)
        exchange = await self._client.exchange(permit, request.content, timeout=self._run.timeout)
        outcome, _ = read_delivery(self._messages.contract, exchange)
        self.sent.append(
            Sent(
                message_sid=message.sid,
                due=due,
                answered=exchange.finished,
                outcome=outcome,
                code=None if exchange.answer is None else exchange.answer.status,
            )
        )
        if outcome is Outcome.OK:
            at = self._run.started.later(exchange.finished)
            self._accepted(replace(awaited, intended=_intended(self._run.started, due), accepted=at))


def _intended(started: Instant, due: float) -> Instant:
    return started.later(due)
