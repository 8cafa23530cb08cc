"""What a killed race suite had written down: results of it, whatever it was killed in the middle of."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from prober.guide.judging import judge
from prober.outcome import Ending, Measure, RaceOutcome, Suite, Verdict
from prober.result import RaceResult
from prober.suites.race.course import Course
from prober.suites.race.found import Found, read_found, rescue
from prober.suites.race.run import measured
from prober.suites.results import By, Results, Where, read
from prober.suites.results_race import RaceDetail
from prober.suites.scenarios import RACE
from tests.suites.races import WALL, race

TWO = RaceOutcome.MULTIPLE_WINNERS
RUN = "1a20d931201c1e85b32"


def nothing_yet() -> Results:
    empty = measured(Course(()), RACE["light"])
    return Results(
        suite=Suite.VENDOR_RACE,
        scenario="light",
        run_id=RUN,
        started="2027-01-15T08:00:00.000Z",
        ended="2027-01-15T08:00:00.000Z",
        duration_seconds=0.0,
        ending=empty.ending,
        sentence=empty.sentence,
        target=Where(url="http://127.0.0.1:1", environment="demo", contract="guide"),
        prober=By(version="0", instance="demo", python="3.11.7", cores=2),
        parameters={"vendors": 5},
        measures=dict(empty.measures),
        judgement=judge(Suite.VENDOR_RACE, empty.measures, empty.why_not),
        notes=(),
        detail=empty.detail,
    )


def written(folder: Path, *races: RaceResult) -> Found:
    found = Found(folder, nothing_yet(), lambda text: text.replace("geheim", "***"), pytest.fail)
    for each in races:
        found.add(each)
    return found


def test_what_was_written_down_becomes_results_once_nobody_holds_it(tmp_path: Path) -> None:
    found = written(tmp_path, race(seconds=0.2), race(TWO, run_id="r2"), race(RaceOutcome.UNKNOWN, run_id="r3"))
    assert rescue(tmp_path) == []  # it lives
    os.utime(tmp_path / f"{RUN}.found", (WALL, WALL))
    found.close()
    (rescued,) = rescue(tmp_path)
    assert read(tmp_path / f"{RUN}.json") == rescued
    assert rescued.ending is Ending.FAILED
    assert rescued.sentence == (
        "ended in the middle, after 3 of 10 races of 5 vendors: 1 of 2 judged convict the target "
        "(1 multiple_winners), the first of them: it was multiple_winners"
    )
    assert rescued.measures[Measure.WIN_RATE] == 0.5
    assert rescued.judgement.verdict is Verdict.CRITICAL
    assert isinstance(rescued.detail, RaceDetail)
    assert [one.run_id for one in rescued.detail.races] == ["r1", "r2", "r3"]
    assert rescued.detail.races[1].evidence is not None
    assert rescue(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [f"{RUN}.json"]


def test_a_line_that_was_cut_off_says_nothing(tmp_path: Path) -> None:
    written(tmp_path, race(), race(TWO, run_id="r2")).close()
    content = (tmp_path / f"{RUN}.found").read_bytes()
    cuts = (read_found(content[:cut], WALL) for cut in range(0, len(content), 97))
    lengths = {len(each.detail.races) for each in cuts if each is not None and isinstance(each.detail, RaceDetail)}
    assert lengths == {1}
    assert read_found(content, WALL) is not None


def test_what_is_none_of_ours_is_set_aside_and_the_others_are_rescued(tmp_path: Path) -> None:
    (tmp_path / "0.found").write_bytes(b"{}\n{}\n")
    written(tmp_path, race()).close()
    assert [one.run_id for one in rescue(tmp_path)] == [RUN]
    assert (tmp_path / "0.found.bad").exists()


def test_results_that_are_there_already_stay(tmp_path: Path) -> None:
    written(tmp_path, race()).close()
    (tmp_path / f"{RUN}.json").write_text("the whole")
    assert rescue(tmp_path) == []
    assert (tmp_path / f"{RUN}.json").read_text() == "the whole"
    assert not (tmp_path / f"{RUN}.found").exists()


def test_where_the_disk_takes_nothing_the_run_goes_on_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    found = Found(tmp_path / "file", nothing_yet(), str, said.append)
    found.add(race(TWO))
    found.add(race(TWO))
    found.close()
    (sentence,) = said
    assert "what it finds would be lost" in sentence


def test_no_secret_is_written(tmp_path: Path) -> None:
    written(tmp_path, replace(race(TWO), sentence="it said geheim")).close()
    content = (tmp_path / f"{RUN}.found").read_text()
    assert "geheim" not in content
    assert "it said ***" in content
