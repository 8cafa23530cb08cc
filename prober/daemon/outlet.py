"""Where facts leave the prober process: the journal, the web process, the log. They decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from prober.clock import now
from prober.daemon.suites.taken import Taken, suite_race, violation_of
from prober.event import (
    CapHit,
    Event,
    JournalFailed,
    Leading,
    Outage,
    OutageChanged,
    ProbeRan,
    ProbeSkipped,
    ServiceRestarted,
    SuiteFinished,
    SuiteRunning,
    SuiteSkipped,
    ViolationFound,
    WebhookSettled,
    WritesRestricted,
)
from prober.outcome import Leftover, OutageState, Outcome, ProbeName, Settlement
from prober.publish.journal.entries import Cleaned, Forgotten, Intended, JournalNews, JournalRecovered
from prober.publish.journal.journal import Journal
from prober.result import AwaitedWebhook, RaceResult, Result, WebhookCheckResult

log = structlog.get_logger()

# A failure that goes on is written down this often (seconds), however fast it is probed.
SAME_NEWS_EVERY = 1.0


class Sink(Protocol):
    """Takes events without ever blocking: the link to the web process, or nothing in a `check`."""

    def send(self, event: Event) -> None:
        """Take one event."""
        ...


class Outlet:
    """Publishes events, and keeps what must survive in the journal before it is published."""

    def __init__(self, journal: Journal, sink: Sink) -> None:
        self._journal = journal
        self._sink = sink
        self._told: dict[ProbeName, Result] = {}
        # Who counts violations is told when they are in the journal.
        self.found: Callable[[ViolationFound], None] = _nobody

    def publish(self, event: Event) -> None:
        """Let one fact out; returns at once."""
        match event:
            case ProbeRan(result=result):
                if self._is_news(result):
                    _write_log(event)
                    self._journal.record(result)
                self._sink.send(event)
                return
            case OutageChanged(outage=outage) if outage is not None:
                self._journal.record(outage)
            case WebhookSettled() | ServiceRestarted():
                self._journal.record(event)
        _write_log(event)
        self._sink.send(event)

    def given_up(self, outage: Outage) -> None:
        """Keep the end of an outage that is watched no longer, so that no later start goes on with it."""
        self._journal.record(outage)

    async def violation(self, found: ViolationFound) -> None:
        """Keep a violation, then publish it: a crash between the two loses nothing."""
        await self._journal.write_now(found)
        self.publish(found)
        self.found(found)

    async def suite(self, found: Taken) -> None:
        """Keep a run of a suite with the violations and the evidence it found, then publish what is new."""
        known = await self._journal.known_violations([violation.id for violation in found.violations])
        await self._journal.write_now(found.finished, *found.evidence, *found.violations, timeout=5.0)
        for violation in found.violations:
            if violation.id not in known:
                self.publish(violation)
                self.found(violation)
        self.publish(found.finished)

    async def suite_violation(self, race: RaceResult, suite_run: str) -> None:
        """Keep the evidence of a race of a suite that convicts, and the violation; then publish that."""
        found = violation_of(race)
        await self._journal.write_now(suite_race(race, suite_run), found)
        self.publish(found)
        self.found(found)

    async def expect(self, webhook: AwaitedWebhook) -> None:
        """Keep a message that is about to exist, or has just been accepted or called lost."""
        await self._journal.write_now(webhook)

    async def expect_order(self, run_id: str, order_id: str) -> None:
        """Keep the mark of an order that is about to exist."""
        await self._journal.write_now(Intended(kind=Leftover.ORDERS, id=order_id, run_id=run_id, at=now()))

    async def forget(self, webhooks: Sequence[AwaitedWebhook]) -> None:
        """Nothing is left of these messages."""
        for webhook in webhooks:
            self._journal.record(Forgotten(message_sid=webhook.message_sid))

    async def cleaned(self, order_id: str) -> None:
        """Nothing is left of this order."""
        self._journal.record(Cleaned(kind=Leftover.ORDERS, id=order_id))

    def _is_news(self, result: Result) -> bool:
        """Whether to keep and tell of this result: during an outage fifty a second say the same.

        A race, a check and a forged message taken are evidence, each of its own.
        """
        if isinstance(result, RaceResult | WebhookCheckResult) or result.outcome is Outcome.FORGED_ACCEPTED:
            return True
        before = self._told.get(result.probe)
        goes_on = before is not None and before.outcome is result.outcome and not result.ok
        if before is not None and goes_on and result.started.mono - before.started.mono < SAME_NEWS_EVERY:
            return False
        self._told[result.probe] = result
        return True


def _nobody(_: ViolationFound) -> None:
    """Nobody counts."""


def tell_journal_news(sink: Sink, news: JournalNews) -> None:
    """Say that the journal fails, or works again; probing goes on either way."""
    match news:
        case JournalFailed():
            log.error("journal failed", reason=news.reason, detail=news.detail)
            sink.send(news)
        case JournalRecovered():
            log.warning("journal works again", seconds=round(news.seconds, 1), detail=news.detail)


def _write_log(event: Event) -> None:
    match event:
        case OutageChanged(state=OutageState.UP, outage=None):
            log.warning("outage not watched to its end", probe=event.probe, detail=event.sentence)
        case OutageChanged(state=OutageState.UP):
            log.warning("outage over", probe=event.probe, detail=event.sentence)
        case OutageChanged():
            log.error("outage", probe=event.probe, state=event.state, detail=event.sentence)
        case ViolationFound():
            log.error("violation", id=event.id, kind=event.kind, detail=event.sentence)
        case WebhookSettled(settlement=Settlement.DONE):
            log.debug("effect seen", detail=event.sentence)
        case WebhookSettled():
            log.warning("webhook settled", settlement=event.settlement, detail=event.sentence)
        case ServiceRestarted():
            log.warning("service restarted", service=event.service, detail=event.detail)
        case WritesRestricted() | CapHit() | Leading():
            _log_allowance(event)
        case SuiteFinished() | SuiteRunning() | SuiteSkipped():
            _log_suite(event)
        case ProbeSkipped() | ProbeRan():
            _log_run(event)


def _log_suite(event: SuiteFinished | SuiteRunning | SuiteSkipped) -> None:
    match event:
        case SuiteFinished():
            log.info("suite", suite=event.suite, scenario=event.scenario, run=event.run_id, detail=event.sentence)
        case SuiteRunning(suite=None):
            log.info("no suite runs")
        case SuiteRunning():
            log.info("a suite runs", suite=event.suite, scenario=event.scenario, run=event.run_id)
        case SuiteSkipped():
            log.warning(
                "a scheduled suite was not run",
                suite=event.suite,
                scenario=event.scenario,
                reason=event.reason,
                detail=event.detail,
            )


def _log_allowance(event: WritesRestricted | CapHit | Leading) -> None:
    match event:
        case WritesRestricted():
            log.warning("writes", detail=event.sentence)
        case CapHit(detail=detail) if detail:
            log.error("a request beyond its permit was not sent", probe=event.probe, detail=detail)
        case Leading(leading=True) if event.sentence:
            log.warning("this replica writes", fence=event.fence, detail=event.sentence)
        case Leading() if event.sentence:
            log.warning("this replica does not write", detail=event.sentence)


def _log_run(event: ProbeSkipped | ProbeRan) -> None:
    match event:
        case ProbeSkipped():
            log.info("runs skipped", probe=event.probe, reason=event.reason, count=event.count)
        case ProbeRan(result=result) if not result.ok:
            log.info("probe failed", probe=result.probe, outcome=result.outcome, detail=result.detail)
        case ProbeRan(result=result):
            log.debug("probe", probe=result.probe, ms=round(result.duration * 1000, 2), detail=result.detail)
