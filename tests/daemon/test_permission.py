"""Permission to write: each reason holds by itself, undoing is never forbidden, and changes are told once."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from prober.clock import Instant
from prober.daemon.permission import InMaintenance, Paused, Reason, WritePermission
from prober.event import Event, WritesRestricted
from prober.maintenance import Once, Recurring
from prober.outcome import SkipReason
from prober.pause import BY_TOUCH, FILE_NAME, Pause, as_text

NOW = float(int(time.time()))


def at(seconds: float) -> Instant:
    return Instant(1000.0 + seconds, NOW + seconds)


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> Instant:
        return at(self.seconds)


def test_a_pause_forbids_writes_and_no_undoing(tmp_path: Path) -> None:
    clock = Clock()
    permission = WritePermission([Paused(tmp_path, None, at(0))], clock=clock)
    assert permission.refusal() is None
    (tmp_path / FILE_NAME).touch()
    os.utime(tmp_path / FILE_NAME, (NOW, NOW))
    assert permission.refusal() is SkipReason.PAUSED
    assert permission.refusal(undo=True) is None
    clock.seconds = BY_TOUCH
    assert permission.refusal() is None


def test_a_pause_of_the_config_ends_at_its_moment_and_no_signal_ends_it(tmp_path: Path) -> None:
    paused = Paused(tmp_path, Pause(until=NOW + 60, reason="incident"), at(0))
    paused.end()
    hold = paused.hold(at(59))
    assert hold is not None
    assert (hold.until, hold.reason) == (NOW + 60, "incident")
    assert paused.hold(at(60)) is None


def test_the_longest_of_several_pauses_holds(tmp_path: Path) -> None:
    paused = Paused(tmp_path, Pause(until=NOW + 60, reason="config"), at(0))
    paused.begin(at(0), "signal")
    assert (tmp_path / FILE_NAME).is_file()
    hold = paused.hold(at(1))
    assert hold is not None
    assert (hold.until, hold.reason) == (NOW + BY_TOUCH, "signal")
    paused.end()
    hold = paused.hold(at(2))
    assert hold is not None
    assert hold.reason == "config"


def test_a_signal_pauses_also_where_no_file_can_be_written(tmp_path: Path) -> None:
    paused = Paused(tmp_path / "none", None, at(0))
    with capture_logs() as logs:
        paused.begin(at(0), "signal")
    assert [entry["event"] for entry in logs] == ["pause kept in memory only"]
    assert paused.hold(at(1)) is not None
    assert paused.hold(at(BY_TOUCH)) is None
    paused.begin(at(0), "signal")
    paused.end()
    assert paused.hold(at(1)) is None


def test_a_damaged_file_is_told_once(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"{")
    os.utime(tmp_path / FILE_NAME, (NOW, NOW))
    paused = Paused(tmp_path, None, at(0))
    with capture_logs() as logs:
        holds = [paused.hold(at(n)) is not None for n in range(5)]
    assert holds == [True] * 5
    assert [entry["event"] for entry in logs] == ["the pause file is not right, and pauses all the same"]


@pytest.mark.parametrize("seconds", [0, 10, 19, 20, 59, 60, 100, 5, 25])
def test_a_window_holds_while_it_is_open_however_the_clock_is_stepped(seconds: float) -> None:
    maintenance = InMaintenance([Once(begins=NOW + 20, ends=NOW + 60, reason="move")])
    for step in (30, 70, -100, seconds):
        expected = 20 <= step < 60
        assert (maintenance.hold(at(step)) is not None) is expected


def test_the_calendar_is_not_asked_again_before_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    window = Recurring(cron="0 3 * * SUN", zone="UTC", duration=60.0)
    maintenance = InMaintenance([window])
    assert maintenance.hold(at(0)) is None

    def fail(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr("prober.daemon.permission.maintenance.active", fail)
    assert [maintenance.hold(at(n)) for n in range(100)] == [None] * 100


def test_several_reasons_are_told_together(tmp_path: Path) -> None:
    reasons: list[Reason] = [
        Paused(tmp_path, Pause(until=NOW + 60, reason="incident"), at(0)),
        InMaintenance([Once(begins=NOW, ends=NOW + 90)]),
    ]
    permission = WritePermission(reasons, clock=Clock())
    assert permission.refusal() is SkipReason.PAUSED
    found = permission.restrictions(at(0))
    assert (found.paused, found.maintenance) == (True, True)
    assert found.sentence == (
        f"paused until {as_text(NOW + 60)} (incident); maintenance until {as_text(NOW + 90)}"
    )
    only = permission.restrictions(at(70))
    assert (only.paused, only.maintenance) == (False, True)


async def test_what_holds_is_told_at_the_start_and_when_it_changes(tmp_path: Path) -> None:
    told: list[Event] = []
    clock = Clock()
    paused = Paused(tmp_path, None, at(0))
    telling = asyncio.create_task(WritePermission([paused], clock=clock).tell_changes(told.append))
    try:
        for expected in (False, True, False):
            async with asyncio.timeout(20):
                while not told or told[-1].paused is not expected:  # type: ignore[union-attr]
                    await asyncio.sleep(0.01)
            (paused.end if expected else lambda: paused.begin(clock(), "signal"))()
    finally:
        telling.cancel()
    assert [event.paused for event in told if isinstance(event, WritesRestricted)][:3] == [False, True, False]


class Writer:
    """The part in an election: it writes or it does not, under number 7."""

    fence = 7

    def __init__(self, writes: bool) -> None:
        self.writes = writes

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        return None if self.writes else SkipReason.NOT_LEADER


@pytest.mark.parametrize(
    ("writes", "paused", "refused", "undoing"),
    [
        (True, False, None, None),
        (True, True, SkipReason.PAUSED, None),
        (False, False, SkipReason.NOT_LEADER, SkipReason.NOT_LEADER),
        (False, True, SkipReason.NOT_LEADER, SkipReason.NOT_LEADER),
    ],
)
def test_who_is_not_the_writer_writes_nothing_and_undoes_nothing(
    tmp_path: Path, writes: bool, paused: bool, refused: SkipReason | None, undoing: SkipReason | None
) -> None:
    configured = Pause(until=at(100).wall, reason="") if paused else None
    permission = WritePermission([Paused(tmp_path, configured, at(0))], Writer(writes), clock=lambda: at(1))
    assert (permission.refusal(), permission.refusal(undo=True), permission.fence) == (refused, undoing, 7)


def test_without_an_election_writes_carry_no_number(tmp_path: Path) -> None:
    assert WritePermission([Paused(tmp_path, None, at(0))]).fence is None
