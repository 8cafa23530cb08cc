"""In CI a missing tool is a failure: the rule of `tests/unskipped.py`, on a run of pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unskipped import in_ci

ROOT = Path(__file__).parents[1]
SAMPLE = """
import pytest

@pytest.mark.skipif(True, reason="needs a tool")
def test_marked(): ...

def test_within():
    pytest.skip("needs another tool")

@pytest.fixture
def wanting():
    pytest.skip("needs a third tool")

def test_by_a_fixture(wanting): ...

@pytest.mark.skipif(True, reason="only root can do this")
def test_of_root(): ...

@pytest.mark.xfail
def test_expected_to_fail():
    assert False
"""


WHOLE = 'import pytest\npytest.skip("needs all of it", allow_module_level=True)\n'


def ran(tmp_path: Path, content: str, ci: str | None) -> tuple[int, str]:
    (tmp_path / "test_sample.py").write_text(content)
    environment = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "tests.unskipped", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**environment, **({} if ci is None else {"CI": ci})},
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("ci", "wanted"), [(None, False), ("", False), ("false", False), ("0", False), ("true", True), ("1", True)]
)
def test_what_says_that_this_is_ci(monkeypatch: pytest.MonkeyPatch, ci: str | None, wanted: bool) -> None:
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    assert in_ci() is wanted


def test_at_a_desk_they_are_skipped(tmp_path: Path) -> None:
    code, said = ran(tmp_path, SAMPLE, None)
    assert (code, "4 skipped, 1 xfailed" in said) == (0, True), said


def test_in_ci_they_fail_but_for_those_that_want_another_user(tmp_path: Path) -> None:
    code, said = ran(tmp_path, SAMPLE, "true")
    assert code == 1
    for tool in ("a tool", "another tool", "a third tool"):
        assert f"needs {tool}; run scripts/install-test-tools" in said
    assert "1 skipped, 1 xfailed" in said


def test_a_file_that_is_skipped_as_a_whole_fails_too(tmp_path: Path) -> None:
    code, said = ran(tmp_path, WHOLE, "true")
    assert code != 0
    assert "needs all of it; run scripts/install-test-tools" in said
