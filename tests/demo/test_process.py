"""Children of an owner: how they start, end, and what an owner refuses to leave."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from prober.demo import procfs
from prober.demo.process import Child, Owner, gone
from prober.demo.procfs import Identity
from prober.demo.user import copy_for, make_directory, obstacle, unprivileged_user

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
PATIENCE = 30.0


def spawn(owner: Owner, program: str, stop_signal: signal.Signals = signal.SIGTERM) -> Child:
    log = owner.directory / f"{len(list(owner.directory.iterdir()))}.log"
    argv = [sys.executable, "-I", "-c", program]
    return owner.spawn(argv, name="test", cwd=Path("/"), log_file=log, stop_signal=stop_signal)


def keeper_of_this_process() -> Identity:
    family = procfs.tree([procfs.identify(os.getpid()) or pytest.fail("we are gone")])
    commands = {process: Path(f"/proc/{process.pid}/cmdline").read_text() for process in family}
    (keeper,) = [process for process, command in commands.items() if "prober.demo.keeper" in command]
    return keeper


async def test_a_child_sees_a_plain_world(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    child = spawn(
        owner, "import os; print(os.getsid(0) == os.getpid(), os.listdir('/proc/self/fd'), dict(os.environ))"
    )
    assert await child.wait(PATIENCE) == 0
    assert child.log_tail().startswith("True ['0', '1', '2', '3'] {'PATH'")
    assert "PGHOST" not in child.log_tail()
    assert not child.running


@ROOT_ONLY
async def test_a_child_becomes_another_user_for_good(owner: Owner) -> None:
    user = unprivileged_user()
    assert user is not None
    argv = ["/bin/grep", "-E", "^(Uid|Gid|Groups|CapPrm|CapAmb)", "/proc/self/status"]
    child = owner.spawn(argv, name="grep", cwd=Path("/"), log_file=owner.directory / "log", user=user)
    assert await child.wait(PATIENCE) == 0
    status = dict(line.split(":", 1) for line in child.log_tail().splitlines())
    # real, effective, saved and file system id
    assert status["Uid"].split() == [str(user.uid)] * 4
    assert status["Gid"].split() == [str(user.gid)] * 4
    assert status["Groups"].split() == []
    assert {int(status["CapPrm"], 16), int(status["CapAmb"], 16)} == {0}


@pytest.mark.parametrize("in_thread", [False, True])
async def test_the_death_signal_is_set_unless_a_thread_would_trigger_it(owner: Owner, in_thread: bool) -> None:
    program = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"
    children: list[Child] = []
    if in_thread:
        thread = threading.Thread(
            target=lambda: children.append(spawn(owner, program, stop_signal=signal.SIGQUIT))
        )
        thread.start()
        thread.join()
    else:
        children.append(spawn(owner, program, stop_signal=signal.SIGQUIT))
    assert await children[0].wait(PATIENCE) == 0
    assert children[0].log_tail() == ("0" if in_thread else str(int(signal.SIGQUIT)))


async def test_a_program_that_is_not_there_says_so(owner: Owner) -> None:
    child = owner.spawn(["/nowhere/server"], name="server", cwd=Path("/"), log_file=owner.directory / "log")
    assert await child.wait(PATIENCE) == 127
    assert child.log_tail() == f"cannot run /nowhere/server as user {os.geteuid()}: No such file or directory"


async def test_stop_kills_who_does_not_listen_and_its_children(owner: Owner) -> None:
    child = spawn(
        owner,
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.fork()\n"
        "print('up', flush=True); time.sleep(3600)",
    )
    while child.log_tail().count("up") < 2:
        await gone([child.identity], 0.01)
    family = child.tree()
    assert len(family) == 2
    await child.stop(timeout=0.2)
    assert child.returncode == -signal.SIGKILL
    assert not any(procfs.is_alive(process) for process in family)


async def test_the_end_of_an_owner_takes_all_with_it(tmp_path: Path) -> None:
    kept, removed = tmp_path / "kept", tmp_path / "removed"
    kept.mkdir()
    removed.mkdir()
    async with Owner() as owner:
        directory = owner.directory
        children = [spawn(owner, "import time; time.sleep(3600)") for _ in range(3)]
        children[1].freeze()
        owner.remove_at_end(removed)
        assert directory.stat().st_mode & 0o777 == 0o711
    assert [child.returncode is None for child in children] == [False, False, False]
    assert [directory.exists(), removed.exists(), kept.exists()] == [False, False, True]


def test_a_plain_with_block_ends_frozen_children_too() -> None:
    with Owner() as owner:
        child = spawn(owner, "import time; time.sleep(3600)")
        child.freeze()
    assert child.returncode is not None


async def test_a_directory_that_took_the_place_of_ours_stays(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    async with Owner() as owner:
        owner.remove_at_end(place)
        place.rename(tmp_path / "moved")
        place.mkdir()
    assert place.exists()


async def test_a_directory_that_is_made_after_it_was_announced_is_removed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    async with Owner() as owner:
        owner.remove_at_end(place)
        place.mkdir()
        (place / "file").write_text("data")
    assert not place.exists()


async def test_a_killed_keeper_gets_a_successor_that_knows_all(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with Owner() as owner:  # whose end is the keeper's work alone
        owner.remove_at_end(place)
        first = spawn(owner, "import time; time.sleep(3600)")
        keeper = keeper_of_this_process()
        procfs.send(keeper, signal.SIGKILL)
        assert await gone([keeper], PATIENCE) == []
        second = spawn(owner, "import time; time.sleep(3600)")
        assert keeper_of_this_process() != keeper
        assert first.running
        assert second.running
        procfs.send(keeper_of_this_process(), signal.SIGKILL)
    assert not first.running
    assert not second.running
    assert not place.exists()


async def test_an_ended_owner_can_begin_again() -> None:
    owner = Owner()
    former = owner.directory
    await owner.close()
    async with owner:
        assert owner.directory != former
        assert not former.exists()
        assert owner.directory.is_dir()
    await owner.close()


@ROOT_ONLY
async def test_an_installation_behind_a_closed_door_is_copied_and_the_door_stays_closed(
    owner: Owner, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    program = private / "installation" / "bin" / "program"
    program.parent.mkdir(parents=True)
    (private / "installation" / "headers").mkdir()
    program.write_text("#!/bin/sh\nid -u\n")
    program.chmod(0o700)
    private.chmod(0o700)
    user = unprivileged_user()
    assert user is not None
    assert obstacle(program, user) in {private, *private.parents}
    assert obstacle(program, None) is None
    into = owner.directory / "copy"
    parts = ["installation/bin", "not there"]
    assert copy_for(private, user, parts, into) == into
    assert sorted(str(path.relative_to(into)) for path in into.rglob("*")) == [
        "installation",
        "installation/bin",
        "installation/bin/program",
    ]
    copy = into / "installation" / "bin" / "program"
    child = owner.spawn([copy], name="copy", cwd=Path("/"), log_file=owner.directory / "log", user=user)
    assert await child.wait(PATIENCE) == 0
    assert child.log_tail() == str(user.uid)
    assert private.stat().st_mode & 0o777 == 0o700
    assert copy_for(private, None, parts, into) == private


def test_directories_are_made_so_that_anybody_may_enter_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_directory(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [(tmp_path / place).stat().st_mode & 0o777 for place in ("a", "a/b")] == [0o711, 0o711]
