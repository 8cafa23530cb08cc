"""Whether writes may begin now, and why not: a pause, a maintenance window, each reason apart from the others.

A reason decides by values that it is given; the two of this module look at a file and at the calendar each time
they are asked, so that a pause holds from that moment on.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from prober import maintenance, pause
from prober.clock import Instant, now
from prober.config.model import Config, MaintenanceWindow
from prober.event import Event, WritesRestricted
from prober.maintenance import Once, Recurring, Window
from prober.outcome import SkipReason
from prober.pause import PauseFile, Sighting
from prober.probes.base import Permission, Unrestricted

log = structlog.get_logger()

# How soon a change is told (seconds); writes themselves stop at once, since each of them asks.
TELL_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Hold:
    """Writes are held back, until this Unix time, for a reason in words."""

    until: float
    reason: str


class Reason(Protocol):
    """One thing that can hold writes back."""

    skip: SkipReason

    def hold(self, at: Instant) -> Hold | None:
        """What it holds back at this moment."""
        ...


class Paused:
    """Holds while somebody has paused the prober: by the config, by the file, or by a signal.

    A signal writes the file, so that a restart does not end the pause; where it cannot be written the pause is
    kept in memory.
    """

    skip = SkipReason.PAUSED

    def __init__(self, data_dir: Path, configured: pause.Pause | None, started: Instant) -> None:
        self._data_dir = data_dir
        self._file = PauseFile(data_dir)
        self._configured = None if configured is None else Sighting.of(configured, started)
        self._in_memory: Sighting | None = None
        self._told_fault = ""

    def hold(self, at: Instant) -> Hold | None:
        """The pause that lasts longest."""
        in_file = self._file.look(at)
        self._tell_fault("" if in_file is None else in_file.fault)
        others = [s.pause for s in (self._configured, self._in_memory) if s is not None and s.active(at)]
        holds = [Hold(found.until, found.reason) for found in (in_file, *others) if found is not None]
        return max(holds, key=lambda hold: hold.until, default=None)

    def begin(self, at: Instant, reason: str) -> None:
        """Pause for an hour: what a signal does."""
        wanted = pause.Pause(until=at.wall + pause.BY_TOUCH, reason=reason)
        try:
            pause.put(self._data_dir, wanted, at.wall)
        except OSError as error:
            log.error("pause kept in memory only", detail=f"{self._file.path}: {error.strerror}")
            self._in_memory = Sighting.of(wanted, at)

    def end(self) -> None:
        """Resume: what the other signal does. A pause of the config stays."""
        self._in_memory = None
        try:
            pause.remove(self._data_dir)
        except OSError as error:
            log.error("cannot resume", detail=f"{self._file.path}: {error.strerror}; remove it by hand")

    def _tell_fault(self, fault: str) -> None:
        if fault and fault != self._told_fault:
            log.warning("the pause file is not right, and pauses all the same", detail=fault)
        self._told_fault = fault


class InMaintenance:
    """Holds while a window of the config is open. The calendar is asked again only when something changes."""

    skip = SkipReason.MAINTENANCE

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = tuple(windows)
        self._known: Hold | None = None
        self._known_between = (math.inf, -math.inf)  # Unix times

    def hold(self, at: Instant) -> Hold | None:
        """The window that is open."""
        since, before = self._known_between
        if not since <= at.wall < before:
            found = maintenance.active(self._windows, at.wall)
            self._known = None if found is None else Hold(found.until, found.reason)
            self._known_between = (at.wall, maintenance.next_change(self._windows, at.wall))
        return self._known


class WritePermission:
    """Asked right before each write: nothing is remembered from one question to the next.

    `writer` says whether this replica is the one that writes, where several are elected.
    """

    def __init__(
        self, reasons: Sequence[Reason], writer: Permission | None = None, *, clock: Callable[[], Instant] = now
    ) -> None:
        self._reasons = tuple(reasons)
        self._writer = writer or Unrestricted()
        self._clock = clock

    @property
    def fence(self) -> int | None:
        """The fencing number that writes carry."""
        return self._writer.fence

    def refusal(self, *, undo: bool = False) -> SkipReason | None:
        """Why no write may begin now; what a run has made itself may be removed at any time by who may write."""
        refused = self._writer.refusal(undo=undo)
        if undo or refused is not None:
            return refused
        at = self._clock()
        return next((reason.skip for reason in self._reasons if reason.hold(at) is not None), None)

    def restrictions(self, at: Instant) -> WritesRestricted:
        """All that holds writes back, for metrics and pages."""
        holds = {reason.skip: hold for reason in self._reasons if (hold := reason.hold(at)) is not None}
        sentences = [
            f"{skip} until {pause.as_text(hold.until)}" + (f" ({hold.reason})" if hold.reason else "")
            for skip, hold in holds.items()
        ]
        return WritesRestricted(
            at=at,
            paused=SkipReason.PAUSED in holds,
            maintenance=SkipReason.MAINTENANCE in holds,
            sentence="; ".join(sentences) or "writes are allowed",
        )

    async def tell_changes(self, publish: Callable[[Event], None]) -> None:
        """Publish what holds now, and each change, until cancelled."""
        told: str | None = None
        while True:
            found = self.restrictions(self._clock())
            if found.sentence != told:
                told = found.sentence
                publish(found)
            await asyncio.sleep(TELL_EVERY)


def paused_by(config: Config, started: Instant) -> Paused:
    """What can pause a prober with this config."""
    section = config.pause
    configured = None if section is None else pause.Pause(until=section.until, reason=section.reason)
    return Paused(config.data_dir, configured, started)


def windows_of(config: Config) -> tuple[Window, ...]:
    """The maintenance windows of the config."""
    return tuple(_window(section) for section in config.maintenance)


def _window(section: MaintenanceWindow) -> Window:
    if section.cron is not None and section.duration is not None:
        return Recurring(
            cron=section.cron, zone=section.timezone, duration=section.duration, reason=section.reason
        )
    if section.begins is None or section.ends is None:
        raise ValueError("a window that is neither recurring nor once: the config was not checked")
    return Once(begins=section.begins, ends=section.ends, reason=section.reason)


def permission_of(config: Config, paused: Paused, writer: Permission | None = None) -> WritePermission:
    """What a prober with this config may write, and when; `writer`: its part in an election."""
    return WritePermission([paused, InMaintenance(windows_of(config))], writer)
