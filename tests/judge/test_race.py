"""The judge of a race: a table of histories, and a correct target that is never convicted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.judge.race import agrees, judge_race
from prober.outcome import RACE_VIOLATIONS, Claim, Outcome, RaceOutcome
from prober.result import RaceHistory, RaceRows, VendorAnswer

WON, LOST, ALREADY = Claim.WON, Claim.LOST, Claim.ALREADY_WON
REFUSED, LIMITED, FAILED, SILENT = Claim.REFUSED, Claim.RATE_LIMITED, Claim.FAILED, Claim.NO_ANSWER


def answers(*claims: Claim) -> tuple[VendorAnswer, ...]:
    return tuple(
        VendorAnswer(
            vendor_id=name, sent=0.0, answered=0.01, claim=claim, code=200, outcome=Outcome.OK, told="told"
        )
        for name, claim in zip("abcdefgh", claims, strict=False)
    )


def rows(locked: str | None, *accepted: str, exists: bool = True) -> RaceRows:
    return RaceRows(locked_vendor=locked, accepted_vendors=accepted, routing_exists=exists)


TABLE = [
    ("won and recorded", [WON, LOST, LOST], rows("a", "a"), RaceOutcome.ONE_WINNER),
    ("two told", [WON, WON, LOST], rows("a", "a"), RaceOutcome.MULTIPLE_WINNERS),
    ("two told, no witness", [WON, WON, LOST], None, RaceOutcome.MULTIPLE_WINNERS),
    ("two told, one of them limited", [WON, WON, LIMITED], rows("a", "a"), RaceOutcome.MULTIPLE_WINNERS),
    ("two rows", [WON, LOST, LOST], rows("a", "a", "b"), RaceOutcome.MULTIPLE_WINNERS),
    ("two rows, nobody answered", [SILENT, SILENT], rows("a", "a", "b"), RaceOutcome.MULTIPLE_WINNERS),
    ("told, locked for another", [WON, LOST], rows("b", "b"), RaceOutcome.PHANTOM_WINNER),
    ("told, nothing locked", [WON, LOST], rows(None), RaceOutcome.PHANTOM_WINNER),
    ("told, locked, no row", [WON, LOST], rows("a"), RaceOutcome.PHANTOM_WINNER),
    ("told, the row is another's", [WON, LOST], rows("a", "b"), RaceOutcome.PHANTOM_WINNER),
    ("told, no witness", [WON, LOST], None, RaceOutcome.UNKNOWN),
    ("all lost, no lock", [LOST, LOST], rows(None), RaceOutcome.NO_WINNER),
    ("all lost, no witness", [LOST, LOST], None, RaceOutcome.NO_WINNER),
    ("all lost, locked for a loser", [LOST, LOST], rows("a", "a"), RaceOutcome.NO_WINNER),
    ("locked for a stranger", [LOST, SILENT], rows("z", "z"), RaceOutcome.NO_WINNER),
    ("the winner's answer was lost", [SILENT, LOST], rows("a", "a"), RaceOutcome.ONE_WINNER),
    ("the winner got a 500", [FAILED, LOST], rows("a", "a"), RaceOutcome.ONE_WINNER),
    ("the winner got a 500, no row", [FAILED, LOST], rows("a"), RaceOutcome.UNKNOWN),
    ("nobody answered, no lock", [SILENT, SILENT], rows(None), RaceOutcome.UNAVAILABLE),
    ("one failed, no lock", [FAILED, LOST], rows(None), RaceOutcome.UNAVAILABLE),
    ("nobody answered, no witness", [SILENT, SILENT], None, RaceOutcome.UNKNOWN),
    ("garbage, no lock", [Claim.UNREADABLE, LOST], rows(None), RaceOutcome.UNAVAILABLE),
    ("all limited", [LIMITED, LIMITED], rows(None), RaceOutcome.RATE_LIMITED),
    ("one limited, one won", [LIMITED, WON], rows("b", "b"), RaceOutcome.ONE_WINNER),
    ("one limited, none won", [LIMITED, LOST], rows(None), RaceOutcome.RATE_LIMITED),
    ("all refused", [REFUSED, REFUSED], rows(None), RaceOutcome.SETUP_FAILED),
    ("refused but locked", [REFUSED, LOST], rows("a", "a"), RaceOutcome.ONE_WINNER),
    ("the routing is gone", [WON, LOST], rows(None, exists=False), RaceOutcome.UNKNOWN),
]


@pytest.mark.parametrize(("claims", "seen", "expected"), [t[1:] for t in TABLE], ids=[t[0] for t in TABLE])
def test_verdicts(claims: list[Claim], seen: RaceRows | None, expected: RaceOutcome) -> None:
    verdict = judge_race(RaceHistory(answers=answers(*claims), rows=seen))
    assert verdict.outcome is expected
    assert len(verdict.sentence) > 20


@st.composite
def correct_races(draw: st.DrawFn) -> tuple[tuple[VendorAnswer, ...], RaceRows | None]:
    """A target that keeps its promise, seen through a network that loses and limits answers."""
    contenders = draw(st.integers(2, 8))
    reached = [draw(st.booleans()) for _ in range(contenders)]
    present: list[int | None] = [n for n, there in enumerate(reached) if there]
    winner = draw(st.sampled_from(present or [None]))
    claims = []
    for n in range(contenders):
        truth = WON if n == winner else LOST
        if not reached[n]:
            claims.append(draw(st.sampled_from([SILENT, LIMITED, FAILED])))
        else:
            claims.append(draw(st.sampled_from([truth, truth, SILENT, FAILED, Claim.UNREADABLE])))
    name = None if winner is None else "abcdefgh"[winner]
    seen = rows(name, *([name] if name else []))
    return answers(*claims), draw(st.sampled_from([seen, seen, None]))


@given(correct_races())
def test_a_correct_target_is_never_convicted(race: tuple[tuple[VendorAnswer, ...], RaceRows | None]) -> None:
    given_answers, seen = race
    verdict = judge_race(RaceHistory(answers=given_answers, rows=seen))
    assert verdict.outcome not in RACE_VIOLATIONS, verdict.sentence


@given(correct_races(), st.data())
def test_a_second_winner_is_always_convicted(
    race: tuple[tuple[VendorAnswer, ...], RaceRows | None], data: st.DataObject
) -> None:
    given_answers, _ = race
    told = data.draw(st.sets(st.integers(0, len(given_answers) - 1), min_size=2))
    claims = [WON if n in told else answer.claim for n, answer in enumerate(given_answers)]
    verdict = judge_race(
        RaceHistory(answers=answers(*claims), rows=data.draw(st.sampled_from([None, rows("a", "a")])))
    )
    assert verdict.outcome is RaceOutcome.MULTIPLE_WINNERS


@pytest.mark.parametrize(
    ("claims", "seen", "expected"),
    [
        ([WON, LOST], rows("a", "a"), True),
        ([WON, LOST], rows("a"), False),
        ([WON, LOST], rows(None), False),
        ([LOST, LOST], rows(None), False),
        ([SILENT, SILENT], rows(None), True),
        ([SILENT, LOST], rows("a", "a"), True),
        ([SILENT, LOST], rows("a"), False),
        ([WON, WON], rows("a", "a"), True),
    ],
)
def test_rows_are_read_again_until_they_fit(claims: list[Claim], seen: RaceRows, expected: bool) -> None:
    assert agrees(answers(*claims), seen) is expected
