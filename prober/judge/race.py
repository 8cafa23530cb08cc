"""The judge of one race: what every vendor was told and what the database says, in; outcome and sentence, out.

Exactly one winner means (TARGET, "Vendor routing"): the lock is set once, exactly one response row is
accepted, and it is the vendor that was told it won. A violation is only called where a witness proves it;
lost answers make `unknown` or `unavailable`, never a violation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prober.outcome import Claim, RaceOutcome
from prober.result import RaceRows, VendorAnswer

DEFINITE = frozenset({Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED})
_WINNING = frozenset({Claim.WON, Claim.ALREADY_WON})


@dataclass(frozen=True, slots=True)
class RaceVerdict:
    """What the judge says, and why in a sentence."""

    outcome: RaceOutcome
    sentence: str


def judge_race(answers: Sequence[VendorAnswer], rows: RaceRows | None) -> RaceVerdict:
    """Judge a race by its answers and its rows; `rows` is None when the database could not be asked.

    The rows were read after the last answer (or the timeout) and read again until they agreed with the
    answers or the time to settle was over: what they say here is final.
    """
    told = tuple(a.vendor_id for a in answers if a.claim in _WINNING)
    if len(told) > 1:
        return RaceVerdict(
            RaceOutcome.MULTIPLE_WINNERS,
            f"{len(told)} of {len(answers)} vendors were told they had won: {_names(told)}; "
            f"expected exactly one. {_rows_say(rows)}",
        )
    if rows is not None and len(set(rows.accepted_vendors)) > 1:
        return RaceVerdict(
            RaceOutcome.MULTIPLE_WINNERS,
            f"the database holds accepted responses of {len(set(rows.accepted_vendors))} vendors: "
            f"{_names(rows.accepted_vendors)}; expected exactly one. {_answers_say(answers)}",
        )
    if rows is not None and not rows.routing_exists:
        return RaceVerdict(
            RaceOutcome.UNKNOWN, "the routing row was gone when the database was asked: nothing can be said"
        )
    if told:
        return _one_told(told[0], answers, rows)
    return _none_told(answers, rows)


def agrees(answers: Sequence[VendorAnswer], rows: RaceRows) -> bool:
    """Whether reading the rows again could not help: they fit the answers, or prove a second winner."""
    told = {a.vendor_id for a in answers if a.claim in _WINNING}
    accepted = set(rows.accepted_vendors)
    if len(accepted) > 1 or len(told) > 1:
        return True
    if told:
        return rows.locked_vendor in told and accepted == told
    if rows.locked_vendor is not None:
        return accepted == {rows.locked_vendor}
    return not any(a.claim in DEFINITE for a in answers)


def _one_told(winner: str, answers: Sequence[VendorAnswer], rows: RaceRows | None) -> RaceVerdict:
    if rows is None:
        return RaceVerdict(
            RaceOutcome.UNKNOWN,
            f"{winner} was told it won, but the database could not be asked whether that is so",
        )
    if rows.locked_vendor == winner and rows.accepted_vendors == (winner,):
        others = _answers_say(answers)
        return RaceVerdict(
            RaceOutcome.ONE_WINNER, f"{winner} won by its answer, by the lock and by the rows. {others}"
        )
    return RaceVerdict(RaceOutcome.PHANTOM_WINNER, f"{winner} was told it won, but {_rows_say(rows, start=False)}")


def _none_told(answers: Sequence[VendorAnswer], rows: RaceRows | None) -> RaceVerdict:
    claims = [a.claim for a in answers]
    by_vendor = {a.vendor_id: a for a in answers}
    locked = rows.locked_vendor if rows is not None else None
    if locked is not None and rows is not None:
        holder = by_vendor.get(locked)
        if holder is None or holder.claim is Claim.LOST:
            who = "no contender of this race" if holder is None else "a vendor that was told it had lost"
            return RaceVerdict(
                RaceOutcome.NO_WINNER, f"the order is locked for {locked}, {who}: nobody knows it won"
            )
        if rows.accepted_vendors != (locked,):
            return RaceVerdict(
                RaceOutcome.UNKNOWN,
                f"nobody was told it won ({holder.vendor_id}: {holder.claim}), {_rows_say(rows, start=False)}",
            )
        return RaceVerdict(
            RaceOutcome.ONE_WINNER,
            f"{locked} won by the lock and by the rows; its own answer was {holder.claim} ({holder.told}). "
            f"{_answers_say(answers)}",
        )
    if Claim.RATE_LIMITED in claims:
        return RaceVerdict(
            RaceOutcome.RATE_LIMITED, f"the target limited our rate. {_answers_say(answers)}: no verdict"
        )
    if all(claim is Claim.REFUSED for claim in claims):
        return RaceVerdict(
            RaceOutcome.SETUP_FAILED,
            f"every accept was refused ({answers[0].told if answers else 'no contender'}): the target does "
            "not know this routing, its vendors or this path; compare the contract with the target",
        )
    if all(claim in DEFINITE for claim in claims):
        return RaceVerdict(
            RaceOutcome.NO_WINNER,
            f"all {len(answers)} vendors got a definite no. {_rows_say(rows)}; expected exactly one winner",
        )
    if rows is None:
        return RaceVerdict(
            RaceOutcome.UNKNOWN,
            f"{_answers_say(answers)}, and the database could not be asked: nothing can be said",
        )
    return RaceVerdict(
        RaceOutcome.UNAVAILABLE,
        f"the target did not answer every vendor and no lock was taken. {_answers_say(answers)}: no verdict",
    )


def _names(vendors: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(vendors))


def _rows_say(rows: RaceRows | None, *, start: bool = True) -> str:
    if rows is None:
        return f"{'T' if start else 't'}he database could not be asked"
    lock = f"locked for {rows.locked_vendor}" if rows.locked_vendor else "not locked"
    accepted = _names(rows.accepted_vendors) or "nobody"
    return f"{'T' if start else 't'}he database says: {lock}, accepted by {accepted}"


def _answers_say(answers: Sequence[VendorAnswer]) -> str:
    counts: dict[Claim, int] = {}
    for answer in answers:
        counts[answer.claim] = counts.get(answer.claim, 0) + 1
    said = ", ".join(f"{n} {claim.replace('_', ' ')}" for claim, n in counts.items())
    return f"Answers: {said or 'none'}"
