"""The example for CI in docs/: it is YAML, and each of its command lines is one that prober takes."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import prober
from prober.cli import build_parser
from prober.outcome import Suite
from prober.suites.results import file_name

EXAMPLE = Path(prober.__file__).parents[1] / "docs" / "examples" / "performance.yml"


def steps() -> list[dict[str, Any]]:
    workflow = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert set(job["services"]) == {"postgres", "redis"}
    found: list[dict[str, Any]] = job["steps"]
    return found


def commands() -> Iterator[list[str]]:
    for step in steps():
        line = step.get("run", "").partition(">>")[0]
        if line.startswith("prober "):
            # As the shell has it: the variable is a path, a pattern is the files that it fits.
            words = shlex.split(line.replace("$PROBER_CONFIG", "config.yaml"))[1:]
            yield [
                name
                for word in words
                for name in ([file_name(suite) for suite in Suite] if glob.has_magic(word) else [word])
            ]


@pytest.mark.parametrize("words", list(commands()), ids=lambda words: " ".join(words[:3]))
def test_each_command_line_is_accepted(words: list[str]) -> None:
    given = build_parser().parse_args(words)
    assert callable(given.command)


def test_every_suite_runs_and_all_that_it_writes_is_kept() -> None:
    lines = [" ".join(words) for words in commands()]
    for beginning in ("load ", "race ", "drill redis ", "drill db ", "report ", "cleanup "):
        assert sum(line.startswith(beginning) for line in lines) == 1, beginning
    (upload,) = (step for step in steps() if step.get("uses", "").startswith("actions/upload-artifact"))
    kept = upload["with"]["path"].split()
    written = [words[words.index("--html") + 1] for words in commands() if "--html" in words]
    assert len(written) == len(Suite)
    for name in (*written, *(file_name(suite) for suite in Suite)):
        assert any(Path(name).match(pattern) for pattern in kept), name
