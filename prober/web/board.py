"""What the pages show of the prober now: is it alive, has every probe run, what is up and what is down."""

from __future__ import annotations

from prober.event import (
    Event,
    LoopLag,
    Outage,
    OutageChanged,
    ProbeRan,
    Started,
    ViolationFound,
    WritesRestricted,
)
from prober.outcome import OutageState, ProbeName, Violation

# The prober's loop reports several times within this; a stop of the world this long is no small hiccup.
ALIVE_WITHIN = 5.0


class Board:
    """The last of everything. All times that come in or go out are monotonic seconds."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.last_runs: dict[ProbeName, ProbeRan] = {}
        self.outages: dict[ProbeName, Outage] = {}
        self.violations: dict[Violation, int] = {}
        self.restricted: str | None = None  # why no writes are made at the moment
        self._ticked: float | None = None

    def record(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case Started():
                self.started = event
                self._ticked = event.at.mono
                self.violations = {kind: count for kind, count in event.violations.items() if count}
                self.outages |= {o.probe: o for o in event.recent_outages if o.ended is None}
            case LoopLag():
                self._ticked = event.at.mono
            case WritesRestricted():
                self.restricted = event.sentence if event.paused or event.maintenance else None
            case ProbeRan():
                self.last_runs[event.result.probe] = event
            case OutageChanged(state=OutageState.UP):
                self.outages.pop(event.probe, None)
            case OutageChanged(outage=Outage() as outage):
                self.outages[event.probe] = outage
            case ViolationFound():
                self.violations[event.kind] = self.violations.get(event.kind, 0) + 1

    def trouble(self, now: float) -> str | None:
        """Say in a sentence why the prober is not healthy; None when it is."""
        if self._ticked is None:
            return "the prober process has not started yet"
        silent = now - self._ticked
        if silent > ALIVE_WITHIN:
            return f"the prober's event loop has not ticked for {silent:.1f} s (allowed {ALIVE_WITHIN:g} s)"
        return None

    def not_yet_run(self) -> tuple[ProbeName, ...] | None:
        """Name the probes that have not run once; None when not even their names are known."""
        if self.started is None:
            return None
        return tuple(probe for probe in self.started.probes if probe not in self.last_runs)
