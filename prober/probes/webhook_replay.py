"""The replay check: an old message, and one that was taken already, both of which have to be refused.

Only where the contract has replay protection. Whether a message is old is a question of clocks, so nothing is
judged where the target's own clock (its Date header) is far from ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from prober.cap import Demand
from prober.clock import Instant
from prober.contract import Replay
from prober.http1 import Client, Exchange
from prober.outcome import Outcome, ProbeName, Violation, WebhookCheck
from prober.probes.base import Permission, Run
from prober.probes.webhook import Intend
from prober.probes.webhook_answer import read_delivery, read_refusal
from prober.probes.webhook_checks import Check, Read
from prober.probes.webhook_message import Messages
from prober.probes.witness import NotAskable
from prober.result import WebhookCheckResult

REQUESTS = 3  # that one run sends
# Old beyond any doubt: this much more than the contract says is too old (seconds).
BEYOND = 3600.0
# Clocks further apart than this (seconds) make "old" mean nothing.
SKEW = 120.0


class ReplayProbe(Check):
    """Sends an old message, a fresh one, and that one again."""

    name = ProbeName.WEBHOOK_REPLAY
    demand = Demand(webhook=REQUESTS)

    def __init__(
        self,
        messages: Messages,
        replay: Replay,
        client: Client,
        intend: Intend,
        permission: Permission | None = None,
    ) -> None:
        super().__init__(messages, client, intend, permission)
        self._replay = replay

    async def run(self, run: Run) -> WebhookCheckResult:
        """Send the three; good when the fresh one alone was accepted."""
        attempts = self._attempts(run)
        outcomes = []
        try:
            message = await attempts.message(1)
            old = Instant(run.started.mono, run.started.wall - self._replay.too_old - BEYOND)
            request = attempts.request(message, stamp=old)
            exchange = await attempts.send(request)
            read = self._read_replay(exchange, run, "an old message")
            outcomes.append(attempts.add(WebhookCheck.REPLAY, message, request, exchange, read))
            message = await attempts.message(2)
            request = attempts.request(message, stamp=run.started)
            first = await attempts.send(request)
            read = read_delivery(self._messages.contract, first)
            if attempts.add(WebhookCheck.REPLAY, message, request, first, read) is Outcome.OK:
                again = await attempts.send(request)
                read = self._read_replay(again, run, "a message that had been taken before")
                outcomes.append(attempts.add(WebhookCheck.REPLAY, message, request, again, read))
        except NotAskable as why:
            return attempts.not_asked(self.name, why, _violations(outcomes))
        return attempts.result(self.name, _violations(outcomes))

    def _read_replay(self, exchange: Exchange, run: Run, what: str) -> Read:
        outcome, told = read_refusal(self._replay.refused, exchange, what)
        skew = clock_skew(exchange, run.started.later(exchange.finished))
        if outcome is Outcome.VIOLATION and skew is not None and abs(skew) > SKEW:
            return Outcome.NOT_KNOWN, f"{told}, but its clock is {skew:+.0f} s from ours: not judged"
        return outcome, told


def _violations(outcomes: Sequence[Outcome]) -> list[Violation]:
    return [Violation.REPLAY_ACCEPTED] if Outcome.VIOLATION in outcomes else []


def clock_skew(exchange: Exchange, at: Instant) -> float | None:
    """How far the target's clock is ahead of ours, seconds, by its Date header (RFC 9110, 6.6.1); None without."""
    date = None if exchange.answer is None else exchange.answer.header("date")
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp() - at.wall
    except ValueError:
        return None
