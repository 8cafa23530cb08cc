"""What a result means beyond its own numbers: effects to follow, violations, the win rate, lies.

Everything that decides is in `prober.judge`; here its verdicts are carried to where they belong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from prober.clock import Instant, now
from prober.daemon.sweep import OrderSweep
from prober.event import Event, Leftovers, ViolationFound, WebhookSettled
from prober.judge.health import lies
from prober.judge.win_rate import RaceWindow
from prober.outcome import Leftover, Mode, Outcome, ProbeName, Settlement, Violation, WebhookCheck
from prober.probes.effects import EffectWatch
from prober.result import (
    AwaitedWebhook,
    HealthResult,
    RaceResult,
    RedisResult,
    Result,
    WebhookCheckResult,
    WebhookResult,
)


class Ledger(Protocol):
    """Where things are written that must survive us, before anything else happens with them."""

    async def expect(self, webhook: AwaitedWebhook) -> None:
        """Keep a message that is about to exist, or has just been accepted."""
        ...

    async def forget(self, webhooks: Sequence[AwaitedWebhook]) -> None:
        """Nothing is left of these messages."""
        ...

    async def violation(self, found: ViolationFound) -> None:
        """Keep a violation for good, then publish it."""
        ...

    async def cleaned(self, order_id: str) -> None:
        """Nothing is left of this order."""
        ...


class Reactions:
    """Carries verdicts on. One instance serves all probes of a daemon, or of one `check`."""

    def __init__(
        self,
        ledger: Ledger,
        publish: Callable[[Event], None],
        window: RaceWindow,
        *,
        race_fresh_for: float,
        covers: Mapping[str, Sequence[ProbeName]],
        down_since: Callable[[], Mapping[ProbeName, Instant]],
    ) -> None:
        self._ledger = ledger
        self._publish = publish
        self._window = window
        self._race_fresh_for = race_fresh_for
        self._covers = covers
        self._down_since = down_since
        self.effects: EffectWatch | None = None
        self.sweep: OrderSweep | None = None
        self.violations = 0
        self._keys_left: int | None = None

    def exchange(
        self, *, window: int, max_unjudged: int, race_fresh_for: float, covers: Mapping[str, Sequence[ProbeName]]
    ) -> None:
        """Judge by other settings from now on; the races in the window stay."""
        self._window.resize(window, max_unjudged)
        self._race_fresh_for = race_fresh_for
        self._covers = covers

    def enriched(self, result: Result) -> Result:
        """The result as it is to be published: health pages are held against what is down."""
        if isinstance(result, HealthResult):
            found = lies(result.pages, self._covers, self._down_since(), result.started)
            return replace(result, lies=found)
        return result

    async def react(self, result: Result) -> None:
        """Carry on what a published result means."""
        match result:
            case WebhookResult():
                await self._webhook(result)
            case WebhookCheckResult():
                await self._checked(result)
            case RaceResult():
                await self._race(result)
            case RedisResult() if result.leftovers != self._keys_left:
                self._keys_left = result.leftovers
                self._publish(Leftovers(counts={Leftover.KEYS: result.leftovers}))

    async def settled(self, event: WebhookSettled, message: AwaitedWebhook) -> None:
        """Take in how the wait for an effect ended."""
        if event.settlement is Settlement.LOST:
            await self._ledger.expect(message)
            await self._violation(Violation.LOST_MESSAGE, event.run_id, event.at, event.sentence)
        self._publish(event)

    async def repeated(self, message: AwaitedWebhook, effects: int, at: Instant) -> None:
        """Take in that a message had its effect more than once."""
        sentence = f"webhook {message.message_sid} had its effect {effects} times; expected once"
        await self._violation(Violation.DUPLICATE_EFFECT, message.run_id, at, sentence)

    async def forget(self, messages: Sequence[AwaitedWebhook]) -> None:
        """Nothing is left of these messages."""
        await self._ledger.forget(messages)

    def left(self, count: int) -> None:
        """Rows of so many messages should be gone and are not."""
        self._publish(Leftovers(counts={Leftover.MESSAGES: count}))

    async def _webhook(self, result: WebhookResult) -> None:
        if result.outcome is Outcome.FORGED_ACCEPTED:
            await self._violation(Violation.FORGED_ACCEPTED, result.run_id, result.started, result.detail)
        if self.effects is None or result.awaited is None:
            return
        message = result.awaited
        if result.outcome is Outcome.FORGED_ACCEPTED:
            # Taken like a real message: nobody claimed it, so its rows are those of one.
            message = replace(message, mode=Mode.FULL)
            await self._ledger.expect(message)
        if result.check is WebhookCheck.DELIVERY and result.code is not None and 400 <= result.code < 500:
            message = replace(message, refused=True)
        if result.accepted and result.check is WebhookCheck.DELIVERY:
            message = replace(message, accepted=result.started.later(result.finished_mono))
            await self._ledger.expect(message)
        self.effects.follow([message])

    async def _checked(self, result: WebhookCheckResult) -> None:
        for kind in result.violations:
            await self._violation(kind, result.run_id, result.started, result.detail)
        if self.effects is None:
            return
        for message in result.awaited:
            if message.accepted is not None:
                await self._ledger.expect(message)
        self.effects.follow(result.awaited, measured=False)

    async def _race(self, result: RaceResult) -> None:
        if result.race_outcome.is_violation:
            kind = Violation(result.race_outcome.value)
            await self._violation(kind, result.run_id, result.released, result.sentence)
        await self.cleared(result)
        rate = self._window.add(result.race_outcome)
        self._publish(replace(rate, fresh_until=now().mono + self._race_fresh_for))

    async def cleared(self, result: RaceResult) -> None:
        """Forget the orders of a race, also one of a suite, or see to what is left of them."""
        for order_id in result.orders:
            if not result.leftovers:
                await self._ledger.cleaned(order_id)
            elif self.sweep is not None:
                self.sweep.follow(result.run_id, order_id)

    async def _violation(self, kind: Violation, run_id: str, at: Instant, sentence: str) -> None:
        self.violations += 1
        await self._ledger.violation(ViolationFound(id=f"{kind}-{run_id}", kind=kind, at=at, sentence=sentence))
