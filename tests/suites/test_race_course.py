"""The loop around the races: when it ends, and what it says of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

from prober.cap import Demand
from prober.gate import Permit
from prober.outcome import RaceOutcome, SkipReason
from prober.probes.base import Run, Unrestricted
from prober.result import RaceResult
from prober.suites.race.course import GIVE_UP_AFTER, Course, run_course
from prober.suites.stop import Stop
from tests.suites.races import race


class Scripted:
    """Races whose outcomes are given."""

    def __init__(self, outcomes: Iterator[RaceOutcome]) -> None:
        self._outcomes = outcomes
        self.permits: list[Permit] = []

    async def run(self, run: Run) -> RaceResult:
        self.permits.append(run.permit)
        return race(next(self._outcomes), run_id=run.id)


class PausedAfter(Unrestricted):
    """A permission that is taken away after so many questions."""

    def __init__(self, questions: int) -> None:
        self._left = questions

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        self._left -= 1
        return SkipReason.PAUSED if self._left < 0 else None


async def course(
    outcomes: Iterator[RaceOutcome] | Sequence[RaceOutcome],
    races: int,
    *,
    stop: Stop | None = None,
    stop_after: int | None = None,
    permission: Unrestricted | None = None,
) -> tuple[Course, Scripted]:
    probe, ends, told = Scripted(iter(outcomes)), stop or Stop(), list[RaceResult]()

    async def permits() -> Permit:
        return Permit(Demand(routing=1), None)

    async def raced(result: RaceResult) -> None:
        told.append(result)
        if len(told) == stop_after:
            ends.ask("stopped by SIGINT")

    found = await run_course(
        probe,
        races,
        timeout=1.0,
        permits=permits,
        permission=permission or Unrestricted(),
        ends=ends,
        raced=raced,
    )
    assert list(found.races) == told
    assert all(permit.left(family) == 0 for permit in probe.permits for family in ("routing",))  # type: ignore[arg-type]
    return found, probe


async def test_all_races_are_run_each_by_an_id_of_its_own() -> None:
    found, _ = await course(repeat(RaceOutcome.ONE_WINNER), 7)
    assert (len(found.races), found.why_ended, found.given_up) == (7, "", False)
    assert len({one.run_id for one in found.races}) == 7


async def test_it_ends_in_order_when_that_is_asked_for() -> None:
    found, _ = await course(repeat(RaceOutcome.ONE_WINNER), 7, stop_after=3)
    assert (len(found.races), found.why_ended, found.given_up) == (3, "stopped by SIGINT", False)


async def test_a_pause_holds_the_next_race_back() -> None:
    found, _ = await course(repeat(RaceOutcome.ONE_WINNER), 7, permission=PausedAfter(2))
    assert (len(found.races), found.why_ended) == (2, "stopped because writes are held back (paused)")


async def test_races_without_a_verdict_end_it_when_nothing_else_comes() -> None:
    found, _ = await course(repeat(RaceOutcome.UNAVAILABLE), 100)
    assert (len(found.races), found.given_up) == (GIVE_UP_AFTER, True)
    one_in_ten = [RaceOutcome.UNKNOWN] * (GIVE_UP_AFTER - 1) + [RaceOutcome.ONE_WINNER]
    found, _ = await course(one_in_ten * 3, 3 * GIVE_UP_AFTER)
    assert (len(found.races), found.given_up) == (3 * GIVE_UP_AFTER, False)
