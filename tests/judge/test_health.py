"""A page lies when it claims health while a service it covers has been down for longer than the grace."""

from __future__ import annotations

import pytest

from prober.clock import Instant
from prober.judge.health import GRACE, lies
from prober.outcome import Outcome, ProbeName
from prober.result import PageAnswer

COVERS = {"/health": (ProbeName.DATABASE, ProbeName.REDIS), "/live": ()}


def page(path: str, healthy: bool | None) -> PageAnswer:
    return PageAnswer(path=path, code=200, outcome=Outcome.OK, claims_healthy=healthy, duration=0.01)


@pytest.mark.parametrize(
    ("claims", "down_for", "expected"),
    [
        (True, GRACE + 1, ("/health",)),
        (True, GRACE - 1, ()),
        (False, GRACE + 1, ()),
        (None, GRACE + 1, ()),
    ],
)
def test_a_page_is_held_against_our_probes(
    claims: bool | None, down_for: float, expected: tuple[str, ...]
) -> None:
    down = {ProbeName.DATABASE: Instant(100.0 - down_for, 0.0)}
    assert lies([page("/health", claims)], COVERS, down, Instant(100.0, 0.0)) == expected


def test_a_page_need_not_admit_what_it_does_not_cover() -> None:
    down = {ProbeName.DATABASE: Instant(0.0, 0.0)}
    assert lies([page("/live", True), page("/other", True)], COVERS, down, Instant(100.0, 0.0)) == ()
