"""Each contract in `tests/configs/bad-contracts` is refused, by the real command, as its first lines expect."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prober.config import ConfigError, load_strict
from prober.contract import Contract
from tests.config.examples import ENV, MINIMAL, SECRET
from tests.config.test_bad_configs import expected

BAD = sorted((Path(__file__).parent / "configs/bad-contracts").glob("*.yaml"))


def config_check(folder: Path, contract: Path) -> subprocess.CompletedProcess[str]:
    """`prober config check` of a config that names this contract."""
    config = folder / "config.yaml"
    config.write_text(MINIMAL.replace("target:\n", f"target:\n  contract: {contract}\n", 1))
    return subprocess.run(
        [sys.executable, "-m", "prober", "config", "check", "--config", str(config)],
        env={**os.environ, **ENV},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_names_line_column_key_and_what_is_allowed(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_strict(file, Contract)
    assert [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems] == expected(file)
    assert all(problem.mark.line and problem.mark.column for problem in caught.value.problems)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_config_check_refuses_it_without_a_trace(tmp_path: Path, file: Path) -> None:
    done = config_check(tmp_path, file)
    problems = [f"{file}:{problem}" for problem in expected(file)]
    count = f"{tmp_path}/config.yaml: {len(problems)} problem{'s' * (len(problems) != 1)}"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [*problems, count]
    assert SECRET not in done.stderr
    assert not re.search(r"Traceback|pydantic|Error\(", done.stderr)


def test_config_check_passes_without_the_fault(tmp_path: Path) -> None:
    """What is wrong with these files is nothing but what they are named after."""
    broken = next(file for file in BAD if file.stem == "status-as-text")
    mended = tmp_path / "mended.yaml"
    mended.write_text(broken.read_text().replace('accepted: ["200"]', "accepted: [200]"))
    done = config_check(tmp_path, mended)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_bad_contract_says_what_it_expects() -> None:
    assert len(BAD) >= 12
    assert [file.name for file in BAD if not expected(file)] == []
