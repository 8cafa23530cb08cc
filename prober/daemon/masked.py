"""The way to the web process, with the secrets taken out of every sentence: its pages show what a target said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prober.daemon.outlet import Sink
from prober.event import (
    Event,
    OutageChanged,
    ProbeRan,
    Reloaded,
    SuiteFinished,
    SuiteSkipped,
    ViolationFound,
    ViolationsStand,
    WebhookSettled,
)
from prober.result import RaceResult, WebhookCheckResult


class MaskedSink:
    """Hands events on. What comes out of the journal (`Started`, reasons) was masked when it went in."""

    def __init__(self, sink: Sink, redact: Callable[[str], str]) -> None:
        self._sink = sink
        self._redact = redact

    def send(self, event: Event) -> None:
        """Take one event; returns at once."""
        self._sink.send(self._masked(event))

    def _masked(self, event: Event) -> Event:
        redact = self._redact
        match event:
            case ProbeRan(result=RaceResult() as race):
                answers = tuple(replace(answer, told=redact(answer.told)) for answer in race.history.answers)
                history = replace(race.history, answers=answers)
                sentence, detail = redact(race.sentence), redact(race.detail)
                return replace(event, result=replace(race, history=history, sentence=sentence, detail=detail))
            case ProbeRan(result=WebhookCheckResult() as check):
                attempts = tuple(replace(attempt, told=redact(attempt.told)) for attempt in check.attempts)
                return replace(event, result=replace(check, attempts=attempts, detail=redact(check.detail)))
            case ProbeRan(result=result) if result.detail:
                return replace(event, result=replace(result, detail=redact(result.detail)))
            case OutageChanged(outage=outage):
                if outage is not None:
                    outage = replace(outage, detail=redact(outage.detail))
                return replace(event, outage=outage, sentence=redact(event.sentence))
            case ViolationFound() | WebhookSettled():
                return replace(event, sentence=redact(event.sentence))
            case SuiteFinished(notes=notes):
                return replace(event, sentence=redact(event.sentence), notes=tuple(map(redact, notes)))
            case SuiteSkipped():
                return replace(event, detail=redact(event.detail))
            case Reloaded(problems=problems):
                return replace(event, problems=tuple(map(redact, problems)))
            case ViolationsStand():
                newest = tuple(
                    replace(one, found=replace(one.found, sentence=redact(one.found.sentence)))
                    for one in event.newest
                )
                return replace(event, newest=newest)
            case _:
                return event
