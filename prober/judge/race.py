"""The judge of one race: the whole history of it in, an outcome and a sentence of evidence out.

Exactly one winner means (TARGET, "Vendor routing"): the lock is set once, exactly one response row is
accepted, and it is the vendor that was told it won. A violation is only called where a witness proves it;
lost answers make `unknown` or `unavailable`, never a violation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prober.outcome import Ask, Claim, RaceOutcome
from prober.result import RaceHistory, RaceRows, VendorAnswer

DEFINITE = frozenset({Claim.WON, Claim.LOST, Claim.ALREADY_WON, Claim.REFUSED})
# Refusals that say that the vendor has not won. A 401 or 403 says that we may not ask, and a 404 may come from a
# gateway or an instance that has no such route, in the middle of a roll-out, and knows nothing of the race.
DENIALS = frozenset({400, 409, 410, 422})
_WINNING = frozenset({Claim.WON, Claim.ALREADY_WON})


@dataclass(frozen=True, slots=True)
class RaceVerdict:
    """What the judge says, and why in a sentence."""

    outcome: RaceOutcome
    sentence: str


def judge_race(history: RaceHistory) -> RaceVerdict:
    """Judge a race by everything that is known of it.

    Rows were read after the answers that they belong to and read again until they agreed with them or the time
    to settle was over: what they say here is final.
    """
    verdict = _at_the_instant(history.asked(Ask.RACE), history.rows)
    if verdict.outcome is not RaceOutcome.ONE_WINNER or history.rows is None:
        return verdict
    winner = history.rows.locked_vendor
    if winner is None:
        return verdict
    for later in (_by_the_page, _by_asking_again, _by_a_late_vendor, _by_a_second_routing, _by_the_held_heat):
        found = later(history, winner)
        if found is not None:
            return found
    return replace(verdict, sentence=verdict.sentence + _afterwards(history))


def _at_the_instant(answers: Sequence[VendorAnswer], rows: RaceRows | None) -> RaceVerdict:
    """Judge what was asked at the one instant."""
    told = _told_won(answers)
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


def _by_the_page(history: RaceHistory, winner: str) -> RaceVerdict | None:
    """A status page that names another vendor tells somebody that it won who did not."""
    if history.page_winner in (None, winner):
        return None
    return RaceVerdict(
        RaceOutcome.PHANTOM_WINNER,
        f"the status page names {history.page_winner}, but {_rows_say(history.rows, start=False)}",
    )


def _by_asking_again(history: RaceHistory, winner: str) -> RaceVerdict | None:
    """The winner that asks again has to hear the same; only a definite no convicts."""
    for answer in history.asked(Ask.AGAIN):
        denied = answer.claim is Claim.LOST or (answer.claim is Claim.REFUSED and answer.code in DENIALS)
        if denied and _still_holds(history.rows_after, winner):
            return RaceVerdict(
                RaceOutcome.NOT_IDEMPOTENT,
                f"{winner} won, asked again and was told it had not ({answer.told}), though "
                f"{_rows_say(history.rows_after, start=False)}",
            )
    return None


def _by_a_late_vendor(history: RaceHistory, winner: str) -> RaceVerdict | None:
    """After the race is won nobody else may win it, by an answer or by the rows."""
    for answer in history.asked(Ask.LATE):
        if answer.claim in _WINNING:
            return RaceVerdict(
                RaceOutcome.LATE_WINNER,
                f"{answer.vendor_id} asked after {winner} had won and was told it won as well ({answer.told}). "
                f"{_rows_say(history.rows_after)}",
            )
    after = history.rows_after
    if after is None or not after.routing_exists:
        return None
    others = {after.locked_vendor, *after.accepted_vendors} - {None, winner}
    if others:
        return RaceVerdict(
            RaceOutcome.LATE_WINNER,
            f"{winner} had won, and then {_rows_say(after, start=False)}: the order has changed hands",
        )
    return None


def _by_a_second_routing(history: RaceHistory, winner: str) -> RaceVerdict | None:
    """An order has one winner, however many routings it has."""
    told = _told_won(history.asked(Ask.SECOND))
    rows = history.second_rows
    holders = set() if rows is None else {rows.locked_vendor, *rows.accepted_vendors}
    others = (holders | set(told)) - {None, winner}
    if not others:
        return None
    return RaceVerdict(
        RaceOutcome.SPLIT_ORDER,
        f"{winner} won the order by its first routing and {_names(sorted(map(str, others)))} by a second one: "
        f"expected one winner an order. Of the second routing {_rows_say(rows, start=False)}",
    )


def _by_the_held_heat(history: RaceHistory, _: str) -> RaceVerdict | None:
    """Everybody had looked before anybody could write: who does not look again then, wins as well.

    It convicts of nothing else: a target that does not wait for a locked row may rightly refuse them all.
    """
    verdict = _at_the_instant(history.asked(Ask.HELD), history.held_rows)
    if verdict.outcome is not RaceOutcome.MULTIPLE_WINNERS:
        return None
    return replace(
        verdict, sentence=f"with the order's row locked until every vendor had asked, {verdict.sentence}"
    )


def _still_holds(rows: RaceRows | None, winner: str) -> bool:
    """Whether the order is the winner's still, so that being told otherwise is wrong."""
    return rows is not None and rows.routing_exists and rows.locked_vendor == winner


def _told_won(answers: Sequence[VendorAnswer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a.vendor_id for a in answers if a.claim in _WINNING))


def _afterwards(history: RaceHistory) -> str:
    """What came of the questions after the race, in words."""
    said = {
        Ask.AGAIN: "The winner asked again",
        Ask.LATE: "A late vendor asked",
        Ask.SECOND: "A vendor asked in a second routing of the order",
    }
    held = history.asked(Ask.HELD)
    parts = [
        f" {words}: {answer.claim.replace('_', ' ')}."
        for ask, words in said.items()
        for answer in history.asked(ask)
    ]
    if held:
        parts.append(f" With the row locked until all had asked: {len(_told_won(held))} of {len(held)} won.")
    if history.not_held:
        parts.append(f" A window between look and write is not observable: {history.not_held}.")
    return "." * bool(parts) + "".join(parts)


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
