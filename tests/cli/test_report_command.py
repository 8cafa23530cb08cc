"""`prober report`: what it prints and writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prober.cli import exits, main
from prober.outcome import Suite
from prober.suites.results import Results, write
from tests.suites.report import samples


def saved(folder: Path, name: str, results: Results) -> str:
    write(results, folder / name)
    return str(folder / name)


@pytest.fixture
def fine(tmp_path: Path) -> str:
    return saved(tmp_path, "fine.json", samples.load(median=0.02, rate=1500, failing=0.0))


@pytest.fixture
def bad(tmp_path: Path) -> str:
    return saved(tmp_path, "bad.json", samples.race(double=2))


def test_one_file_is_rendered_and_ends_by_its_verdict(
    fine: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", fine]) == exits.FINE
    assert "webhook load, moderate" in capsys.readouterr().out.splitlines()[0]
    assert main(["report", bad]) == exits.VIOLATION
    assert capsys.readouterr().out.startswith("VIOLATION")


def test_every_form(fine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["report", fine, "--markdown", "--html", str(page)]) == exits.FINE
    assert capsys.readouterr().out.startswith("# ")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["report", fine, "--json"]) == exits.FINE
    assert Results.model_validate(json.loads(capsys.readouterr().out)).suite is Suite.WEBHOOK_LOAD


def test_two_of_one_suite_are_compared_and_end_by_the_second(
    fine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = saved(tmp_path, "slow.json", samples.load(seed=2, median=2.0, rate=60))
    page = tmp_path / "page.html"
    assert main(["report", fine, slow, "--html", str(page)]) == exits.VIOLATION
    assert "two runs compared" in capsys.readouterr().out
    assert "two runs compared" in page.read_text(encoding="utf-8")
    assert main(["report", slow, fine, "--json"]) == exits.FINE
    document = json.loads(capsys.readouterr().out)
    assert "better" in {one["change"] for one in document["compared"]}


def test_files_of_different_suites_are_rendered_in_turn(
    fine: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", fine, bad]) == exits.VIOLATION
    said = capsys.readouterr().out
    assert said.index("webhook load") < said.index("vendor race")
    assert main(["report", fine, bad, "--json"]) == exits.VIOLATION
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "expected the JSON"),
        ("[" * 100_000, "expected the JSON"),
        ("{}", "prober-suite-results"),
        ('{"format": "prober-suite-results", "version": 7}', "reads version 1"),
        ('{"format": "prober-suite-results", "version": 1}', "Field required"),
        ("\x00\xff", "expected the JSON"),
    ],
)
def test_a_file_that_is_none_is_told_and_no_trace(
    content: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "none.json"
    if content is not None:
        file.write_text(content, encoding="latin-1")
    assert main(["report", str(file)]) == exits.BAD_USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.startswith("prober report: ")
    assert captured.err.count("\n") == 1


def test_drills_of_different_faults_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [saved(tmp_path, f"{name}.json", samples.drill(scenario=name)) for name in ("crash", "timeout")]
    assert main(["report", *files]) == exits.BAD_USAGE
    assert "another fault" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_told(fine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", fine, "--html", "/nonexistent/page.html"]) == exits.BAD_USAGE
    assert "/nonexistent/page.html: No such file" in capsys.readouterr().err
