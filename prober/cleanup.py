"""Removing what is left of ours in the target: the counterpart of `prober.setup`, and what `prober cleanup` does.

Beside a daemon it removes only what that one does not see to; without one, all that dead runs of this instance
left. What may go is decided by `prober.judge.sweep`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from prober.clock import Instant, now
from prober.config.model import Config
from prober.contract import Contract
from prober.daemon.assembly import redis_address, target_witness
from prober.daemon.lock import Holder
from prober.event import WebhookSettled
from prober.judge.sweep import Limits, SweepVerdict, Trace, may_go
from prober.outcome import Leftover, Outcome, Settlement
from prober.probes.effects import BATCH, grouped, query_values
from prober.probes.marks import FoundMarks, Marks
from prober.probes.redis_keys import OurKeys
from prober.probes.redis_outcome import redis_failure
from prober.probes.synthetic import Mark, Order
from prober.probes.witness import NotAskable, Witness
from prober.publish.journal.backlog import Write
from prober.publish.journal.entries import Cleaned, Entry, Forgotten
from prober.publish.journal.file import JournalFile
from prober.publish.journal.restore import Left, read_boot_id, read_left
from prober.result import AwaitedWebhook
from prober.suites.load.sweeping import sweep_dead_runs
from prober.suites.presence import suite_lives

ASK_TIMEOUT = 10.0
# How long (seconds) after its timeout a run may still have a key of its own.
KEY_MARGIN = 1.0
MAY_NOT_LOOK = "; keys expire by themselves within a minute, and +scan would let us look (docs/deploying.md)"
# As many vendors as a config may ask for: fixtures are removed whoever made how many.
MOST_VENDORS = 50


class NotCleanedError(Exception):
    """It cannot be done as asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was done about one kind of thing. `stays` counts what was left alone, by the reason.

    `not_known` says why nothing, or not all, could be done; `failed` that this is no mere lack of a grant.
    """

    removed: int = 0
    stays: Mapping[str, int] = field(default_factory=dict)
    not_known: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a clean-up did, or would do."""

    instance: str
    running: bool
    dry_run: bool
    kinds: Mapping[Leftover, Swept]
    fixtures_removed: bool = False

    @property
    def failed(self) -> bool:
        """Whether the database or Redis could not be asked."""
        return any(swept.failed for swept in self.kinds.values())

    def with_fixtures_removed(self) -> Report:
        """The same, and the fixtures are gone too."""
        return replace(self, fixtures_removed=True)


@dataclass(frozen=True, slots=True)
class _Thing:
    """Something of ours, with all that is known of it; `marked`: it has a mark in the database."""

    trace: Trace
    order: Order | None = None
    message: AwaitedWebhook | None = None
    marked: bool = False

    def decided(self, limits: Limits) -> SweepVerdict:
        return may_go(self.trace, limits)


async def clean_up(
    config: Config, contract: Contract, journal: JournalFile | None, holder: Holder | None, *, dry_run: bool
) -> Report:
    """Remove what may go. `holder`: who else works in our data_dir, None when the lock on it is ours.

    `journal` is None where there is none yet. Raises JournalError when it cannot be read or written.
    """
    cleanup = _Cleanup(config, contract, journal, holder, dry_run=dry_run)
    kinds: dict[Leftover, Swept] = {}
    witness = target_witness(config)
    if witness is not None:
        try:
            kinds |= await cleanup.rows(witness, Marks(witness, config.instance))
        finally:
            await witness.close()
    if config.probes.redis.enabled:
        kinds[Leftover.KEYS] = await cleanup.keys()
    return Report(instance=config.instance, running=holder is not None, dry_run=dry_run, kinds=kinds)


async def remove_fixtures(config: Config, contract: Contract) -> None:
    """Remove the synthetic retailer and every synthetic vendor of this instance. Raises NotCleanedError."""
    statements, witness = contract.race.remove_fixtures, target_witness(config)
    if witness is None:
        raise NotCleanedError("no database is configured (probes.database.dsn), so there are no fixtures")
    try:
        if not statements:
            raise NotCleanedError(
                f"the contract {contract.name!r} does not say how fixtures are removed; add race.remove_fixtures"
            )
        mark = Mark(config.instance)
        values = {"retailer_id": mark.retailer, "vendor_ids": [*mark.vendors(MOST_VENDORS), mark.late_vendor]}
        await witness.run(statements, values, timeout=ASK_TIMEOUT)
    except NotAskable as why:
        raise NotCleanedError(f"the fixtures could not be removed: {why.detail}") from why
    finally:
        await witness.close()


class _Cleanup:
    def __init__(
        self,
        config: Config,
        contract: Contract,
        journal: JournalFile | None,
        holder: Holder | None,
        *,
        dry_run: bool,
    ) -> None:
        self._config = config
        self._contract = contract
        self._journal = journal
        self._holder = holder
        self._dry_run = dry_run
        self._suite_dead = False
        self._mark = Mark(config.instance)
        probes = config.probes
        self._limits = Limits.of(
            longest_timeout=max(probes.race.timeout, probes.webhook.timeout),
            deadline=probes.webhook.processing_deadline,
            orphan_age=config.cleanup.orphan_age,
        )

    async def rows(self, witness: Witness, marks: Marks) -> dict[Leftover, Swept]:
        """Remove orders and messages."""
        try:
            # Before the journal: what is marked later is in it by then.
            found = await marks.found(timeout=ASK_TIMEOUT)
            # After the marks were read: a suite that begins later has none among them.
            self._suite_dead = not suite_lives(self._config.data_dir)
            left = Left() if self._journal is None else self._journal.ask(_question())
            orders = await self._orders(
                witness, marks, _orders(self._of_journal(left), found, marks, suite_dead=self._suite_dead)
            )
            messages = await self._messages(marks, _messages(self._of_journal(left), found, marks))
            messages = await self._with_loads(messages, witness)
        except NotAskable as why:
            return dict.fromkeys((Leftover.ORDERS, Leftover.MESSAGES), Swept(not_known=why.detail, failed=True))
        return {Leftover.ORDERS: orders, Leftover.MESSAGES: messages}

    async def _with_loads(self, messages: Swept, witness: Witness) -> Swept:
        """The same, with those of load runs that were killed: they are in ledgers instead of the journal."""
        try:
            swept = await sweep_dead_runs(self._config, self._contract, witness, dry_run=self._dry_run)
        except OSError as error:
            return replace(messages, not_known=f"{error.filename}: {error.strerror}", failed=True)
        return replace(messages, removed=messages.removed + swept.messages)

    async def keys(self) -> Swept:
        """Remove keys of our instance that no run in flight has."""
        section = self._config.probes.redis
        address = redis_address(section)
        ours = OurKeys(address, self._config.instance)
        try:
            found = await ours.find()
            keys = found.keys
            if keys and self._holder is not None:
                # A run has its key for as long as its timeout at most: what is there for longer is of none.
                await asyncio.sleep(section.timeout + KEY_MARGIN)
                keys &= (await ours.find()).keys
            if not self._dry_run:
                await ours.delete(keys)
        except Exception as error:  # whatever a server does is named below
            failure = redis_failure(error, str(address))
            denied = failure.outcome is Outcome.DENIED
            return Swept(not_known=failure.detail + (MAY_NOT_LOOK if denied else ""), failed=not denied)
        not_known = (
            "" if found.whole else "Redis is too large to be looked through whole; keys expire by themselves"
        )
        return Swept(removed=len(keys), not_known=not_known)

    def _of_journal(self, left: Left) -> tuple[_Thing, ...]:
        """What our own journal knows of."""
        at = now()
        orders = [
            _Thing(
                self._own(Leftover.ORDERS, mark.at, at, evidence=False),
                order=self._mark.order_called(mark.id, mark.run_id),
            )
            for mark in left.marks
            if mark.kind == Leftover.ORDERS
        ]
        messages = [
            _Thing(
                self._own(
                    Leftover.MESSAGES, each.intended, at, evidence=each.accepted is not None and not each.settled
                ),
                message=each,
            )
            for each in left.awaited
        ]
        return (*orders, *messages)

    def _own(self, kind: Leftover, made: Instant, at: Instant, *, evidence: bool) -> Trace:
        holder = self._holder
        dead = holder is None or (holder.began is not None and made.mono < holder.began.mono)
        # A daemon sees to every message that it finds in the journal, and to the orders of its own life.
        followed = holder is not None and (kind is Leftover.MESSAGES or not dead)
        return Trace(kind=kind, own=True, age=at.mono - made.mono, dead=dead, followed=followed, evidence=evidence)

    async def _orders(self, witness: Witness, marks: Marks, things: Iterable[_Thing]) -> Swept:
        removed, stays, entries = 0, Counter[str](), list[Entry]()
        for thing in things:
            order, verdict = thing.order, thing.decided(self._limits)
            if order is None or not verdict.goes:
                stays[verdict.why] += thing.marked
                continue
            before = await witness.count(self._contract.race.leftovers, order.values, timeout=ASK_TIMEOUT)
            after = 0
            if not self._dry_run:
                await marks.remove_order(order, self._contract.race.cleanup, timeout=ASK_TIMEOUT)
                after = await witness.count(self._contract.race.leftovers, order.values, timeout=ASK_TIMEOUT)
            if after:
                stays["has rows that the contract's cleanup does not remove"] += 1
                continue
            removed += bool(before) or thing.marked
            # What is young may still get rows: the next start looks once more.
            if thing.trace.age > self._limits.deadline:
                entries.append(Cleaned(kind=Leftover.ORDERS, id=order.id))
        self._keep(entries)
        return Swept(removed=removed, stays=+stays)

    async def _messages(self, marks: Marks, things: Sequence[_Thing]) -> Swept:
        stays, going = Counter[str](), dict[str, _Thing]()
        for thing in things:
            verdict = thing.decided(self._limits)
            if thing.message is None or not verdict.goes:
                stays[verdict.why] += thing.marked
            else:
                going[thing.message.message_sid] = thing
        if not self._dry_run:
            for group in grouped(thing.message for thing in going.values() if thing.message is not None):
                for first in range(0, len(group), BATCH):
                    await self._remove(marks, [going[m.message_sid] for m in group[first : first + BATCH]])
        # What was removed at an orderly end stands in the journal still, and has no mark any more.
        return Swept(removed=sum(thing.marked for thing in going.values()), stays=+stays)

    async def _remove(self, marks: Marks, things: Sequence[_Thing]) -> None:
        """Remove messages that one query can name, and let the journal know."""
        messages = [thing.message for thing in things if thing.message is not None]
        sids = [message.message_sid for message in messages]
        traces = self._contract.webhook.traces(messages[0].mode, repeated=messages[0].repeated)
        await marks.remove_messages(sids, traces.cleanup, query_values(messages), timeout=ASK_TIMEOUT)
        at = now()
        unsettled = [t.message for t in things if t.trace.evidence and t.message is not None]
        self._keep(
            [
                *(_not_known(message, at) for message in unsettled if not message.lost),
                *(Forgotten(message_sid=sid) for sid in sids),
            ]
        )

    def _keep(self, entries: Sequence[Entry]) -> None:
        # Beside a daemon the journal is its own.
        if entries and self._journal is not None and self._holder is None and not self._dry_run:
            self._journal.write([Write((entry,)) for entry in entries], (), synced=True)


def _question() -> partial[Left]:
    return partial(read_left, now=now(), boot_id=read_boot_id())


def _orders(known: Iterable[_Thing], found: FoundMarks, marks: Marks, *, suite_dead: bool) -> list[_Thing]:
    """Every order that may stand, from the journal and from the marks; the age by the database's clock."""
    things = {thing.order.id: thing for thing in known if thing.order is not None}
    for mark in found.marks:
        if mark.order is not None:
            dead = suite_dead and marks.are_of_suite(mark.owner)
            thing = _marked(things.get(mark.id), mark.age, mark.kind, dead or marks.are_of(mark.owner))
            trace = replace(thing.trace, dead=True) if dead else thing.trace
            things[mark.id] = replace(thing, trace=trace, order=mark.order)
    return _as_marked(things.values(), found)


def _messages(known: Iterable[_Thing], found: FoundMarks, marks: Marks) -> list[_Thing]:
    """Every message that may have rows, in the same way."""
    things = {thing.message.message_sid: thing for thing in known if thing.message is not None}
    for mark in found.marks:
        if mark.message is not None:
            before = things.get(mark.id)
            marked = _marked(before, mark.age, mark.kind, marks.are_of(mark.owner))
            things[mark.id] = marked if before is not None else replace(marked, message=mark.message)
    return _as_marked(things.values(), found)


def _marked(before: _Thing | None, age: float, kind: Leftover, own: bool) -> _Thing:
    if before is None:
        return _Thing(Trace(kind=kind, own=own, age=age), marked=True)
    return replace(before, trace=replace(before.trace, age=age), marked=True)


def _as_marked(things: Iterable[_Thing], found: FoundMarks) -> list[_Thing]:
    """Without a table of marks everything counts that the journal knows."""
    return [thing if found.kept else replace(thing, marked=True) for thing in things]


def _not_known(message: AwaitedWebhook, at: Instant) -> WebhookSettled:
    return WebhookSettled(
        message_sid=message.message_sid,
        run_id=message.run_id,
        settlement=Settlement.NOT_KNOWN,
        at=at,
        delay=None,
        effects=0,
        sentence=f"webhook {message.message_sid}: accepted, but nobody looked for its effect before its rows were "
        "removed for their age",
    )
