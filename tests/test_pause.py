"""The pause file: whatever it holds, it pauses for a while that ends by itself."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.clock import Instant
from prober.pause import (
    BY_TOUCH,
    FILE_NAME,
    LONGEST,
    Pause,
    PauseFile,
    Sighting,
    as_text,
    put,
    read,
    remove,
    write,
)

NOW = 1_800_000_000.0


def at(seconds: float, *, stepped: float = 0.0) -> Instant:
    """So long after the beginning; the wall clock may have been stepped since."""
    return Instant(1000.0 + seconds, NOW + seconds + stepped)


def document(until: str, **more: object) -> bytes:
    return json.dumps({"until": until, "reason": "why", **more}).encode()


@given(st.integers(1, int(LONGEST)), st.text(max_size=600))
def test_what_is_written_is_read_again(seconds: int, reason: str) -> None:
    wanted = Pause(until=NOW + seconds, reason=reason)
    found = read(write(wanted, NOW), NOW, NOW)
    assert (found.until, found.reason, found.fault) == (wanted.until, reason[:500], "")


@pytest.mark.parametrize(
    ("content", "lasts", "fault"),
    [
        (b"", BY_TOUCH, ""),
        (b" \n", BY_TOUCH, ""),
        (document(as_text(NOW + 60)), 60, ""),
        (b'{"until": "2027-01-15T09:01:00+01:00"}', 60, ""),
        (document(as_text(NOW - 60)), BY_TOUCH, ""),  # had expired, and was touched since
        (document(as_text(NOW + 2 * LONGEST)), LONGEST, "more than 30 days"),
        (document("9999-12-31T23:59:59Z"), LONGEST, "more than 30 days"),
        (document("tomorrow"), BY_TOUCH, "expected until"),
        (document("2027-01-15T09:01:00"), BY_TOUCH, "expected until"),  # of no time zone
        (b"{", BY_TOUCH, "expected until"),
        (b"[]", BY_TOUCH, "expected until"),
        (b'"until"', BY_TOUCH, "expected until"),
        (b"{}", BY_TOUCH, "expected until"),
        (b'{"until": 5}', BY_TOUCH, "expected until"),
        (b"\xff\xfe", BY_TOUCH, "expected until"),
        (b"[" * 60_000, BY_TOUCH, "expected until"),
        (document(as_text(NOW + 60), reason=7), BY_TOUCH, "expected until"),
    ],
)
def test_whatever_a_file_holds_it_pauses_for_a_while(content: bytes, lasts: float, fault: str) -> None:
    found = read(content, NOW, NOW)
    assert found.until == NOW + lasts
    assert fault in found.fault
    assert bool(found.fault) == bool(fault)


@given(st.binary(max_size=200), st.floats(0, 4e9), st.floats(1e9, 4e9))
def test_no_file_pauses_for_ever(content: bytes, made: float, now: float) -> None:
    assert read(content, made, now).until <= now + LONGEST


def test_a_file_from_the_future_counts_from_now() -> None:
    assert read(b"", NOW + 86_400, NOW).until == NOW + BY_TOUCH


@pytest.mark.parametrize(
    ("seconds", "stepped", "active"),
    [(0, 0, True), (59, 0, True), (60, 0, False), (10, 3600, False), (59, -3600, True), (60, -3600, False)],
)
def test_ends_by_the_wall_clock_and_never_later_than_its_length(
    seconds: float, stepped: float, active: bool
) -> None:
    seen = Sighting.of(Pause(until=NOW + 60, reason=""), at(0))
    assert seen.active(at(seconds, stepped=stepped)) is active


def make(data_dir: Path, content: bytes, made: float = NOW) -> None:
    (data_dir / FILE_NAME).write_bytes(content)
    os.utime(data_dir / FILE_NAME, (made, made))


def test_a_file_is_noticed_at_once_and_so_is_its_removal(tmp_path: Path) -> None:
    file = PauseFile(tmp_path)
    assert file.look(at(0)) is None
    make(tmp_path, document(as_text(NOW + 60)))
    found = file.look(at(1))
    assert found is not None
    assert (found.until, found.reason) == (NOW + 60, "why")
    remove(tmp_path)
    assert file.look(at(2)) is None
    remove(tmp_path)


def test_a_file_expires_although_it_stays(tmp_path: Path) -> None:
    file = PauseFile(tmp_path)
    make(tmp_path, b"")
    assert file.look(at(BY_TOUCH - 1)) is not None
    assert file.look(at(BY_TOUCH)) is None
    assert file.look(at(BY_TOUCH, stepped=-BY_TOUCH)) is None  # not by a clock set back, either


def test_touching_a_pause_that_has_expired_is_a_new_one(tmp_path: Path) -> None:
    file = PauseFile(tmp_path)
    make(tmp_path, document(as_text(NOW + 60)))
    assert file.look(at(61)) is None
    os.utime(tmp_path / FILE_NAME, (NOW + 100, NOW + 100))
    found = file.look(at(101))
    assert found is not None
    assert found.until == NOW + 100 + BY_TOUCH


def test_a_pause_is_replaced_in_one_step_and_readable_by_any_user(tmp_path: Path) -> None:
    file = PauseFile(tmp_path)
    wall = float(int(time.time()))
    before = os.umask(0o077)
    try:
        put(tmp_path, Pause(until=wall + 60, reason="first"), wall)
        put(tmp_path, Pause(until=wall + 30, reason="second"), wall)
    finally:
        os.umask(before)
    found = file.look(Instant(1000.0, wall))
    assert found is not None
    assert (found.until, found.reason) == (wall + 30, "second")
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kind", ["folder", "pipe", "large"])
def test_what_is_no_file_of_ours_pauses_and_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / FILE_NAME
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # to open it would wait for a writer
    else:
        path.write_bytes(b" " * 70_000)
    os.utime(path, (NOW, NOW))
    found = PauseFile(tmp_path).look(at(0))
    assert found is not None
    assert found.until == NOW + BY_TOUCH
    assert found.fault


def test_without_a_folder_nothing_is_paused_and_nothing_can_be(tmp_path: Path) -> None:
    assert PauseFile(tmp_path / "none").look(at(0)) is None
    with pytest.raises(FileNotFoundError):
        put(tmp_path / "none", Pause(until=NOW + 60, reason=""), NOW)


def test_a_folder_that_cannot_be_looked_into_pauses_for_an_hour_from_then(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)  # ELOOP, for root too
    file = PauseFile(loop)
    assert file.look(at(0)) is not None
    assert file.look(at(BY_TOUCH - 1)) is not None
    assert file.look(at(BY_TOUCH + 1)) is None
