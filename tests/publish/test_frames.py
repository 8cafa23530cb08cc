"""What may cross the link to the web process: the shared vocabulary and nothing else."""

from __future__ import annotations

import pytest

from prober.clock import Instant
from prober.config.model import Environment
from prober.event import LoopLag, Started
from prober.outcome import ProbeName, Violation
from prober.publish.frames import BrokenFrameError, FrameReader, pickled, unpickled


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
    for event in (started("demo"), LoopLag(seconds=0.1, at=Instant(1.0, 2.0))):
        assert unpickled(payload(event)) == event


def test_what_would_pull_the_config_into_the_web_process_is_refused() -> None:
    with pytest.raises(BrokenFrameError, match=r"prober\.config\.model"):
        unpickled(payload(started(Environment.DEMO)))
