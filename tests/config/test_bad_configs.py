"""Each config in `tests/configs/bad` is refused with exactly the problems that its first lines expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prober.config import ConfigError, check, load_config
from tests.config.examples import BAD, ENV, SECRET

EXPECT = "# expect: "


def expected(file: Path) -> list[str]:
    """The problems in the comments at the top of `file`, without its name."""
    lines = file.read_bytes().decode("utf-8", "replace").splitlines()
    return [line.removeprefix(EXPECT) for line in lines if line.startswith(EXPECT)]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_names_line_column_key_and_what_is_allowed(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(file, ENV)
    problems = [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]
    assert problems == expected(file)
    assert all(problem.mark.line and problem.mark.column for problem in caught.value.problems)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_quotes_no_secret_and_shows_no_trace(file: Path) -> None:
    lines, code = check(file, ENV)
    said = "\n".join(lines)
    assert code == 2
    assert SECRET not in said
    assert "Traceback" not in said
    assert not re.search(r"pydantic|yaml\.|Error\(|_type\b", said)


def test_every_bad_config_says_what_it_expects() -> None:
    assert len(BAD) >= 30
    assert [file.name for file in BAD if not expected(file)] == []
