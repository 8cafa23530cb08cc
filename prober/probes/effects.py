"""Follows every synthetic message to its end: asks the database for its effect, then removes its rows.

What the answers mean is decided by `judge.loss`; here they are only asked for, many messages at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from prober.clock import now
from prober.contract import Webhook
from prober.event import WebhookSettled
from prober.judge.loss import LossVerdict, Sighting, Waited, settle
from prober.outcome import Mode, Settlement
from prober.probes.base import Permission, Unrestricted
from prober.probes.witness import NotAskable, Witness
from prober.result import AwaitedWebhook

log = structlog.get_logger()

# The first look comes at once, later ones further and further apart: the delay is known to a quarter of itself.
FIRST_LOOK = 0.01
GROWTH = 1.25
LONGEST_GAP = 1.0
ASK_TIMEOUT = 2.0
# Many messages are asked about in one query; more than these wait for the next one.
BATCH = 200
# A message that was called lost is looked for this much longer, then its rows are removed for good.
LATE_FOR = 600.0


@dataclass(slots=True)
class _Followed:
    message: AwaitedWebhook
    service_base: float  # the service clock when the wait began
    since: float  # monotonic; answer, or start for a message whose answer is unknown
    look_at: float
    gap: float = FIRST_LOOK
    absent_until: float | None = None
    done: bool = field(default=False)


class EffectWatch:
    """Follows messages from their acceptance until their rows are gone.

    `service_clock` gives the seconds during which Redis and the database were both up; `settled` is told how
    each wait ended; `forget` is told when nothing of a message is left.
    """

    def __init__(
        self,
        contract: Webhook,
        witness: Witness,
        *,
        deadline: float,
        service_clock: Callable[[], float],
        settled: Callable[[WebhookSettled, AwaitedWebhook], Awaitable[None]],
        forget: Callable[[Sequence[AwaitedWebhook]], Awaitable[None]],
        permission: Permission | None = None,
    ) -> None:
        self._contract = contract
        self._witness = witness
        self._deadline = deadline
        self._service_clock = service_clock
        self._settled = settled
        self._forget = forget
        self._permission = permission or Unrestricted()
        self._followed: dict[str, _Followed] = {}
        self._woken = asyncio.Event()
        self._looked = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many accepted messages have no effect yet, of those whose effect can be seen."""
        return sum(self._awaits(f) for f in self._followed.values())

    def follow(self, messages: Iterable[AwaitedWebhook]) -> None:
        """Begin to follow messages, from a result or from the journal."""
        current, clock = time.monotonic(), self._service_clock()
        for message in messages:
            # The service clock begins now, also for a message from before a restart: whether the services were
            # up while nobody watched is not known, and not known is not lost.
            self._followed[message.message_sid] = _Followed(
                message=message,
                service_base=clock,
                since=(message.accepted or message.intended).mono,
                look_at=current + FIRST_LOOK,
            )
        self._woken.set()

    async def forever(self) -> None:
        """Look again and again until cancelled."""
        while True:
            due = await self._next_due()
            try:
                await self._look(due)
            except NotAskable:
                # Not known is not lost: try again as long as it takes.
                self._postpone(due)
            except Exception:
                # A fault of ours, or of the contract's SQL: it must not end the watch over everything else.
                log.exception("effects could not be read")
                self._postpone(due)

    async def drained(self) -> None:
        """Wait until no message is left whose effect can be seen, but for those called lost."""
        while any(self._is_visible(f) and not f.message.lost for f in self._followed.values()):
            self._looked.clear()
            await self._looked.wait()

    async def _next_due(self) -> list[_Followed]:
        while True:
            self._woken.clear()
            current = time.monotonic()
            due = [f for f in self._followed.values() if f.look_at <= current]
            if due:
                return due[:BATCH]
            soonest = min((f.look_at for f in self._followed.values()), default=None)
            delay = None if soonest is None else max(0.001, soonest - current)
            try:
                async with asyncio.timeout(delay):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _look(self, due: list[_Followed]) -> None:
        awaited = [f.message for f in due if self._awaits(f)]
        for mode, number, group in _grouped(awaited):
            effect = self._contract.traces(mode).effect
            if effect is None:
                continue
            rows = await self._witness.fetch(effect, _values(number, group), timeout=ASK_TIMEOUT)
            seen = {
                str(row["message_sid"]): Sighting(effects=int(row["effects"] or 0), done=bool(row["done"]))
                for row in rows
            }
            for message in group:
                nothing = Sighting(effects=0, done=False)
                await self._judge(self._followed[message.message_sid], seen.get(message.message_sid, nothing))
        finished = [f.message for f in due if self._is_finished(f)]
        for _, _, group in _grouped(finished) if self._permission.refusal() is None else []:
            # One kind of message whose rows cannot be removed must not keep the others.
            with suppress(NotAskable):
                await self.remove(group)
        self._looked.set()
        self._postpone(due)

    async def _judge(self, followed: _Followed, seen: Sighting) -> None:
        at = now()
        waited = Waited(
            elapsed=at.mono - followed.since,
            service_time=self._service_clock() - followed.service_base,
            absent_until=followed.absent_until,
        )
        verdict = settle(waited, seen, deadline=self._deadline, already_lost=followed.message.lost)
        if not seen.done:
            followed.absent_until = waited.elapsed
        if verdict is None:
            return
        settlement = verdict.settlement
        followed.done = settlement is not Settlement.LOST
        before = followed.message
        if settlement is Settlement.LOST:
            followed.message = replace(before, lost=True)
        await self._settled(_settled(before, verdict, at.mono, waited, seen), followed.message)

    def _awaits(self, followed: _Followed) -> bool:
        """Whether the effect of a message is still to come and can be seen by this contract."""
        return self._is_visible(followed) and not followed.done

    def _is_visible(self, followed: _Followed) -> bool:
        message = followed.message
        return message.accepted is not None and self._contract.traces(message.mode).effect is not None

    def _is_finished(self, followed: _Followed) -> bool:
        """Whether the rows of a message may go: its end is known, or nothing more can be learned of it."""
        age = time.monotonic() - followed.since
        if not self._is_visible(followed):
            # Not at once: a claim that is gone before the target has looked for it would be none. And what did
            # arrive waits with the services, and would write its rows after we had removed them.
            return self._service_clock() - followed.service_base > self._deadline
        return followed.done or (followed.message.lost and age > self._deadline + LATE_FOR)

    async def remove(self, messages: Sequence[AwaitedWebhook]) -> None:
        """Remove every row of these messages and forget them; NotAskable if that cannot be done now."""
        for mode, number, group in _grouped(messages):
            await self._witness.run(
                self._contract.traces(mode).cleanup, _values(number, group), timeout=ASK_TIMEOUT
            )
        for message in messages:
            self._followed.pop(message.message_sid, None)
        await self._forget(messages)

    def _postpone(self, due: Iterable[_Followed]) -> None:
        current = time.monotonic()
        for followed in due:
            followed.gap = min(followed.gap * GROWTH, LONGEST_GAP)
            followed.look_at = current + followed.gap


def _grouped(messages: Iterable[AwaitedWebhook]) -> list[tuple[Mode, str, list[AwaitedWebhook]]]:
    """Group by what one query can ask about: the mode and the sender."""
    groups: dict[tuple[Mode, str], list[AwaitedWebhook]] = {}
    for message in messages:
        groups.setdefault((message.mode, message.from_number), []).append(message)
    return [(mode, number, group) for (mode, number), group in groups.items()]


def _values(number: str, group: Sequence[AwaitedWebhook]) -> dict[str, object]:
    return {
        "from_number": number,
        "message_sids": [message.message_sid for message in group],
        "bodies": [message.body for message in group],
    }


def _settled(
    message: AwaitedWebhook, verdict: LossVerdict, mono: float, waited: Waited, seen: Sighting
) -> WebhookSettled:
    at = message.intended.later(mono)
    return WebhookSettled(
        message_sid=message.message_sid,
        run_id=message.run_id,
        settlement=verdict.settlement,
        at=at,
        delay=waited.elapsed if seen.done else None,
        effects=seen.effects,
        sentence=f"webhook {message.message_sid}: {verdict.sentence}",
    )
