"""Follows every synthetic message to its end: asks the database for its effect, then removes its rows.

What the answers mean is decided by `judge.loss`; here they are only asked for, many messages at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from prober.clock import Instant, now
from prober.contract import Claimed, Full, Repeats, Webhook
from prober.event import WebhookSettled
from prober.judge.loss import LOOKED_FOR, Sighting, Waited, overdue, settle
from prober.outcome import Mode, Settlement
from prober.probes.base import Permission, Unrestricted
from prober.probes.marks import Marks
from prober.probes.witness import NotAskable
from prober.result import AwaitedWebhook

log = structlog.get_logger()

# The first look comes at once, later ones further and further apart: the delay is known to a quarter of itself.
FIRST_LOOK = 0.01
GROWTH = 1.25
LONGEST_GAP = 1.0
# Once the effect is there, only a second one is looked for: less often, until the deadline.
WATCHING_GAP = 0.2
WATCHING_GROWTH = 1.6
WATCHING_LONGEST_GAP = 10.0
ASK_TIMEOUT = 2.0
# Many messages are asked about in one query; more than these wait for the next one.
BATCH = 200


class Observer(Protocol):
    """Who is told what becomes of the messages."""

    async def settled(self, event: WebhookSettled, message: AwaitedWebhook) -> None:
        """The wait for an effect ended, or a late effect corrected that."""
        ...

    async def repeated(self, message: AwaitedWebhook, effects: int, at: Instant) -> None:
        """A message had its effect more than once; told once of each message."""
        ...

    async def forget(self, messages: Sequence[AwaitedWebhook]) -> None:
        """Nothing is left of these messages, and nothing more can come."""
        ...

    def left(self, count: int) -> None:
        """So many messages have rows that should be gone and could not be removed."""
        ...


@dataclass(slots=True)
class _Followed:
    message: AwaitedWebhook
    deadline: float  # that it was sent under, whatever a reload has made of it since
    service_base: float  # the service clock when the wait began
    since: float  # monotonic; answer, or start for a message whose answer is unknown
    look_at: float
    fence: int | None  # the fencing number when the wait began
    measured: bool = True  # whether the delay of its effect means something
    gap: float = FIRST_LOOK
    absent_until: float | None = None
    settled: bool = False  # the effect was there: what is looked for now is a second one
    repeated: bool = False  # the second one was told of
    removal_failed: bool = False
    noted: bool = False  # that it was accepted stands beside its mark
    orphan: bool = False  # of a prober that is lost: there longer than it should be

    def postpone(self, current: float) -> None:
        """Plan the next look."""
        if self.settled:
            self.gap = min(max(self.gap, WATCHING_GAP) * WATCHING_GROWTH, WATCHING_LONGEST_GAP)
        else:
            self.gap = min(self.gap * GROWTH, LONGEST_GAP)
        self.look_at = current + self.gap


class EffectWatch:
    """Follows messages from their acceptance until their rows are gone.

    A message whose effect was seen is watched until its deadline for a second effect, then its rows are removed.
    `service_clock` gives the seconds during which Redis and the database were both up; deadlines run on it.
    What is older than `orphan_age` (seconds) may be removed by others.
    """

    def __init__(
        self,
        contract: Webhook,
        marks: Marks,
        *,
        deadline: float,
        orphan_age: float,
        service_clock: Callable[[], float],
        observer: Observer,
        permission: Permission | None = None,
    ) -> None:
        self._contract = contract
        self._witness = marks.witness
        self._marks = marks
        self.deadline = deadline  # of the messages that come from now on
        self._orphan_age = orphan_age
        self._service_clock = service_clock
        self._observer = observer
        self._permission = permission or Unrestricted()
        self._followed: dict[str, _Followed] = {}
        self._woken = asyncio.Event()
        self._looked = asyncio.Event()
        self._ending = False
        self._left = 0

    @property
    def waiting(self) -> int:
        """How many accepted messages have no effect yet, of those whose effect can be seen."""
        return sum(self._is_judged(f) and not f.settled for f in self._followed.values())

    def follows(self, message_sid: str) -> bool:
        """Whether this message is being seen to."""
        return message_sid in self._followed

    def follow(self, messages: Iterable[AwaitedWebhook], *, measured: bool = True, orphans: bool = False) -> None:
        """Begin to follow messages, from a result, from the journal, or orphans of a prober that is lost.

        `measured`: the wait begins with the answer, so that the delay of the effect is worth telling.
        """
        current, clock = time.monotonic(), self._service_clock()
        for message in messages:
            # The service clock begins now, also for a message from before a restart: whether the services were
            # up while nobody watched is not known, and not known is not lost.
            self._followed[message.message_sid] = _Followed(
                message=message,
                deadline=self.deadline,
                service_base=clock,
                since=(message.accepted or message.intended).mono,
                look_at=current + FIRST_LOOK,
                fence=self._permission.fence,
                measured=measured,
                orphan=orphans,
            )
        self._woken.set()
        self._tell_left()

    async def forever(self) -> None:
        """Look again and again until cancelled."""
        self._observer.left(self._left)
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
        """End every watch early: wait until none is left whose end is known or can be seen, but for lost ones.

        What was removed before its deadline is not forgotten: something late may still arrive, which the next
        start removes.
        """
        self._ending = True
        for followed in self._followed.values():
            followed.look_at = min(followed.look_at, time.monotonic() + FIRST_LOOK)
        self._woken.set()
        while any(self._is_drained(f) for f in self._followed.values()):
            self._looked.clear()
            await self._looked.wait()

    def _is_drained(self, followed: _Followed) -> bool:
        """Whether `drained` waits for a message."""
        return followed.message.refused or (self._is_judged(followed) and not followed.message.lost)

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
        for group in grouped(f.message for f in due if self._is_judged(f)):
            effect = self._traces(group[0]).effect
            if effect is None:
                continue
            rows = await self._witness.fetch(effect, query_values(group), timeout=ASK_TIMEOUT)
            seen = {message.message_sid: Sighting(effects=0, done=False) for message in group} | {
                str(row["message_sid"]): Sighting(effects=int(row["effects"] or 0), done=bool(row["done"]))
                for row in rows
            }
            await self._judge_all([self._followed[message.message_sid] for message in group], seen)
            await self._note_accepted(group)
        over = [f for f in due if self._is_over(f)]
        if self._permission.refusal() is None:
            for group in grouped(f.message for f in over):
                await self._clean(group)
        else:
            self._leave_orphans(over)
        self._looked.set()
        self._postpone(due)

    def _leave_orphans(self, over: Iterable[_Followed]) -> None:
        """Leave what is not ours to who may write; by its mark it is found again."""
        for followed in over:
            if followed.orphan:
                self._followed.pop(followed.message.message_sid, None)
        self._tell_left()

    async def _judge_all(self, followed: Sequence[_Followed], seen: Mapping[str, Sighting]) -> None:
        """Judge messages by one look at all of them, and those that are overdue by their marks too."""
        at = now()
        waited = {f.message.message_sid: self._waited(f, at) for f in followed}
        suspects = [
            sid
            for f in followed
            if not f.settled
            and overdue(
                waited[sid := f.message.message_sid],
                seen[sid],
                deadline=f.deadline,
                already_lost=f.message.lost,
            )
        ]
        # After the effect: rows and mark are removed at once, so a mark that stands vouches for what was seen.
        gone = await self._marks.gone(suspects, timeout=ASK_TIMEOUT) if suspects else frozenset()
        for each in followed:
            sid = each.message.message_sid
            await self._judge(each, waited[sid], replace(seen[sid], mark_gone=sid in gone), at)

    async def _note_accepted(self, group: Sequence[AwaitedWebhook]) -> None:
        new = [f for m in group if not (f := self._followed[m.message_sid]).noted]
        if new and self._permission.refusal() is not None:
            return
        if new:
            await self._marks.accepted([f.message.message_sid for f in new], timeout=ASK_TIMEOUT)
        for followed in new:
            followed.noted = True

    def _waited(self, followed: _Followed, at: Instant) -> Waited:
        return Waited(
            elapsed=at.mono - followed.since,
            service_time=self._service_time(followed),
            absent_until=followed.absent_until,
            age=at.mono - followed.message.intended.mono,
            marked=followed.message.marked,
            ours=self._permission.refusal(undo=True) is None and self._permission.fence == followed.fence,
        )

    async def _judge(self, followed: _Followed, waited: Waited, seen: Sighting, at: Instant) -> None:
        if not followed.settled:
            await self._settle(followed, waited, seen, at)
        if seen.effects > 1 and not followed.repeated:
            followed.repeated = True
            await self._observer.repeated(followed.message, seen.effects, at)

    async def _settle(self, followed: _Followed, waited: Waited, seen: Sighting, at: Instant) -> None:
        before = followed.message
        verdict = settle(
            waited, seen, deadline=followed.deadline, orphan_age=self._orphan_age, already_lost=before.lost
        )
        if not seen.done:
            followed.absent_until = waited.elapsed
        if verdict is None:
            return
        if verdict.settlement is Settlement.LOST:
            followed.message = replace(before, lost=True)
        else:
            followed.settled = True
            followed.gap = min(followed.gap, WATCHING_GAP)
        event = WebhookSettled(
            message_sid=before.message_sid,
            run_id=before.run_id,
            settlement=verdict.settlement,
            at=at,
            delay=waited.elapsed if seen.done and followed.measured else None,
            effects=seen.effects,
            sentence=f"webhook {before.message_sid}: {verdict.sentence}",
        )
        await self._observer.settled(event, followed.message)

    def _service_time(self, followed: _Followed) -> float:
        return self._service_clock() - followed.service_base

    def _is_judged(self, followed: _Followed) -> bool:
        """Whether something can be learned of a message: it was accepted, and its effect can be seen.

        Not of one that was settled in an earlier life of the prober: its rows may have been removed since.
        """
        message = followed.message
        visible = message.accepted is not None and self._traces(message).effect is not None
        return visible and not message.settled

    def _is_over(self, followed: _Followed) -> bool:
        """Whether the rows of a message may go: its end is known, or nothing more can be learned of it."""
        if followed.message.refused:
            return True
        past_deadline = self._service_time(followed) > followed.deadline
        if not self._is_judged(followed):
            # Not at once: a claim that is gone before the target has looked for it would be none. And what did
            # arrive waits with the services, and would write its rows after we had removed them.
            return past_deadline
        if followed.settled:
            return past_deadline or self._ending
        age = time.monotonic() - followed.since
        return followed.message.lost and age > followed.deadline + LOOKED_FOR

    async def _clean(self, group: Sequence[AwaitedWebhook]) -> None:
        """Remove what is over; messages of one kind whose rows cannot be removed must not keep the others."""
        followed = [self._followed[message.message_sid] for message in group]
        # Judged before the removal takes its time.
        complete = [f.message for f in followed if f.message.refused or self._service_time(f) > f.deadline]
        try:
            await self.remove(group)
        except NotAskable:
            for each in followed:
                each.removal_failed = True
        else:
            await self._observer.forget(complete)
        self._tell_left()

    def _tell_left(self) -> None:
        left = sum(f.removal_failed or f.orphan for f in self._followed.values())
        if left != self._left:
            self._left = left
            self._observer.left(left)

    async def remove(self, messages: Sequence[AwaitedWebhook]) -> None:
        """Remove every row of these messages, and follow them no longer; NotAskable if it cannot be done now."""
        for group in grouped(messages):
            sids = [message.message_sid for message in group]
            cleanup = self._traces(group[0]).cleanup
            await self._marks.remove_messages(sids, cleanup, query_values(group), timeout=ASK_TIMEOUT)
        for message in messages:
            self._followed.pop(message.message_sid, None)

    def _traces(self, message: AwaitedWebhook) -> Claimed | Repeats | Full:
        return self._contract.traces(message.mode, repeated=message.repeated)

    def _postpone(self, due: Iterable[_Followed]) -> None:
        current = time.monotonic()
        for followed in due:
            followed.postpone(current)


def grouped(messages: Iterable[AwaitedWebhook]) -> list[list[AwaitedWebhook]]:
    """Group by what one query can ask about: the mode, the sender, and whether repeats count."""
    groups: dict[tuple[Mode, str, bool], list[AwaitedWebhook]] = {}
    for message in messages:
        groups.setdefault((message.mode, message.from_number, message.repeated), []).append(message)
    return list(groups.values())


def query_values(group: Sequence[AwaitedWebhook]) -> dict[str, object]:
    """The parameters of a contract's statements about one such group."""
    return {
        "from_number": group[0].from_number,
        "message_sids": [message.message_sid for message in group],
        "bodies": [message.body for message in group],
    }
