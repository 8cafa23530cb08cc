"""One drill from its first message to its last effect: the fault in between is undone however it ends."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from prober.config.model import Config
from prober.daemon.assembly import target_client, target_witness
from prober.faults.driver import FaultError
from prober.faults.guardian import Guardian
from prober.faults.ledger import Ledger, LedgerError
from prober.faults.undoing import undo_standing
from prober.outcome import Ending, Mode, Service
from prober.probes.witness import Witness
from prober.suites.drill.beside import at_work
from prober.suites.drill.breaking import Breaking
from prober.suites.drill.choosing import Chosen, Wanted, check_place, choose, through_proxies
from prober.suites.drill.documenting import Run, Times, measured
from prober.suites.drill.following import Following
from prober.suites.drill.parts import Parts, from_number_of, ids_of, parts_of
from prober.suites.drill.plan import STEPS, messages_of
from prober.suites.drill.service_watch import ServiceWatch, ended_at
from prober.suites.drill.telling import Telling
from prober.suites.drill.traffic import Traffic
from prober.suites.drill.vanishing import PATIENCE, Vanishing
from prober.suites.ledger import Ledger as MessageLedger
from prober.suites.load.reconciling import remove_rows
from prober.suites.load.rows import Rows
from prober.suites.results_drill import Rollbacks
from prober.suites.running import CouldNotRunError, Measured, Session, UsageError
from prober.suites.scenarios import DrillScenario

WELL_TIMEOUT = 20.0  # seconds for both services to answer before anything is broken
RECOVERY_TIMEOUT = 60.0  # seconds for the service to come back once the fault is undone
INTERRUPTED_WAIT = 2.0  # seconds for effects, when somebody wants it to end


class Drill:
    """One drill of one service. `rate` in messages a second."""

    def __init__(
        self, session: Session, service: Service, scenario: DrillScenario, *, rate: float, scale: float
    ) -> None:
        self._session = session
        self._config: Config = session.settings.config
        self._contract = session.settings.contract
        self._service = service
        self._scenario = scenario
        self._rate = rate
        self._scale = scale
        self._telling = Telling(session.plan.command, scenario.duration)
        self._times = Times()
        self._ending = Ending.COMPLETE
        self._failure = ""
        self._notes: list[str] = []
        self._vanishing: Vanishing | None = None

    async def run(self) -> Measured:
        """Do it. Raises CouldNotRunError and UsageError; nothing stands then that we have made."""
        if self._scenario.before * self._rate < 1 or self._scenario.during * self._rate < 1:
            raise UsageError(
                f"{self._scenario.before:g} s before and {self._scenario.during:g} s during the fault are too "
                f"short for {self._rate:g} messages a second; raise --duration, --scale or --rate"
            )
        check_place(self._config, self._service)
        wanted = Wanted(
            service=self._service,
            run_id=self._session.run_id,
            lasts=self._scenario.during,
            scale=self._scale,
        )
        chosen = choose(self._config, self._contract, STEPS[self._service, self._scenario.name], wanted)
        ledger = Ledger(self._config.data_dir)
        async with self._guarded(ledger) as guardian:
            way = self._way(chosen)
            return await self._with_parts(Breaking(ledger, guardian, way, self._telling.say), chosen, way)

    @asynccontextmanager
    async def _guarded(self, ledger: Ledger) -> AsyncIterator[Guardian]:
        """Alone in this data_dir, nothing standing, and with a guardian beside."""
        try:
            if not ledger.take():
                raise CouldNotRunError(
                    f"another drill is under way in {self._config.data_dir}, or is being undone"
                )
        except OSError as error:
            raise CouldNotRunError(
                f"{error.filename}: {error.strerror}; a drill writes down what it breaks"
            ) from None
        guardian = Guardian(self._session.plan.config, ledger)
        try:
            if not await undo_standing(ledger, self._config, self._telling.say):
                raise CouldNotRunError("what an earlier drill broke is not undone; nothing more is broken before")
            yield guardian
        except (FaultError, LedgerError) as error:
            gone = "" if self._vanishing is None else self._vanishing.gone
            raise CouldNotRunError(f"{gone}; {error}" if gone else str(error)) from None
        finally:
            # Cancelled, it is left with what stands: it undoes that, whether we are there or not.
            await guardian.dismiss()
            ledger.release()

    def _way(self, chosen: Sequence[Chosen]) -> Config:
        """The config of one who sees the fault."""
        behind = any(each.behind_proxy for each in chosen)
        if behind:
            self._notes.append(
                f"the fault is on the way to {self._service}, at our proxy; {self._service} was watched through it"
            )
        return through_proxies(self._config, self._service) if behind else self._config

    async def _with_parts(self, breaking: Breaking, chosen: Sequence[Chosen], way: Config) -> Measured:
        witness = target_witness(self._config)
        if witness is None:
            raise CouldNotRunError(
                "no database is configured (probes.database): nothing could be followed to its end"
            )
        parts = parts_of(self._session, self._service, self._rate, way=way, witness=witness)
        try:
            return await self._beside(parts, breaking, chosen, witness)
        finally:
            if parts.queues is not None:
                parts.queues.close()
            await witness.close()

    def _ledger_of_messages(self) -> MessageLedger:
        try:
            return MessageLedger(
                self._config.data_dir,
                instance=self._config.instance,
                run_id=self._session.run_id,
                mode=self._config.probes.webhook.mode,
                from_number=from_number_of(self._config),
            )
        except OSError as error:
            raise CouldNotRunError(
                f"{error.filename}: {error.strerror}; what is sent is written down first"
            ) from None

    async def _beside(
        self, parts: Parts, breaking: Breaking, chosen: Sequence[Chosen], witness: Witness
    ) -> Measured:
        """The drill itself, with everything that watches at work beside it."""
        self._vanishing = vanishing = self._watch_for_the_end(parts)
        async with at_work(parts.watch.forever(), parts.following.forever(), vanishing.forever()):
            well, _ = await asyncio.gather(parts.watch.all_well(WELL_TIMEOUT), breaking.guard())
            if not well:
                raise CouldNotRunError(
                    f"before anything was broken: {parts.watch.trouble or 'no probe of both services ended well'}"
                )
            self._telling.say(
                f"{self._scenario.before:g} s before, {self._scenario.during:g} s under the fault, "
                f"{self._scenario.after:g} s after, {self._rate:g} messages a second"
            )
            ledger = self._ledger_of_messages()
            rollbacks: Rollbacks | None = None
            try:
                await parts.traffic.prepare(
                    messages_of(self._scenario, self._rate), ledger, witness, self._contract.webhook
                )
                for each in chosen:
                    if each.step.aside:
                        await breaking.make(each)
                if parts.transactions is not None:
                    await parts.transactions.start()
                end = await self._traffic_flows(parts, breaking, chosen)
                if parts.transactions is not None and not vanishing.gone:
                    rollbacks = await parts.transactions.result()
                await self._followed(parts.following)
            except asyncio.CancelledError:
                raise  # whoever wants to leave at once leaves the faults to the guardian
            except BaseException:
                await self._undone(breaking)
                await self._clean(parts, breaking, witness, ledger)
                raise
            await self._undone(breaking)
            await self._clean(parts, breaking, witness, ledger)
        return measured(
            Run(
                session=self._session,
                service=self._service,
                scenario=self._scenario.name,
                rate=self._rate,
                times=self._times,
                end=end,
                ending=Ending.FAILED if vanishing.gone else self._ending,
                failure=self._failure,
                gone=vanishing.gone,
                notes=tuple(self._notes),
            ),
            parts,
            breaking.made,
            rollbacks,
        )

    def _watch_for_the_end(self, parts: Parts) -> Vanishing:
        endpoint = target_client(self._config).endpoint
        watch = parts.watch
        return Vanishing(endpoint, watch.others, lambda: watch.others_down, self._session.stop.ask)

    async def _traffic_flows(self, parts: Parts, breaking: Breaking, chosen: Sequence[Chosen]) -> float:
        """Traffic, and the fault in it; when the traffic ended."""
        self._times.start = start = time.monotonic()
        work: list[Coroutine[Any, Any, None]] = [parts.traffic.forever(start), self._telling.forever(start)]
        if parts.transactions is not None:
            work.append(parts.transactions.forever())
        if parts.queues is not None:
            work.append(parts.queues.forever())
        async with at_work(*work):
            try:
                await self._timeline(parts, breaking, chosen)
            finally:
                if not _is_cancelled():
                    await self._undone(breaking, asides=False)
            end = time.monotonic()
        await parts.traffic.finished()
        if parts.queues is not None:
            await parts.queues.last()
        return end

    def _may_come(self, traffic: Traffic) -> float:
        """For how long (seconds) the target may still try to process what it took."""
        last = max((sent.answered for sent in traffic.sent), default=-math.inf)
        return last + self._config.probes.webhook.processing_deadline - time.monotonic()

    async def _settled_claims(self, traffic: Traffic) -> bool:
        """Wait until the target can look for no claim any more; False where somebody wants it to end before.

        A message whose claim has gone is a new one, with all its effects.
        """
        left = self._may_come(traffic)
        if left <= 0:
            return True
        self._telling.say(f"leaving the claims of its messages for {left:.1f} s more, until none can be processed")
        return not await self._session.stop.wait(left)

    async def _timeline(self, parts: Parts, breaking: Breaking, chosen: Sequence[Chosen]) -> None:
        """Before, under the fault, after: each as long as wanted, unless somebody wants it to end."""
        times, scenario = self._times, self._scenario
        self._telling.doing = "before the fault"
        if await self._wait_until(times.start + scenario.before):
            return
        self._check_before(parts.traffic)
        times.fault = fault = time.monotonic()
        for each in sorted((c for c in chosen if not c.step.aside), key=lambda c: c.step.begins):
            if await self._wait_until(fault + scenario.during * each.step.begins):
                return
            await breaking.make(each)
            self._telling.doing = f"under the fault: {each.driver.fault}"
        if await self._wait_until(fault + scenario.during):
            return
        await self._undone(breaking, asides=False)
        self._telling.doing = f"waiting for {self._service}"
        await self._recovered(parts.watch)
        self._telling.doing = "after the fault"
        await self._wait_until(time.monotonic() + scenario.after)

    def _check_before(self, traffic: Traffic) -> None:
        """Break nothing where nothing works."""
        if any(sent.accepted for sent in traffic.sent):
            return
        told = sorted({f"{sent.outcome}{f' ({sent.code})' if sent.code else ''}" for sent in traffic.sent})
        raise CouldNotRunError(
            f"nothing was broken, since none of {len(traffic.sent)} messages was accepted before: "
            f"{', '.join(told) or 'no answer came'}; `prober doctor` says what mends that"
        )

    async def _recovered(self, watch: ServiceWatch) -> None:
        """Wait until the service is back by our own probes, and note since when it is."""
        times = self._times
        if times.undoing is None or times.fault is None:
            return
        recovered = await self._session.stop.unless(watch.recovered(RECOVERY_TIMEOUT))
        if recovered is None:
            return
        if not recovered:
            times.gave_up_after = time.monotonic() - times.undoing
            self._notes.append(
                f"{self._service} was not seen to be back {times.gave_up_after:.0f} s after the fault was undone"
            )
            return
        ends = [ended_at(outage) for outage in watch.outages if ended_at(outage) >= times.fault]
        times.recovered = max([times.undoing, *ends])

    async def _undone(self, breaking: Breaking, *, asides: bool = True) -> None:
        """Undo what stands. What cannot be undone makes the drill a failed one; its ledger and guardian stay."""
        standing = [made for made in breaking.standing if asides or not made.chosen.step.aside]
        if not standing:
            return
        if self._times.undoing is None and any(not made.chosen.step.aside for made in standing):
            self._times.undoing = time.monotonic()
        if self._session.stop.asked:
            self._telling.say(f"{self._session.stop.reason}; undoing {len(standing)} fault(s) first")
        try:
            await breaking.undo(standing, self._patience)
        except FaultError as error:
            self._ending, self._failure = Ending.FAILED, f"a fault is NOT UNDONE: {error}"

    def _patience(self) -> float:
        """How long (seconds) something may be tried to be undone at most, as things are now."""
        return PATIENCE if self._vanishing is not None and self._vanishing.gone else math.inf

    async def _wait_until(self, instant: float) -> bool:
        """Wait; whether somebody wants the drill to end."""
        stopped = await self._session.stop.wait(max(0.0, instant - time.monotonic()))
        if stopped and self._ending is Ending.COMPLETE:
            self._ending = Ending.INTERRUPTED
        return stopped

    async def _followed(self, following: Following) -> None:
        """Wait for the end of every message."""
        self._telling.doing = "following messages to their end"
        if self._ending is Ending.COMPLETE:
            self._telling.say("following every accepted message to its end")
            await self._session.stop.unless(following.all_settled())
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERRUPTED_WAIT):
                    await following.all_settled()

    async def _clean(self, parts: Parts, breaking: Breaking, witness: Witness, ledger: MessageLedger) -> None:
        """Remove every row of ours; where one may still come, the ledger stays for a later sweep."""
        mode = self._config.probes.webhook.mode
        if mode is Mode.NO_SIDE_EFFECTS and not await self._settled_claims(parts.traffic):
            ledger.close()
            self._notes.append("its claims stay for now; a daemon, or `prober cleanup`, removes them later")
            return
        rows = Rows(self._contract.webhook, witness, ids_of(self._session), mode, from_number_of(self._config))
        removal = await remove_rows(rows, parts.traffic.prepared)
        certain = parts.following.all_known and all(sent.code is not None for sent in parts.traffic.sent)
        # What was done as something broke is done once more where the target never heard that it was.
        again = bool(breaking.made) and self._may_come(parts.traffic) > 0
        if removal.left == 0 and certain and not again:
            ledger.forget()
            return
        ledger.close()
        why = removal.why or "of some messages something may still come"
        self._notes.append(f"{why}; a daemon, or `prober cleanup`, looks for rows of this drill once more")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
