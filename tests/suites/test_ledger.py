"""The ledger of what a suite sends: written before it is sent, locked while its run lives, read after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prober.outcome import Mode
from prober.suites.ledger import Ledger, dead_ledgers, folder_of, read_ledger

RUN = "0193abcd123deadbeef"


def made(data_dir: Path, run_id: str = RUN) -> Ledger:
    return Ledger(data_dir, instance="test", run_id=run_id, mode=Mode.FULL, from_number="+999000000001")


def test_what_is_reserved_is_on_disk_when_it_is_reserved(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    for count in (100, 200, 400):
        ledger.reserve(count)
        found = read_ledger(ledger.path.read_bytes(), 5.0)
        assert found is not None
        assert (found.count, found.run_id, found.instance, found.mode) == (count, RUN, "test", Mode.FULL)
    ledger.close()


def test_one_that_is_held_is_not_dead_and_one_that_was_forgotten_is_gone(tmp_path: Path) -> None:
    ledger, other = made(tmp_path), made(tmp_path, "0193abcd123deadbee0")
    assert dead_ledgers(tmp_path) == []
    ledger.close()
    (dead,) = dead_ledgers(tmp_path)
    assert dead.reserved.run_id == RUN
    assert dead_ledgers(tmp_path) == []  # two clean-ups do not meet
    dead.forget()
    other.forget()
    assert list(folder_of(tmp_path).iterdir()) == []


def test_a_run_of_the_same_id_is_refused(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    with pytest.raises(FileExistsError):
        made(tmp_path)
    ledger.forget()


def test_after_kill_9_it_tells_what_may_have_been_sent(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from tests.suites.test_ledger import made;"
        "ledger = made(pathlib.Path(sys.argv[1])); ledger.reserve(7000); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    assert dead_ledgers(tmp_path) == []
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (dead,) = dead_ledgers(tmp_path)
    assert dead.reserved.count == 7000
    dead.forget()


def test_a_line_that_was_cut_off_says_nothing_yet(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    ledger.reserve(100)
    whole = ledger.path.read_bytes() + b'{"reserved": 200}\n'
    for cut in range(len(whole) - 18, len(whole)):
        found = read_ledger(whole[:cut], 0.0)
        assert found is not None
        assert found.count == (200 if cut >= len(whole) - 1 else 100)
    ledger.forget()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]\n",
        b"\xff\xfe\n",
        b'{"format": "prober-suite-ledger", "version": 2, "instance": "a", "run_id": "0193abcd123deadbeef"}\n',
        b'{"format": "prober-suite-ledger", "version": 1, "instance": "a", "run_id": "../../etc/passwd",'
        b' "mode": "full", "from_number": "+1"}\n',
    ],
)
def test_what_is_no_ledger_is_left_alone(content: bytes, tmp_path: Path) -> None:
    assert read_ledger(content, 0.0) is None
    folder = folder_of(tmp_path)
    folder.mkdir(parents=True)
    (folder / "strange.jsonl").write_bytes(content)
    assert dead_ledgers(tmp_path) == []
    assert (folder / "strange.jsonl").read_bytes() == content
