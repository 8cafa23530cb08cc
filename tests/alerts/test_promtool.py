"""promtool's own word on every rule, over time."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from prober.alerts.declarations import BY_NAME

from .cases import CASES
from .promtool import DIRECTORY, files

ROOT = Path(__file__).parent.parent.parent
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="needs promtool: apt-get install prometheus",
)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # With memory to spare, its garbage collection is a fifth of the time.
    environment = {**os.environ, "GOGC": "800"}
    command = ["promtool", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


@needs_promtool
def test_the_example_config_and_all_its_rules_are_taken() -> None:
    done = promtool("check", "config", "alerts/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "duplicate" not in done.stdout


@needs_promtool
@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: path.stem)
def test_rules_over_time(path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_a_threshold_that_moved_is_found(tmp_path: Path) -> None:
    for name in ("redis.rules.yml", "recording.rules.yml", "tests/redis.yml"):
        text = (ROOT / "alerts" / name).read_text(encoding="utf-8")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace(">= 100", ">= 99"), encoding="utf-8")
    done = promtool("test", "rules", tmp_path / "tests/redis.yml")
    assert done.returncode != 0
    assert "QueueBacklogElevated" in done.stdout + done.stderr


def test_every_alert_has_its_tests_and_they_are_current() -> None:
    # The watchdog fires always, which one test of several alerts together shows.
    assert {case.alert for case in CASES} | {"Watchdog"} == BY_NAME.keys()
    made = files()
    there = {DIRECTORY / path.name: path.read_text(encoding="utf-8") for path in (ROOT / DIRECTORY).glob("*.yml")}
    assert there == made, "not current: python -m tests.alerts.promtool"


def test_every_test_asks_for_something() -> None:
    for text in files().values():
        for test in yaml.safe_load(text)["tests"]:
            assert test["promql_expr_test"], test["name"]
