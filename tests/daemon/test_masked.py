"""No secret reaches the web process in a sentence, whichever event carries it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from prober.config.secrets import Redactor
from prober.daemon.masked import MaskedSink
from prober.event import (
    Event,
    LoopLag,
    Reloaded,
    StandingViolation,
    ViolationFound,
    ViolationsStand,
    WebhookSettled,
)
from prober.outcome import OutageState, Outcome, Settlement, Standing, Violation
from prober.result import RaceHistory
from tests.web.event_samples import answer, at, changed, outage, race, ran, redis, webhook

SECRET = "hunter2-of-the-token"
SAID = f"401 the token {SECRET} is wrong"
FOUND = ViolationFound(id="split_order-1", kind=Violation.SPLIT_ORDER, at=at(1), sentence=SAID)


class Kept:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self.events.append(event)


def sent(event: Event) -> Event:
    kept = Kept()
    MaskedSink(kept, Redactor([SECRET])).send(event)
    (only,) = kept.events
    return only


@pytest.mark.parametrize(
    "event",
    [
        ran(redis(outcome=Outcome.ERROR, detail=SAID)),
        ran(webhook(detail=SAID)),
        ran(race(sentence=SAID, detail=SAID, history=RaceHistory(answers=(answer(told=SAID), answer())))),
        replace(changed(OutageState.DOWN, replace(outage(), detail=SAID)), sentence=SAID),
        FOUND,
        Reloaded(at=at(1), problems=(SAID,)),
        ViolationsStand(
            at=at(1),
            open={},
            known={},
            newest=(StandingViolation(found=FOUND, standing=Standing.OPEN, until_wall=5.0),),
        ),
        WebhookSettled(
            message_sid="SM",
            run_id="run",
            settlement=Settlement.LOST,
            at=at(1),
            delay=None,
            effects=0,
            sentence=SAID,
        ),
    ],
    ids=lambda event: type(getattr(event, "result", event)).__name__,
)
def test_secrets_are_masked(event: Event) -> None:
    assert SECRET in str(event)
    masked = sent(event)
    assert SECRET not in str(masked)
    assert SECRET.encode() not in pickle.dumps(masked)
    assert "the token *** is wrong" in str(masked)


@pytest.mark.parametrize("event", [ran(redis()), LoopLag(seconds=0.1, at=at(1))])
def test_what_holds_no_text_is_handed_on_as_it_is(event: Event) -> None:
    assert sent(event) is event
