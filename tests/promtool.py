"""What promtool says of an exposition; where it is missing, the test that asks is skipped (and fails in CI)."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def check_metrics(exposition: str | bytes) -> None:
    """Assert that `promtool check metrics` finds nothing wrong with it."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    body = exposition.encode() if isinstance(exposition, str) else exposition
    command = [promtool, "check", "metrics"]
    done = subprocess.run(command, input=body, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
