"""A demo ends with the test that started it, however that one ends: nobody else would end it, ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.demo_run import SharedMemory, mentioning

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds
SAMPLE = """
import asyncio, os, pathlib
from prober.demo.process import Owner
from tests.conftest import owner
from tests.system.demo_run import Demo

async def test_of_a_demo(owner: Owner) -> None:
    demo = Demo(owner)
    await demo.says("  starting the reference target")
    draft = pathlib.Path(__file__).with_name("draft")
    draft.write_text(f"{os.getpid()} {owner.directory}")
    draft.rename(draft.with_name("told"))
    while not pathlib.Path(__file__).with_name("fail").exists():
        await asyncio.sleep(0.01)
    raise AssertionError("a test that fails")
"""


@pytest.mark.parametrize("how", ["fails", "killed"])
def test_nothing_is_left_of_it(tmp_path: Path, how: str) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    options = ["-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(tmp_path)]
    run = subprocess.Popen([sys.executable, "-m", "pytest", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        wait_for((tmp_path / "told").exists, run)
        pid, _, directory = (tmp_path / "told").read_text().partition(" ")
        assert len(mentioning(Path(directory))) >= 4  # the demo, PostgreSQL, Redis, the target …
        memory = SharedMemory(Path(directory))
        if how == "killed":
            os.kill(int(pid), signal.SIGKILL)
        else:
            (tmp_path / "fail").touch()
        wait_for(lambda: not mentioning(Path(directory)) and not Path(directory).exists())
        said, _ = run.communicate(timeout=PATIENCE)
        assert memory.left() == []
        assert run.returncode == (-signal.SIGKILL if how == "killed" else 1), said
    finally:
        run.kill()
        run.wait()


def wait_for(condition: Callable[[], bool], run: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        assert run is None or run.poll() is None
        time.sleep(0.02)
