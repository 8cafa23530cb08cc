"""The lock on a data_dir: one prober at a time, and gone with the process that held it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prober.clock import now
from prober.daemon.lock import FILE_NAME, DataDirLock, Holder, Work


def test_only_one_holds_it_and_the_others_learn_who_and_since_when(tmp_path: Path) -> None:
    first, second, at = DataDirLock(tmp_path / "new"), DataDirLock(tmp_path / "new"), now()
    assert first.take(Work.RUN, at) is None
    assert second.take(Work.CLEANUP, now()) == Holder(work=Work.RUN, began=at)
    first.release()
    assert second.take(Work.CLEANUP, at) is None
    assert first.take(Work.RUN, now()) == Holder(work=Work.CLEANUP, began=at)
    assert (tmp_path / "new" / FILE_NAME).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"work": "dance", "mono": 1, "wall": 2}', b'{"work": 1}'])
def test_a_holder_that_could_not_say_since_when_holds_it_all_the_same(tmp_path: Path, content: bytes) -> None:
    first, second = DataDirLock(tmp_path), DataDirLock(tmp_path)
    assert first.take(Work.RUN, now()) is None
    first.path.write_bytes(content)
    assert second.take(Work.CLEANUP, now()) == Holder()


def test_a_time_of_another_boot_is_none_of_this_one(tmp_path: Path) -> None:
    first, second = DataDirLock(tmp_path), DataDirLock(tmp_path)
    assert first.take(Work.RUN, now()) is None
    first.path.write_text('{"work": "prober run", "mono": 1.0, "wall": 2.0, "boot_id": "another"}')
    assert second.take(Work.CLEANUP, now()) == Holder(work=Work.RUN, began=None)


def test_it_is_free_again_when_its_process_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from prober.clock import now;"
        "from prober.daemon.lock import DataDirLock, Work;"
        "lock = DataDirLock(Path(sys.argv[1])); print(lock.take(Work.RUN, now()), flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"None\n"
    lock = DataDirLock(tmp_path)
    holder = lock.take(Work.CLEANUP, now())
    assert holder is not None
    assert holder.work is Work.RUN
    process.kill()
    process.wait()
    process.stdout.close()
    assert lock.take_patiently(Work.CLEANUP, now(), {Work.RUN: 20.0}) is None


def test_patience_has_an_end(tmp_path: Path) -> None:
    first, second = DataDirLock(tmp_path), DataDirLock(tmp_path)
    assert first.take(Work.RUN, now()) is None
    assert second.take_patiently(Work.RUN, now(), {Work.RUN: 0.2}) is not None
    assert second.take_patiently(Work.RUN, now(), {}) is not None


def test_what_cannot_be_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        DataDirLock(tmp_path / "file").take(Work.RUN, now())
