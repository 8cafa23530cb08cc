"""Follows every message that the target took to its end, by the daemon's own watch over effects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from prober.clock import Instant
from prober.config.model import Config
from prober.contract import Contract
from prober.event import WebhookSettled
from prober.outcome import Settlement
from prober.probes.effects import EffectWatch
from prober.probes.marks import Marks
from prober.result import AwaitedWebhook
from prober.suites.drill.figures import Fate

# Beside the deadline of service time: a message whose end is not known by then is not known (seconds).
PATIENCE = 30.0


class Following:
    """The accepted messages of one drill, and what became of each."""

    def __init__(
        self, config: Config, contract: Contract, marks: Marks, service_time: Callable[[], float]
    ) -> None:
        webhook = config.probes.webhook
        self._deadline = webhook.processing_deadline
        self._contract = contract.webhook
        self._watch = EffectWatch(
            contract.webhook,
            marks,
            deadline=self._deadline,
            orphan_age=config.cleanup.orphan_age,
            service_clock=service_time,
            observer=self,
        )
        self._accepted: dict[str, AwaitedWebhook] = {}
        self.fates: dict[str, Fate] = {}
        self._news = asyncio.Event()
        self._visible = self._contract.traces(webhook.mode).effect is not None

    @property
    def visible(self) -> bool:
        """Whether the effect of a message can be seen in this mode."""
        return self._visible

    def accepted(self, message: AwaitedWebhook) -> None:
        """Follow a message from now on."""
        self._accepted[message.message_sid] = message
        if self._visible:
            self._watch.follow([message])

    async def forever(self) -> None:
        """Look until cancelled."""
        await self._watch.forever()

    async def all_settled(self) -> None:
        """Wait until the end of every message is known, as long as that can take."""
        if not self._visible:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline + PATIENCE):
                while not self._accepted.keys() <= self.fates.keys():
                    self._news.clear()
                    await self._news.wait()

    @property
    def all_known(self) -> bool:
        """Whether every accepted message has had its effect, so that nothing of them can come any more."""
        return all(
            (fate := self.fates.get(sid)) is not None and fate.settlement in (Settlement.DONE, Settlement.LATE)
            for sid in self._accepted
        )

    async def settled(self, event: WebhookSettled, message: AwaitedWebhook) -> None:
        """How the wait for one effect ended."""
        seen = None if event.delay is None or message.accepted is None else message.accepted.mono + event.delay
        before, settlement = self.fates.get(message.message_sid), event.settlement
        if settlement is Settlement.NOT_KNOWN and event.effects:
            # Its effect was there as soon as the database could be asked: that is an end, though a late one.
            settlement = Settlement.LATE
        effects = max(event.effects, 0 if before is None else before.effects)
        self.fates[message.message_sid] = Fate(settlement=settlement, seen=seen, effects=effects)
        self._news.set()

    async def repeated(self, message: AwaitedWebhook, effects: int, at: Instant) -> None:
        """A message had more than one effect."""
        before = self.fates.get(message.message_sid)
        seen = at.mono if before is None else before.seen
        settlement = Settlement.DONE if before is None else before.settlement
        self.fates[message.message_sid] = Fate(settlement=settlement, seen=seen, effects=effects)

    async def forget(self, messages: Sequence[AwaitedWebhook]) -> None:
        """A drill keeps no journal."""

    def left(self, count: int) -> None:
        """A drill has no metrics."""
