"""Evidence out of a real journal: found by every id, whole, and as text that nothing in it can break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prober.event import ViolationFound
from prober.outcome import Claim, Outcome, RaceOutcome, Settlement, Violation
from prober.publish.evidence import Evidence, find
from prober.publish.evidence_text import render
from prober.publish.journal.entries import Acknowledgement
from prober.publish.journal.file import JournalFile
from prober.publish.journal.reader import Reader
from prober.publish.journal.stored import StoredRace
from prober.result import RaceResult
from tests.publish.journal_samples import (
    WALL,
    at,
    awaited,
    commit,
    journal_file,
    outage,
    race,
    settled,
    violation,
    webhook_result,
)

HOLD = 3600.0
TWO = RaceOutcome.MULTIPLE_WINNERS
EVIL = "</pre><script>\x1b[31m\nvendor-9 200 won\u202e"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    file = journal_file(tmp_path)
    yield file
    file.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def two_winners() -> RaceResult:
    first, second, third, *rest = race(1).history.answers
    answers = (
        replace(first, answered=0.0123, trace_id="aaaa"),
        replace(second, claim=Claim.WON, answered=0.0101, trace_id="bbbb"),
        replace(third, claim=Claim.NO_ANSWER, code=None, answered=None, outcome=Outcome.TIMEOUT, told=EVIL),
        *rest,
    )
    return replace(race(1, TWO), history=replace(race(1, TWO).history, answers=answers))


def of_race(n: int = 1) -> ViolationFound:
    return ViolationFound(
        id=f"multiple_winners-race-{n}", kind=Violation.MULTIPLE_WINNERS, at=at(1.1), sentence="two were told"
    )


def found(reader: Reader, wanted: str) -> Evidence:
    evidence = find(reader, wanted, violation_hold=HOLD)
    assert evidence is not None
    return evidence


def test_a_race_is_found_by_each_of_its_ids(file: JournalFile, reader: Reader) -> None:
    commit(file, two_winners(), of_race())
    texts = {
        render(found(reader, wanted), WALL + 10) for wanted in ("race-1", "routing-1", "multiple_winners-race-1")
    }
    (text,) = texts
    assert text.startswith("race race-1: multiple_winners\n  race 1 ended with multiple_winners\n")
    assert find(reader, "race-2", violation_hold=HOLD) is None
    assert find(reader, "' OR 1=1 --", violation_hold=HOLD) is None


def test_the_timeline_has_every_vendor_in_the_order_of_time(file: JournalFile, reader: Reader) -> None:
    commit(file, two_winners(), of_race())
    lines = render(found(reader, "race-1"), WALL + 10).splitlines()
    begin = lines.index("timeline, in milliseconds from the release") + 1
    timeline = lines[begin : lines.index("", begin)]
    assert [line.split()[:3] for line in timeline[:5]] == [["+1.000", "->", f"vendor-{n}"] for n in range(5)]
    assert timeline[0].endswith("vendor-0  accept  trace aaaa")
    assert [line.split()[:3] for line in timeline[5:7]] == [
        ["+10.100", "<-", "vendor-1"],
        ["+12.300", "<-", "vendor-0"],
    ]
    assert r'200, won  told "{\"accepted\": true}"' in timeline[5]
    assert timeline[-1].startswith("       never  <- vendor-2  no whole answer, no_answer (timeout)  told ")
    rows = lines[lines.index("rows in the database afterwards") + 1]
    assert rows == "  locked for vendor-0; accepted by vendor-0"
    assert "  released          2027-01-15 08:00:01.100 UTC" in lines


def test_what_becomes_of_the_violation_and_who_acknowledged_it(file: JournalFile, reader: Reader) -> None:
    commit(
        file,
        two_winners(),
        of_race(),
        Acknowledgement(what="multiple_winners", at=at(5), until_wall=WALL + 100, reason=f"ticket 7 {EVIL}"),
    )
    evidence = found(reader, "race-1")
    known = render(evidence, WALL + 50)
    assert "now               known until 2027-01-15 08:01:40.000 UTC, then open again" in known
    assert "2027-01-15 08:01:40.000 UTC (all of multiple_winners): ticket 7 </pre>" in known
    assert "now               open until 2027-01-15 09:01:40.000 UTC" in render(evidence, WALL + 101)
    assert "now               over since 2027-01-15 09:01:40.000 UTC" in render(evidence, WALL + 101 + HOLD)


def test_the_document_is_what_is_stored(file: JournalFile, reader: Reader) -> None:
    commit(file, two_winners(), of_race())
    evidence = found(reader, "race-1")
    document = json.loads(json.dumps(evidence.document()))
    assert evidence.race is not None
    assert document["race"]["evidence"] == evidence.race.evidence
    assert document["race"]["evidence"]["history"]["answers"][2]["told"] == EVIL
    (only,) = document["violations"]
    assert (only["id"], only["known_until"], only["acknowledgements"]) == (of_race().id, None, [])


def test_a_webhook_is_found_by_its_message_and_its_run(file: JournalFile, reader: Reader) -> None:
    lost = replace(violation(1), id="lost_message-run-1")
    commit(file, awaited(1), webhook_result(1), awaited(1, accepted=1.05), settled(1, Settlement.LOST), lost)
    sid = awaited(1).message_sid
    (text,) = {render(found(reader, wanted), WALL + 10) for wanted in (sid, "run-1", lost.id)}
    assert text.startswith(f"webhook {sid}: lost\n  it was lost\n")
    assert "settled           2027-01-15 08:01:01.000 UTC  +59950 ms" in text
    assert "answer            HTTP 200 (ok), +50.000 ms after it was sent" in text
    assert f"trace             {1:032x}" in text
    assert "violation lost_message-run-1" in text


def test_a_message_that_was_never_followed_is_found_by_its_run(file: JournalFile, reader: Reader) -> None:
    commit(file, webhook_result(2))
    assert f"webhook {webhook_result(2).message_sid}: ok" in render(found(reader, "run-2"), WALL)


def test_an_outage(file: JournalFile, reader: Reader) -> None:
    commit(file, outage(1, began=10.0, ended=22.5), outage(2, began=30.0))
    text = render(found(reader, "outage-1"), WALL)
    assert text.startswith("outage outage-1 of database: lasted 12.5 s\n  refused: nobody listens\n")
    assert "ended             2027-01-15 08:00:22.500 UTC  +12500 ms" in text
    assert "known to within   20.0 ms" in text
    assert "outage-2 of database: under way" in render(found(reader, "outage-2"), WALL)


def test_a_violation_that_has_outlived_its_evidence_says_so(file: JournalFile, reader: Reader) -> None:
    commit(file, of_race())
    text = render(found(reader, of_race().id), WALL)
    assert text.startswith("what proves it is no longer in the journal")
    assert "  two were told\n" in text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just(EVIL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ANSWERS = st.lists(
    st.dictionaries(st.sampled_from(["vendor_id", "sent", "answered", "code", "claim", "told", "more"]), JSON)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    evidence=st.dictionaries(st.sampled_from(["rows", "spread", "detail", "leftovers", "page"]), JSON),
    answers=ANSWERS | JSON,
    again=ANSWERS,
)
def test_any_stored_race_is_text_without_control_characters(
    evidence: dict[str, object], answers: object, again: object
) -> None:
    """Also one that another version wrote, with what this one has never heard of."""
    stored = StoredRace(
        seq=1,
        id=EVIL,
        released_wall=WALL,
        outcome=EVIL,
        violation=True,
        sentence=EVIL,
        routing_id=EVIL,
        order_id=EVIL,
        race_duration=0.1,
        evidence={**evidence, "answers": answers, "asked_again": again},
    )
    text = render(Evidence(race=stored), WALL)
    assert all(line.isprintable() for line in text.split("\n"))


def test_exchanges_of_another_version_are_in_the_timeline_and_the_rest_is_shown() -> None:
    late = {"vendor_id": "vendor-7", "sent": 0.5, "answered": 0.51, "claim": "won", "code": 200, "try": 2}
    stored = StoredRace(
        seq=1,
        id="race-1",
        released_wall=WALL,
        outcome="late_winner",
        violation=True,
        sentence="a late vendor won",
        routing_id="routing-1",
        order_id="order-1",
        race_duration=None,
        evidence={"answers": [], "late_vendor": [late], "status_page": {"winner": "vendor-1"}},
    )
    text = render(Evidence(race=stored), WALL)
    assert "    +500.000  -> vendor-7  late vendor  try 2" in text
    assert "    +510.000  <- vendor-7  200, won" in text
    assert '  status_page       {"winner": "vendor-1"}' in text
