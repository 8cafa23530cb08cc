"""Every way in which Redis says no has its name, and no sentence is empty."""

from __future__ import annotations

import pytest

from prober.outcome import Outcome
from prober.probes.redis_outcome import SentinelError, WrongValueError, redis_failure
from prober.probes.resp import ClosedError, GarbageError, Refusal, RefusedError, TooLargeError

SAID = [
    ("OOM command not allowed when used memory > 'maxmemory'.", "SET", Outcome.OOM),
    ("READONLY You can't write against a read only replica.", "SET", Outcome.READONLY),
    ("MASTERDOWN Link with MASTER is down", "GET", Outcome.READONLY),
    ("LOADING Redis is loading the dataset in memory", "PING", Outcome.LOADING),
    ("MISCONF Redis is configured to save RDB snapshots", "SET", Outcome.MISCONF),
    ("NOAUTH Authentication required.", "PING", Outcome.AUTH),
    ("WRONGPASS invalid username-password pair or user is disabled.", "AUTH", Outcome.AUTH),
    ("ERR AUTH <password> called without any password configured", "AUTH", Outcome.AUTH),
    ("NOPERM this user has no permissions to run the 'set' command", "SET", Outcome.DENIED),
    ("DENIED Redis is running in protected mode", "connecting", Outcome.DENIED),
    ("ERR max number of clients reached", "connecting", Outcome.TOO_MANY_CONNECTIONS),
    ("NOREPLICAS Not enough good replicas to write.", "SET", Outcome.ERROR),
    ("MOVED 3999 127.0.0.1:6381", "SET", Outcome.ERROR),
    ("ERR unknown command", "PING", Outcome.ERROR),
]


@pytest.mark.parametrize(("said", "doing", "outcome"), SAID, ids=[said.split(".")[0][:30] for said, _, _ in SAID])
def test_a_refusal_has_its_name(said: str, doing: str, outcome: Outcome) -> None:
    failure = redis_failure(RefusedError(Refusal(said), doing), "Redis at host:1")
    assert failure.outcome is outcome
    assert doing in failure.detail
    assert said.split()[0] in failure.detail


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TimeoutError(), Outcome.TIMEOUT),
        (ClosedError(), Outcome.CLOSED),
        (GarbageError("expected a RESP2 answer, got b'x'"), Outcome.GARBAGE),
        (TooLargeError("much"), Outcome.TOO_LARGE),
        (WrongValueError("GET: expected b'1', got nothing"), Outcome.WRONG_VALUE),
        (ConnectionRefusedError(111, "refused"), Outcome.REFUSED),
        (SentinelError("s1 refused", ConnectionRefusedError(111, "refused")), Outcome.REFUSED),
        (SentinelError("s1 does not know a master 'm'", None), Outcome.ERROR),
        (RuntimeError("a fault of ours"), Outcome.ERROR),
    ],
)
def test_an_exception_has_its_name(error: Exception, outcome: Outcome) -> None:
    failure = redis_failure(error, "Redis at host:1")
    assert failure.outcome is outcome
    assert failure.detail
