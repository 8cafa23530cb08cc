"""What became of the messages of a check: their effects, as `prober check` and the doctor tell them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from prober.clock import Instant
from prober.config.model import Config
from prober.contract import Claimed, Contract, Full, Repeats
from prober.event import WebhookSettled
from prober.outcome import Settlement, WebhookCheck
from prober.probes.effects import EffectWatch
from prober.probes.marks import Marks
from prober.probes.witness import NotAskable
from prober.result import AwaitedWebhook, Result, WebhookCheckResult, WebhookResult

# How long a second effect of a repeated message is waited for (seconds); the daemon waits for the whole deadline.
REPEATS_WAIT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of `prober check`; `verdict` is ok, violation, failed or unknown."""

    name: str
    verdict: str
    outcome: str
    seconds: float | None
    sentence: str

    def document(self) -> dict[str, object]:
        """The line as JSON has it."""
        return asdict(self)


class CheckedEffects:
    """What became of the messages of a check: waits for their effects, then until their rows are gone."""

    def __init__(self, config: Config, contract: Contract, marks: Marks) -> None:
        self._deadline = config.probes.webhook.processing_deadline
        self._contract = contract.webhook
        self._watch = EffectWatch(
            contract.webhook,
            marks,
            deadline=self._deadline,
            orphan_age=config.cleanup.orphan_age,
            service_clock=time.monotonic,
            observer=self,
        )
        self._settled: dict[str, WebhookSettled] = {}
        self._effects: dict[str, int] = {}
        self._news = asyncio.Event()

    async def lines(self, results: Sequence[Result]) -> list[Line]:
        """Follow every message of these results; a line for the delivery and one for the duplicates."""
        groups = {
            "webhook effect": [m for r in results if isinstance(r, WebhookResult) for m in _delivered(r)],
            "repeats effect": [m for r in results if isinstance(r, WebhookCheckResult) for m in r.awaited],
        }
        everything = [message for group in groups.values() for message in group]
        judged = [m for m in everything if m.accepted is not None and self._traces(m).effect is not None]
        self._watch.follow(judged)
        following = asyncio.create_task(self._watch.forever())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._deadline + 10.0):
                    await self._all_settled({message.message_sid for message in judged})
                    if any(message.repeated for message in judged):
                        await asyncio.sleep(REPEATS_WAIT)
        finally:
            following.cancel()
            await asyncio.wait([following])
            # Without the database there is nobody to ask, and nothing that we could remove.
            with suppress(NotAskable):
                await self._watch.remove(everything)
        return [line for name, group in groups.items() if (line := self._line(name, group)) is not None]

    async def settled(self, event: WebhookSettled, message: AwaitedWebhook) -> None:
        """How the wait for one effect ended."""
        self._settled[message.message_sid] = event
        self._effects[message.message_sid] = event.effects
        self._news.set()

    async def repeated(self, message: AwaitedWebhook, effects: int, at: Instant) -> None:  # noqa: ARG002
        """A message had more than one effect."""
        self._effects[message.message_sid] = effects

    async def forget(self, messages: Sequence[AwaitedWebhook]) -> None:
        """A check keeps no journal."""

    def left(self, count: int) -> None:
        """A check has no metrics."""

    async def _all_settled(self, sids: set[str]) -> None:
        while not sids <= self._settled.keys():
            self._news.clear()
            await self._news.wait()

    def _traces(self, message: AwaitedWebhook) -> Claimed | Repeats | Full:
        return self._contract.traces(message.mode, repeated=message.repeated)

    def _line(self, name: str, group: Sequence[AwaitedWebhook]) -> Line | None:
        accepted = [message for message in group if message.accepted is not None]
        if not accepted:
            return None
        if all(self._traces(message).effect is None for message in accepted):
            mode = accepted[0].mode
            why = f"not observable in mode {mode}: the contract names no effect of a claimed message"
            return Line(name=name, verdict="unknown", outcome="not_known", seconds=None, sentence=why)
        events = [e for m in accepted if (e := self._settled.get(m.message_sid)) is not None]
        if len(events) < len(accepted):
            why = "the database could not be asked for the effect: not known is not lost"
            return Line(name=name, verdict="unknown", outcome="not_known", seconds=None, sentence=why)
        worst = max(accepted, key=lambda m: self._effects[m.message_sid])
        if self._effects[worst.message_sid] > 1:
            why = f"webhook {worst.message_sid} had its effect {self._effects[worst.message_sid]} times"
            return Line(name=name, verdict="violation", outcome="duplicate_effect", seconds=None, sentence=why)
        lost = next((e for e in events if e.settlement is Settlement.LOST), None)
        event = lost or events[0]
        return Line(
            name=name,
            verdict="ok" if lost is None else "violation",
            outcome=event.settlement,
            seconds=event.delay,
            sentence=event.sentence,
        )


def _delivered(result: WebhookResult) -> list[AwaitedWebhook]:
    """What may exist because of a delivery; accepted is what the answer says."""
    if result.awaited is None:
        return []
    if not result.accepted or result.check is not WebhookCheck.DELIVERY:
        return [result.awaited]
    return [replace(result.awaited, accepted=result.started.later(result.finished_mono))]
