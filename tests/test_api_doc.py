"""docs/api.md has every address, every parameter and every key of the answers of today, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from prober.event import StandingViolation, SuiteFinished, ViolationFound, ViolationsStand
from prober.judge.violations import fate
from prober.outcome import Ending, OutageState, ProbeName, RaceOutcome, Standing, Suite, Violation
from prober.publish.evidence import find
from prober.publish.journal.reader import Reader
from prober.web.api import status_document
from prober.web.api_answers import Api
from prober.web.archive import Archive
from prober.web.board import Board
from prober.web.day import Day
from prober.web.exposition import Exposition
from prober.web.incidents import asked_incidents, find_incidents, incidents_document, race_document, races_document
from prober.web.paging import BadQueryError, asked_page
from prober.web.routes import Routes
from prober.web.suites import suites_document
from proofs.api_doc import ADDRESSES, PAGE
from tests.publish.journal_samples import WALL, commit, journal_file, one_of_each, outage, race, violation
from tests.web.event_samples import Scraped, at, changed, ran, redis, started
from tests.web.event_samples import outage as event_outage

# Maps whose keys are data, and evidence, which is shown as it was stored.
DATA = {"probes", "held_back", "open", "known", "total", "evidence", "measures", "verdicts"}
TEXT = PAGE.read_text(encoding="utf-8")

FINISHED = SuiteFinished(
    run_id="run",
    suite=Suite.VENDOR_RACE,
    scenario="light",
    started_wall=WALL,
    ended_wall=WALL + 9,
    duration=9.0,
    ending=Ending.COMPLETE,
    verdict=None,
    sentence="",
    environment="demo",
)


def chapters() -> dict[str, str]:
    found = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    return {chapter.splitlines()[0]: chapter for chapter in found}


def answer_of(path: str) -> Any:
    (body,) = re.findall(r"```json\n(.*?)\n```", chapters()[f"`GET {path}`"], re.DOTALL)
    return json.loads(body)


def keys(document: Any, where: str = "") -> dict[str, set[str]]:
    """The keys of every object, by the way to it; what is empty or null on one side is not compared."""
    found: dict[str, set[str]] = {}
    if isinstance(document, dict):
        last = where.rpartition(".")[2]
        if last not in DATA:
            found.setdefault(f"{where}<{document.get('type', '')}>", set()).update(document)
        for name, value in document.items():
            if last != "evidence":
                found |= keys(value, f"{where}.{'*' if last in DATA else name}")
    elif isinstance(document, list):
        for one in document:
            for way, names in keys(one, f"{where}[]").items():
                found.setdefault(way, set()).update(names)
    return found


def of_today(tmp_path: Path) -> Mapping[str, Any]:
    file = journal_file(tmp_path)
    commit(file, *one_of_each(), outage(20, 1.0, 2.0), race(21, RaceOutcome.SPLIT_ORDER), FINISHED)
    commit(file, violation(21, Violation.SPLIT_ORDER))
    reader = Reader(tmp_path)
    board = Board()
    found = ViolationFound(id="split_order-1", kind=Violation.SPLIT_ORDER, at=at(7), sentence="")
    standing = StandingViolation(found=found, standing=Standing.OPEN, until_wall=fate(WALL, (), 1).open_until)
    for event in (
        started(),
        ran(redis()),
        changed(OutageState.UP, event_outage(ProbeName.REDIS, 1.0, 2.0)),
        ViolationsStand(at=at(8), open={}, known={}, newest=(standing,)),
        FINISHED,
    ):
        board.record(event)
    evidence = find(reader, "race-21", violation_hold=60.0)
    assert evidence is not None
    incidents = find_incidents(reader, asked_incidents({}), 60.0, WALL)
    documents = {
        "/api/v1/status": status_document(board, at(9.0), 9.0),
        "/api/v1/incidents": incidents_document(incidents, 50),
        "/api/v1/races": races_document(reader.races(), 50),
        "/api/v1/races/{id}": race_document(evidence),
        "/api/v1/suites": suites_document(reader.suites(), 50),
    }
    reader.close()
    file.close()
    return documents


def test_every_key_of_an_answer_is_in_the_page_and_no_other(tmp_path: Path) -> None:
    today = of_today(tmp_path)
    assert list(today) == [address.path for address in ADDRESSES]
    for path, document in today.items():
        shown, real = keys(answer_of(path)), keys(json.loads(json.dumps(document)))
        both = shown.keys() & real.keys()
        assert len(both) >= 2, path
        assert {way: shown[way] for way in both} == {way: real[way] for way in both}, path


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/api/v1/incidents", asked_incidents),
        ("/api/v1/races", lambda query: asked_page(query, "outcome", tuple(RaceOutcome))),
        ("/api/v1/suites", lambda query: asked_page(query, "suite", tuple(Suite))),
    ],
)
def test_every_parameter_is_in_the_page_and_no_other(
    path: str, read: Callable[[Mapping[str, str]], object]
) -> None:
    with pytest.raises(BadQueryError) as caught:
        read({"": ""})
    (taken,) = re.findall(r"expected only the parameters (.*), found", str(caught.value))
    shown = re.findall(r"^\| `(\w+)` \|", chapters()[f"`GET {path}`"], re.MULTILINE)
    assert sorted(shown) == sorted(taken.split(", "))
    (address,) = [one for one in ADDRESSES if one.path == path]
    assert all(meaning in TEXT for meaning in address.parameters.values())


def test_every_address_of_the_api_is_in_the_page(tmp_path: Path) -> None:
    board, archive = Board(), Archive(tmp_path)
    routes = Routes(board, Exposition(Scraped().metrics.series, 1), Day(), archive)
    served = {path for path in routes.paths if path.startswith("/api/")}
    assert served == {address.path.replace("{id}", "ID") for address in ADDRESSES}
    assert Api(board, archive) is not None
    archive.close()
