"""Races as the probe returns them, for the tests of the suite."""

from __future__ import annotations

from prober.clock import Instant
from prober.outcome import Ask, Claim, Outcome, ProbeName, RaceOutcome
from prober.result import RaceHistory, RaceResult, VendorAnswer

WALL = 1_800_000_000.0


def race(
    outcome: RaceOutcome = RaceOutcome.ONE_WINNER, seconds: float | None = 0.1, run_id: str = "r1"
) -> RaceResult:
    answers = tuple(
        VendorAnswer(
            vendor_id=f"v{number}",
            sent=0.001,
            answered=0.001 + 0.01 * number,
            claim=Claim.WON if number == 1 else Claim.LOST,
            code=200,
            outcome=Outcome.OK,
            told="200",
            ask=Ask.RACE,
        )
        for number in (1, 2)
    )
    return RaceResult(
        probe=ProbeName.RACE,
        run_id=run_id,
        started=Instant(0.0, WALL),
        duration=seconds or 0.0,
        outcome=Outcome.OK,
        race_outcome=outcome,
        sentence=f"it was {outcome}",
        routing_id=f"routing-{run_id}",
        order_id=f"order-{run_id}",
        released=Instant(0.5, WALL + 0.5),
        history=RaceHistory(answers=answers),
        race_duration=seconds,
    )
