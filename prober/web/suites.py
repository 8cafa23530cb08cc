"""Turning what suites came to into metrics, and into the document of `/api/v1/suites`."""

from __future__ import annotations

from collections.abc import Iterable

from prober.event import SuiteFinished, SuiteRunning, SuiteSkipped
from prober.outcome import Measure, Suite, Verdict
from prober.publish.journal.stored import StoredSuite
from prober.web.catalogue import suites as catalogue
from prober.web.series import Series

# The coding of `prober_suite_last_verdict`, best first as the enum has it.
VERDICTS = {verdict: number for number, verdict in enumerate(Verdict)}


class SuiteRecorder:
    """Updates `series` by what suites came to; of two runs of a scenario the one that ended later counts."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._ended: dict[tuple[Suite, str], float] = {}

    def begin(self, suites: Iterable[SuiteFinished]) -> None:
        """Show what the journal has."""
        for finished in suites:
            self.finished(finished)

    def finished(self, event: SuiteFinished) -> None:
        """Take in one run."""
        key = (event.suite, event.scenario)
        if event.ended_wall < self._ended.get(key, event.ended_wall):
            return
        self._ended[key] = event.ended_wall
        for measure in Measure:
            verdict = event.verdicts.get(measure)
            self._series.put(catalogue.SUITE_RESULT, event.measures.get(measure), *key, measure)
            self._series.put(
                catalogue.SUITE_VERDICT, None if verdict is None else VERDICTS[verdict], *key, measure
            )
        self._series.put(catalogue.SUITE_AT, event.ended_wall, *key)

    def running(self, event: SuiteRunning) -> None:
        """Take in which suite runs now."""
        for suite in Suite:
            self._series.put(catalogue.SUITE_RUNNING, suite is event.suite, suite)

    def skipped(self, event: SuiteSkipped) -> None:
        """Count one that was not run."""
        self._series.add(catalogue.SUITE_SKIPPED, event.suite, event.reason)


def suites_document(page: Iterable[StoredSuite], limit: int) -> dict[str, object]:
    """One page of `/api/v1/suites`, newest first; `next` is the `before` of the page after it, null at the end."""
    stored = tuple(page)
    return {
        "suites": [_stored(one) for one in stored],
        "next": stored[-1].seq if len(stored) == limit else None,
    }


def _stored(one: StoredSuite) -> dict[str, object]:
    return {
        "run_id": one.run_id,
        "suite": one.suite,
        "scenario": one.scenario,
        "started": one.started_wall,
        "ended": one.ended_wall,
        "duration_seconds": one.duration,
        "ending": one.ending,
        "verdict": one.verdict,
        "sentence": one.sentence,
        **one.summary,
    }


def finished_document(event: SuiteFinished) -> dict[str, object]:
    """The last run of a scenario, as `/api/v1/status` has it."""
    return {
        "run_id": event.run_id,
        "suite": str(event.suite),
        "scenario": event.scenario,
        "ended": event.ended_wall,
        "ending": str(event.ending),
        "verdict": None if event.verdict is None else str(event.verdict),
        "sentence": event.sentence,
    }


def running_document(event: SuiteRunning | None) -> dict[str, object] | None:
    """The suite that runs now; None where none does."""
    if event is None or event.suite is None:
        return None
    return {
        "suite": str(event.suite),
        "scenario": event.scenario,
        "run_id": event.run_id,
        "began": event.began_wall,
    }
