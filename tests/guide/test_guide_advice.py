"""The advice: there is some for every bad row, it fits the figures, and it is right where the guide is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prober.guide.advice import BY_ROW, all_of, recommendations
from prober.guide.advice.recommendation import Recommendation
from prober.guide.breaking_points import BAD, GAPS, GUIDE, BreakingPoint
from prober.guide.doc import markdown
from prober.guide.judging import judge
from prober.outcome import Measure, Suite

EVERY = [each for suite in Suite for each in all_of(suite)]
BAD_POINTS = [point for point in (*GUIDE, *GAPS) if point.verdict in BAD]


def titles(suite: Suite, measures: dict[Measure, float]) -> list[str]:
    return [each.title for each in judge(suite, measures).advice]


def one(title: str) -> Recommendation:
    return next(each for each in EVERY if title in each.title)


@pytest.mark.parametrize("point", BAD_POINTS, ids=lambda point: f"{point.suite} {point.name} {point.row}")
def test_every_bad_row_has_advice(point: BreakingPoint) -> None:
    assert recommendations(point)


def test_good_rows_have_none_and_no_advice_is_for_a_row_that_does_not_exist() -> None:
    rows = {(point.suite, point.measure, point.row) for point in BAD_POINTS}
    assert {(suite, *key) for suite, table in BY_ROW.items() for key in table} == rows


def test_each_piece_has_a_title_of_its_own_and_names_its_source() -> None:
    assert len({each.title for each in EVERY}) == len(EVERY)
    for each in EVERY:
        assert re.match(
            r"Tuning Recommendations, |Breaking Points Reference, |Tuning Decision Tree: ", each.source
        )
        # Ours where the guide has an action only; nothing to correct there.
        assert each.source.endswith("the text is prober's") or each.issue.startswith("Issue: ")
        assert each.text.count("```") % 2 == 0


# SPEC 8: where the guide is wrong, and a word that the right advice has.
@pytest.mark.parametrize(
    ("title", "right", "wrong"),
    [
        ("partial unique index", "CREATE UNIQUE INDEX CONCURRENTLY", "ADD CONSTRAINT"),
        ("Lock the row, look, and write in one transaction", "prisma.$transaction", "Outside a transaction"),
        ("Tell connection errors", "'P1001', 'P1002', 'P1008', 'P1017', 'P2024'", "P2002"),
        ("A fast path", "'EX', 600", "INCR"),
        ("Or isolate the transaction", "'40001'", "SERIALIZABLE"),
        ("Add the indexes", 'ON vendor_responses ("wholesalerId")', "has no message_sid, but idempotency_key"),
    ],
)
def test_the_corrections(title: str, right: str, wrong: str) -> None:
    advice = one(title)
    assert right in advice.text
    assert wrong in (advice.corrected or "")
    assert "ADD CONSTRAINT" not in advice.text
    assert "'P2002'" not in advice.text


def test_the_corrected_advice_says_what_to_do_with_incr() -> None:
    assert "MULTI" in one("A fast path").text
    assert "expiry and a fallback" in (one("A fast path").corrected or "")


def test_advice_says_which_figure_calls_for_it_and_the_worst_comes_first() -> None:
    advice = judge(Suite.WEBHOOK_LOAD, {Measure.RPS: 212.0, Measure.LATENCY_P99: 7.5}).advice
    assert advice[0].title.startswith("Take the processing out")
    assert advice[0].because == "p99 Latency 7.5 s is critical (> 5000ms: Queue saturation)"
    assert advice[-1].because == "RPS 212 /s is warning (100-500: Optimize)"


def test_what_two_rows_call_for_is_given_once_with_both_reasons() -> None:
    advice = judge(Suite.VENDOR_RACE, {Measure.WIN_RATE: 0.7, Measure.RACE_CONDITIONS: 0.3}).advice
    assert len(advice) == 3
    assert advice[0].because == (
        "Win Rate 70 % is critical (< 80%: Fix locking strategy); "
        "Race Conditions 30 % is critical (> 1%: Data integrity risk)"
    )


QUEUE = "Fall back to a queue in the database (fallback queue)"
BREAKER = "Put a circuit breaker before Redis (circuit breaker)"
TIMEOUT = "Bound every command to Redis"
DATABASE_QUEUE = "Keep messages while PostgreSQL is away (fallback queue)"
DATABASE_BREAKER = "Put a circuit breaker and timeouts before PostgreSQL (circuit breaker)"


@pytest.mark.parametrize(
    ("errors", "not_kept", "typical", "longest", "wanted"),
    [
        (0.6, 0.6, 0.02, 0.02, [QUEUE]),  # refused or lost, but at once
        (0.6, 0.0, 10.0, 15.0, [BREAKER, TIMEOUT]),  # nothing lost, but given up on
        (0.6, 0.3, 10.0, 15.0, [QUEUE, BREAKER, TIMEOUT]),
        (0.6, None, None, None, [QUEUE, BREAKER, TIMEOUT]),  # not measured which
        (0.6, 0.0, 0.02, 0.02, [QUEUE, BREAKER, TIMEOUT]),  # the clues speak against all: better all than none
        (0.0, 0.0, 0.55, 1.0, [BREAKER]),  # all went well, slowly; bounded
        (0.0, 0.0, 0.5, 1.1, [BREAKER, TIMEOUT]),
        (0.0, 0.0, 0.49, 0.5, []),  # half of them fast, the attempts of a breaker bounded
        (0.0, 0.0, 0.02, 15.0, [TIMEOUT]),  # a breaker, whose attempts nothing bounds
        (0.0, None, None, None, []),
        (0.002, 0.002, 0.02, 0.02, [QUEUE]),  # a good row, and yet messages that nothing kept
    ],
)
def test_a_redis_drill_tells_the_fallback_queue_from_the_circuit_breaker(
    errors: float, not_kept: float | None, typical: float | None, longest: float | None, wanted: list[str]
) -> None:
    measures = {
        Measure.ERROR_RATE: errors,
        Measure.NOT_KEPT_DURING: not_kept,
        Measure.TYPICAL_WAIT_DURING: typical,
        Measure.WAIT_DURING: longest,
    }
    assert [each.title for each in judge(Suite.REDIS_FAILURE, measures).advice] == wanted


@pytest.mark.parametrize(
    ("not_kept", "wait", "there", "not_there"),
    [
        (1.0, 0.01, DATABASE_QUEUE, DATABASE_BREAKER),
        (0.0, 15.0, DATABASE_BREAKER, DATABASE_QUEUE),
    ],
)
def test_a_database_drill_tells_them_too(not_kept: float, wait: float, there: str, not_there: str) -> None:
    found = titles(
        Suite.DB_RESTART,
        {Measure.SUCCESS_DURING: 0.0, Measure.NOT_KEPT_DURING: not_kept, Measure.TYPICAL_WAIT_DURING: wait},
    )
    assert "Let a standby take over" in found
    assert there in found
    assert not_there not in found


def test_a_clue_says_what_was_measured_or_that_it_was_not() -> None:
    advice = judge(Suite.REDIS_FAILURE, {Measure.ERROR_RATE: 0.3, Measure.NOT_KEPT_DURING: 0.3}).advice
    assert advice[0].because.startswith("Error Rate 30 % is critical (20-50%: No fallback); 30 % of the messages")
    assert advice[1].because.endswith("how long callers waited while the fault lasted was not measured")


def test_the_document_is_current() -> None:
    document = Path(__file__).parents[2] / "docs" / "breaking-points.md"
    assert document.read_text(encoding="utf-8") == markdown(), (
        "run: python -m prober.guide.doc > docs/breaking-points.md"
    )


def test_the_document_has_every_row_and_every_piece_of_advice() -> None:
    text = markdown()
    for point in (*GUIDE, *GAPS):
        row = f"*{point.row}*" if point.gap else point.row
        assert f"| {point.name} | {row} |" in text
    assert all(f"#### {each.title}\n" in text for each in EVERY)
