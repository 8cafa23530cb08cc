"""The judge of a race: a table of histories, and a correct target that is never convicted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.judge.race import agrees, judge_race
from prober.outcome import RACE_VIOLATIONS, Ask, Claim, Outcome, RaceOutcome
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


# What is asked once a race is won.


def ask(kind: Ask, vendor: str, claim: Claim, code: int = 200) -> VendorAnswer:
    return VendorAnswer(
        vendor_id=vendor,
        sent=0.1,
        answered=0.11,
        claim=claim,
        code=code,
        outcome=Outcome.OK,
        told="told",
        ask=kind,
    )


def won_by_a(*later: VendorAnswer, **known: Any) -> RaceHistory:
    """A race that a won rightly, and what came after it."""
    known = {"rows": rows("a", "a"), "rows_after": rows("a", "a"), **known}
    return RaceHistory(answers=(*answers(WON, LOST, LOST), *later), **known)


AGAIN, LATE, SECOND = Ask.AGAIN, Ask.LATE, Ask.SECOND
ONE, PHANTOM = RaceOutcome.ONE_WINNER, RaceOutcome.PHANTOM_WINNER
STUBBORN, TARDY, SPLIT = RaceOutcome.NOT_IDEMPOTENT, RaceOutcome.LATE_WINNER, RaceOutcome.SPLIT_ORDER

AFTERWARDS = [
    ("again, the same", won_by_a(ask(AGAIN, "a", ALREADY)), ONE),
    ("again, won as the guide has it", won_by_a(ask(AGAIN, "a", WON)), ONE),
    ("again, denied", won_by_a(ask(AGAIN, "a", LOST)), STUBBORN),
    ("again, a conflict", won_by_a(ask(AGAIN, "a", REFUSED, 409)), STUBBORN),
    ("again, no such routing", won_by_a(ask(AGAIN, "a", REFUSED, 400)), STUBBORN),
    ("again, perhaps no such route", won_by_a(ask(AGAIN, "a", REFUSED, 404)), ONE),
    ("again and late, no such route", won_by_a(ask(AGAIN, "a", REFUSED, 404), ask(LATE, "z", REFUSED, 404)), ONE),
    ("again, not allowed to ask", won_by_a(ask(AGAIN, "a", REFUSED, 403)), ONE),
    ("again, no answer", won_by_a(ask(AGAIN, "a", SILENT)), ONE),
    ("again, limited", won_by_a(ask(AGAIN, "a", LIMITED)), ONE),
    ("again, a 500", won_by_a(ask(AGAIN, "a", FAILED)), ONE),
    ("again, denied, no witness", won_by_a(ask(AGAIN, "a", LOST), rows_after=None), ONE),
    ("again, denied, order gone", won_by_a(ask(AGAIN, "a", LOST), rows_after=rows(None, exists=False)), ONE),
    ("late, lost", won_by_a(ask(LATE, "z", LOST)), ONE),
    ("late, won", won_by_a(ask(LATE, "z", WON)), TARDY),
    ("late, won, no witness", won_by_a(ask(LATE, "z", WON), rows_after=None), TARDY),
    (
        "late, no answer, but it has the lock",
        won_by_a(ask(LATE, "z", SILENT), rows_after=rows("z", "a", "z")),
        TARDY,
    ),
    ("late, lost, but written down", won_by_a(ask(LATE, "z", LOST), rows_after=rows("a", "a", "z")), TARDY),
    ("late, a 500", won_by_a(ask(LATE, "z", FAILED)), ONE),
    ("late, lost, order gone", won_by_a(ask(LATE, "z", LOST), rows_after=rows(None, exists=False)), ONE),
    ("second routing, lost", won_by_a(ask(SECOND, "b", LOST), second_rows=rows(None)), ONE),
    ("second routing, conflict", won_by_a(ask(SECOND, "b", REFUSED, 409), second_rows=rows(None)), ONE),
    ("second routing, won", won_by_a(ask(SECOND, "b", WON), second_rows=rows("b", "b")), SPLIT),
    ("second routing, won, no witness", won_by_a(ask(SECOND, "b", WON)), SPLIT),
    (
        "second routing, no answer, but locked",
        won_by_a(ask(SECOND, "b", SILENT), second_rows=rows("b", "b")),
        SPLIT,
    ),
    ("second routing, no answer", won_by_a(ask(SECOND, "b", SILENT), second_rows=rows(None)), ONE),
    ("the page agrees", won_by_a(page_winner="a"), ONE),
    ("the page names another", won_by_a(page_winner="b"), PHANTOM),
]


@pytest.mark.parametrize(("history", "expected"), [t[1:] for t in AFTERWARDS], ids=[t[0] for t in AFTERWARDS])
def test_verdicts_on_what_is_asked_afterwards(history: RaceHistory, expected: RaceOutcome) -> None:
    verdict = judge_race(history)
    assert verdict.outcome is expected, verdict.sentence
    assert len(verdict.sentence) > 20


def test_nothing_is_asked_of_a_race_that_nobody_won() -> None:
    history = RaceHistory(answers=(*answers(SILENT, SILENT), ask(LATE, "z", WON)), rows=rows(None))
    assert judge_race(history).outcome is RaceOutcome.UNAVAILABLE


# A model of the target: it decides under a lock, writes down, then answers through a network that loses answers.
Defect = RaceOutcome | None


class Model:
    """The routing of one order as the target has it, correct but for one planted defect."""

    def __init__(self, defect: Defect) -> None:
        self.defect = defect
        self.lock: str | None = None
        self.accepted: list[str] = []

    def accept(self, vendor: str, kind: Ask) -> Claim:
        """Decide one accept."""
        if self.defect is RaceOutcome.NO_WINNER:
            return LOST
        if self.lock is None:
            self.lock = "stranger" if self.defect is PHANTOM else vendor
            self.accepted.append(self.lock)
            return WON
        if self.lock == vendor:
            return LOST if self.defect is STUBBORN else ALREADY
        doubles = self.defect is RaceOutcome.MULTIPLE_WINNERS and kind is Ask.RACE
        if doubles or (self.defect is TARDY and kind is LATE):
            self.lock = vendor
            self.accepted.append(vendor)
            return WON
        return LOST

    def rows(self) -> RaceRows:
        return rows(self.lock, *self.accepted)


lossy = st.sampled_from([None, None, None, SILENT, FAILED, Claim.UNREADABLE, LIMITED])
# What never reaches the target: silence, and what others answer in its place, as one without such a route does.
astray = st.sampled_from([(SILENT, 0), (LIMITED, 429), (FAILED, 502), (REFUSED, 404), (REFUSED, 403)])


@st.composite
def histories(draw: st.DrawFn, defect: Defect, *, reliable: bool) -> RaceHistory:
    """A whole race against the model, over a network that loses answers unless it is `reliable`."""
    model, second = Model(defect), Model(None)
    contenders = "abcdefgh"[: draw(st.integers(2, 8))]
    told: dict[str, VendorAnswer] = {}

    def asked(of: Model, kind: Ask, vendor: str) -> VendorAnswer:
        if reliable:
            return ask(kind, vendor, of.accept(vendor, kind))
        if draw(st.booleans()):
            claim = of.accept(vendor, kind)
            return ask(kind, vendor, draw(lossy) or claim)
        return ask(kind, vendor, *draw(astray))

    for vendor in draw(st.permutations(contenders)):
        told[vendor] = asked(model, Ask.RACE, vendor)
    asked_race = tuple(told[vendor] for vendor in contenders)
    witnessed = reliable or draw(st.booleans())
    seen = model.rows() if witnessed else None
    if seen is None or judge_race(RaceHistory(answers=asked_race, rows=seen)).outcome is not ONE:
        return RaceHistory(answers=asked_race, rows=seen)
    winner = str(seen.locked_vendor)
    later = [asked(model, AGAIN, winner), asked(model, LATE, "z")]
    after = model.rows() if reliable or draw(st.booleans()) else None
    if defect is not SPLIT:
        second.lock = winner  # one lock for the whole order
    other = next(vendor for vendor in contenders if vendor != winner)
    later.append(asked(second, SECOND, other))
    of_second = rows(second.lock if defect is SPLIT else None, *second.accepted)
    return RaceHistory(
        answers=(*asked_race, *later),
        rows=seen,
        rows_after=after,
        second_rows=of_second if reliable or draw(st.booleans()) else None,
    )


@settings(max_examples=1000)
@given(histories(None, reliable=False))
def test_a_correct_model_never_convicts(history: RaceHistory) -> None:
    verdict = judge_race(history)
    assert not verdict.outcome.is_violation, verdict.sentence


@given(histories(None, reliable=True))
def test_a_correct_model_that_answers_has_one_winner(history: RaceHistory) -> None:
    assert judge_race(history).outcome is ONE


@pytest.mark.parametrize("defect", sorted(RACE_VIOLATIONS))
@given(data=st.data())
def test_one_planted_defect_is_always_named_when_the_witnesses_see_it(
    defect: RaceOutcome, data: st.DataObject
) -> None:
    verdict = judge_race(data.draw(histories(defect, reliable=True)))
    assert verdict.outcome is defect, verdict.sentence


@pytest.mark.parametrize("defect", sorted(RACE_VIOLATIONS))
@given(data=st.data())
def test_a_defect_behind_a_lossy_network_is_named_rightly_or_not_at_all(
    defect: RaceOutcome, data: st.DataObject
) -> None:
    verdict = judge_race(data.draw(histories(defect, reliable=False)))
    # A lock for a stranger that nobody was told of is one that belongs to nobody.
    also = {RaceOutcome.NO_WINNER} if defect is PHANTOM else set()
    assert not verdict.outcome.is_violation or verdict.outcome in {defect, *also}, verdict.sentence
