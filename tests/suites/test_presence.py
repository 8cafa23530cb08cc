"""One suite at a time, and known to run only while its process lives."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from prober.clock import now
from prober.outcome import Suite
from prober.suites.presence import (
    FILE_NAME,
    FOLDER,
    AnotherRunsError,
    RunningSuite,
    present,
    running_suite,
    suite_lives,
)

HOLD = """
import sys, time
from pathlib import Path
from prober.clock import now
from prober.outcome import Suite
from prober.suites.presence import present
with present(Path(sys.argv[1]), Suite.REDIS_FAILURE, "crash", "run", now()):
    print("held", flush=True)
    time.sleep(60)
"""


def test_who_runs_is_told_until_it_ends(tmp_path: Path) -> None:
    assert running_suite(tmp_path) is None
    assert not suite_lives(tmp_path)
    at = now()
    with present(tmp_path, Suite.VENDOR_RACE, "light", "r1", at):
        assert running_suite(tmp_path) == RunningSuite(
            suite=Suite.VENDOR_RACE, scenario="light", run_id="r1", began_wall=at.wall
        )
        with (
            pytest.raises(AnotherRunsError, match=r"vendor-race light \(r1\) runs with this data_dir"),
            present(tmp_path, Suite.WEBHOOK_LOAD, "light", "r2", at, patience=0.0),
        ):
            pytest.fail("two at once")
    assert running_suite(tmp_path) is None


def test_one_that_is_killed_runs_no_longer(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        found = running_suite(tmp_path)
        assert found is not None
        assert (found.suite, found.scenario) == (Suite.REDIS_FAILURE, "crash")
        process.kill()
        process.wait()
    assert running_suite(tmp_path) is None


def test_whoever_looks_disturbs_nobody_who_begins(tmp_path: Path) -> None:
    looking = f"""
import time
from pathlib import Path
from prober.suites.presence import running_suite
print("looks", flush=True)
until = time.monotonic() + 3
while time.monotonic() < until:
    running_suite(Path({str(tmp_path)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", looking], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began, until = 0, time.monotonic() + 1.0
        while time.monotonic() < until or began < 20:
            with present(tmp_path, Suite.VENDOR_RACE, "light", "r", now()):
                began += 1
        process.kill()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"suite": "dance"}', b"\xff"])
def test_one_that_could_not_say_more_runs_all_the_same(tmp_path: Path, content: bytes) -> None:
    with present(tmp_path, Suite.VENDOR_RACE, "light", "r1", now()):
        (tmp_path / FOLDER / FILE_NAME).write_bytes(content)
        assert running_suite(tmp_path) == RunningSuite()
