"""Finds what lost probers left, of any instance, by the marks in the database, and hands it to who removes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from prober.daemon.sweep.orders import OrderSweep
from prober.judge.sweep import Limits, Trace, may_go
from prober.probes.base import Permission
from prober.probes.effects import EffectWatch
from prober.probes.marks import FoundMark, Marks
from prober.probes.witness import NotAskable
from prober.suites.load.sweeping import SweptRuns

log = structlog.get_logger()

# Seconds between two looks (one small query), and after one that could not be done.
EVERY = 60.0
RETRY = 5.0
ASK_TIMEOUT = 5.0


class OrphanSweep:
    """Looks through all marks every minute; who made a thing and still lives is never disturbed.

    `suite_lives` tells whether a suite runs with our data_dir. Only who may write looks: where replicas are
    elected it also finishes what the holder before it has left.
    """

    def __init__(
        self,
        marks: Marks,
        limits: Limits,
        permission: Permission,
        *,
        orders: OrderSweep,
        effects: EffectWatch,
        loads: Callable[[], Awaitable[SweptRuns]],
        suite_lives: Callable[[], bool],
    ) -> None:
        """`loads` removes what load runs of this data_dir have left that were killed."""
        self._suite_lives = suite_lives
        self._marks = marks
        self.limits = limits
        self._permission = permission
        self._orders = orders
        self._effects = effects
        self._loads = loads

    async def forever(self) -> None:
        """Look until cancelled."""
        while True:
            pause = EVERY
            try:
                await self.look()
            except NotAskable:
                pause = RETRY
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Look once, if what is found may be removed; NotAskable if that cannot be done now."""
        if self._permission.refusal() is not None:
            return
        found = await self._marks.found(timeout=ASK_TIMEOUT)
        # After the marks were read: a suite that begins later has none among them.
        suite_dead = not self._suite_lives()
        if found.strange:
            log.warning("marks that no prober writes are left alone", count=found.strange)
        for mark in found.marks:
            verdict = may_go(self._trace(mark, suite_dead), self.limits)
            if not verdict.goes:
                continue
            log.info("an orphan is removed", kind=mark.kind, id=mark.id, of=mark.owner, because=verdict.why)
            if mark.order is not None:
                self._orders.adopt([mark.order], once_more_after=self.limits.deadline)
            if mark.message is not None:
                # Followed without being accepted: nothing is judged by it, its rows go after the deadline.
                self._effects.follow([mark.message], orphans=True)
        await self._look_for_loads()

    async def _look_for_loads(self) -> None:
        try:
            swept = await self._loads()
        except OSError as error:
            log.warning("the ledgers of load runs cannot be read", detail=f"{error.filename}: {error.strerror}")
            return
        if swept.messages:
            log.info("what a load run left is removed", messages=swept.messages, runs=swept.runs)

    def _trace(self, mark: FoundMark, suite_dead: bool) -> Trace:
        dead = suite_dead and self._marks.are_of_suite(mark.owner)
        return Trace(
            kind=mark.kind,
            own=dead or self._marks.are_of(mark.owner),
            age=mark.age,
            dead=dead,
            followed=self._orders.follows(mark.id) or self._effects.follows(mark.id),
        )
