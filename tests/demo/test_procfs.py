"""Signals reach exactly the process that was meant."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.demo import procfs
from prober.demo.procfs import Identity

# A parent with a child with a child, each waiting; prints once all are there.
FAMILY = """
import os, subprocess, sys
depth = int(sys.argv[1])
if depth:
    child = subprocess.Popen([sys.executable, "-c", os.environ["FAMILY"], str(depth - 1)], stdout=subprocess.PIPE)
    child.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent() -> Iterator[Identity]:
    """A process with a child and a grandchild."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAMILY, "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "FAMILY": FAMILY},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    identity = procfs.identify(process.pid)
    assert identity is not None
    family = procfs.tree([identity])
    yield identity
    for member in family:
        procfs.send(member, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_tree_has_all_generations_ancestors_first(parent: Identity) -> None:
    family = procfs.tree([parent])
    assert family[0] == parent
    assert len(family) == 3
    assert [stat.parent for pid, _ in family[1:] if (stat := procfs.read_stat(pid))] == [
        pid for pid, _ in family[:2]
    ]


def test_a_reused_pid_is_not_hit(parent: Identity) -> None:
    former = Identity(parent.pid, parent.started - 1)
    assert not procfs.is_alive(former)
    assert not procfs.send(former, signal.SIGKILL)
    assert procfs.tree([former]) == []
    assert procfs.wait_gone([former], 0) == []
    assert procfs.is_alive(parent)


def test_freeze_stops_all_and_thaw_lets_all_go_on(parent: Identity) -> None:
    frozen = procfs.freeze([parent])
    assert len(frozen) == 3
    states = [procfs.read_stat(member.pid) for member in frozen]
    assert all(stat is not None and stat.stopped for stat in states)
    assert procfs.freeze([parent]) == frozen
    procfs.thaw(frozen)
    states = [procfs.read_stat(member.pid) for member in frozen]
    assert not any(stat is None or stat.stopped for stat in states)


def test_a_frozen_process_can_be_killed_and_a_zombie_counts_as_gone(parent: Identity) -> None:
    family = procfs.freeze([parent])
    assert procfs.wait_gone([parent], 0.01) == [parent]
    for member in family:
        assert procfs.send(member, signal.SIGKILL)
    assert procfs.wait_gone(family, 30) == []
    stat = procfs.read_stat(parent.pid)  # ours, and nobody has reaped it
    assert stat is not None
    assert stat.exited
    assert not procfs.is_alive(parent)


def test_residents_are_those_who_run_the_program_in_the_directory(tmp_path: Path) -> None:
    tmp_path = tmp_path.resolve()
    inner = tmp_path / "inner"
    inner.mkdir()
    beside = tmp_path.with_name(tmp_path.name + "-beside")
    beside.mkdir()
    sleeper = Path("/bin/sleep").resolve()
    processes = [subprocess.Popen(["/bin/sleep", "600"], cwd=place) for place in (tmp_path, inner, beside)]
    try:
        found = {process.pid for process in procfs.residents(tmp_path, [str(sleeper)])}
        assert found == {processes[0].pid, processes[1].pid}
        assert procfs.residents(tmp_path, ["/bin/other"]) == []
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_name_with_parentheses_and_spaces_is_read_rightly(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    process = subprocess.Popen([odd, "600"])
    try:
        stat = procfs.read_stat(process.pid)
        assert stat is not None
        assert stat.parent == os.getpid()
    finally:
        process.kill()
        process.wait()
    assert procfs.read_stat(process.pid) is None
