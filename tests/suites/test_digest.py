"""From a results file to what the daemon keeps: everything that counts, and nothing large."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prober.clock import now
from prober.daemon.suites.taken import suite_race, taken, violation_of
from prober.guide.judging import judge
from prober.outcome import Ending, Measure, RaceOutcome, Suite, Verdict, Violation
from prober.publish.bare import bare_environment, module_command
from prober.result import RaceResult
from prober.suites import digest
from prober.suites.race import figures
from prober.suites.results import By, Results, Where, write
from tests.suites.races import WALL, race

TWO = RaceOutcome.MULTIPLE_WINNERS


def results(races: list[RaceResult]) -> Results:
    measures = figures.measures(races)
    moment = datetime.fromtimestamp(WALL, UTC).isoformat()
    return Results(
        suite=Suite.VENDOR_RACE,
        scenario="light",
        run_id="the-run",
        started=moment,
        ended=moment.replace("+00:00", "Z"),
        duration_seconds=4.5,
        ending=Ending.COMPLETE,
        sentence="what happened",
        target=Where(url="http://127.0.0.1:1", environment="demo", contract="guide"),
        prober=By(version="1", instance="test", python="3", cores=2),
        parameters={},
        measures=measures,
        judgement=judge(Suite.VENDOR_RACE, measures, figures.why_not(races, measures)),
        notes=("one", "two"),
        detail=figures.detail(races, 5, len(races)),
    )


def digested(file: Path) -> subprocess.CompletedProcess[bytes]:
    command = module_command("prober.suites.digest", str(file))
    return subprocess.run(command, capture_output=True, env=bare_environment(), check=False, timeout=60)


def test_what_was_written_is_what_is_taken_up(tmp_path: Path) -> None:
    races = [race(run_id="a"), race(TWO, run_id="b"), race(RaceOutcome.SETUP_FAILED, None, run_id="c")]
    file = tmp_path / "the-run.json"
    write(results(races), file)
    said = digested(file)
    assert (said.returncode, said.stderr) == (0, b"")
    found = taken(said.stdout, now())
    finished = found.finished
    assert (finished.run_id, finished.suite, finished.scenario) == ("the-run", Suite.VENDOR_RACE, "light")
    assert (finished.started_wall, finished.ended_wall, finished.duration) == (WALL, WALL, 4.5)
    assert (finished.ending, finished.verdict, finished.violations) == (Ending.COMPLETE, Verdict.CRITICAL, 1)
    assert finished.measures[Measure.WIN_RATE] == 0.5
    assert finished.verdicts[Measure.WIN_RATE] is Verdict.CRITICAL
    assert finished.notes == ("one", "two")
    # As the daemon itself calls what it found, so that nothing counts twice.
    (violation,), (evidence,) = found.violations, found.evidence
    expected = violation_of(races[1])
    assert (violation.id, violation.kind, violation.sentence) == (expected.id, expected.kind, expected.sentence)
    assert violation.at.wall == races[1].released.wall
    assert evidence == suite_race(races[1], "the-run")
    assert violation.kind is Violation.MULTIPLE_WINNERS


def test_of_many_violations_each_is_told_and_few_with_all_their_evidence() -> None:
    document = digest.digest(
        results([race(TWO, run_id=str(number)) for number in range(digest.MOST_VIOLATIONS + 9)])
    )
    found = taken(json.dumps(document).encode(), now())
    assert found.finished.violations == digest.MOST_VIOLATIONS + 9
    assert (len(found.violations), len(found.evidence)) == (digest.MOST_VIOLATIONS, digest.MOST_EVIDENCE)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "expected the JSON"),
        (b'{"format": "prober-suite-results", "ver', "expected the JSON"),
        (b"[]", "expected"),
        (b'{"format": "prober-suite-results", "version": 99}', "version 99"),
        (b'{"format": "prober-suite-results", "version": 1}', "required"),
        (b"[" * 100_000, "expected the JSON"),
    ],
)
def test_what_holds_no_results_is_said_in_a_line(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    said = digested(file)
    assert said.returncode == 1
    assert why in said.stderr.decode()
    assert b"Traceback" not in said.stderr
    assert said.stdout == b""


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as stream:
        stream.truncate(digest.LARGEST + 1)
    said = digested(file)
    assert said.returncode == 1
    assert str(digest.LARGEST) in said.stderr.decode()
