"""What may cross the link to the web process: the shared vocabulary and nothing else."""

from __future__ import annotations

import pytest

from prober.clock import Instant
from prober.config.model import Environment
from prober.event import LoopLag, Reloaded, Started
from prober.outcome import ProbeName, Violation
from prober.publish.frames import (
    BrokenFrameError,
    Failed,
    FrameReader,
    Ready,
    Reconfigure,
    ReloadAsked,
    Word,
    pickled,
    read_upward,
    unpickled,
    upward,
)
from prober.web.settings import WebSettings


def payload(message: object) -> bytes:
    (read,) = FrameReader().feed(pickled(message))
    return read


def started(environment: str) -> Started:
    return Started(
        instance="test",
        at=Instant(1.0, 2.0),
        environment=environment,
        probes={ProbeName.REDIS: 1.0},
        queues=("q",),
        datname=None,
        recovery_hold=600.0,
        violations={Violation.NO_WINNER: 1},
    )


def test_events_come_through_as_they_are() -> None:
    reloaded = Reloaded(at=Instant(1.0, 2.0), asked=(1,), now=started("demo"), elsewhere=(ProbeName.REDIS,))
    reconfigure = Reconfigure(web=WebSettings(users={"u": "hash"}, reload=True))
    for event in (started("demo"), reloaded, reconfigure, LoopLag(seconds=0.1, at=Instant(1.0, 2.0))):
        assert unpickled(payload(event)) == event


def test_what_would_pull_the_config_into_the_web_process_is_refused() -> None:
    with pytest.raises(BrokenFrameError, match=r"prober\.config\.model"):
        unpickled(payload(started(Environment.DEMO)))


@pytest.mark.parametrize(
    "word", [Ready(host="::1", port=9877, tls=True), Failed(sentence="no"), ReloadAsked(id=7)], ids=str
)
def test_words_come_up_as_they_were_said(word: Word) -> None:
    (said,) = FrameReader().feed(upward(word))
    assert read_upward(said) == word


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[]",
        b'{"is": "ReloadAsked"}',
        b'{"is": "ReloadAsked", "id": "1"}',
        b'{"is": "Reloaded", "id": 1}',
    ],
)
def test_nothing_else_can_be_said_to_the_process_with_the_secrets(said: bytes) -> None:
    with pytest.raises(BrokenFrameError, match="expected Ready, Failed or ReloadAsked"):
        read_upward(said)
