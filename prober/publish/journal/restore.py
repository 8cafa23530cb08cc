"""What a prober that starts reads back: what was under way, and what counters and windows begin with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prober.clock import Instant
from prober.event import Outage, ViolationFound
from prober.outcome import Mode, Outcome, ProbeName, RaceOutcome, Settlement, Violation
from prober.publish.journal.entries import Acknowledgement, Intended
from prober.result import AwaitedWebhook

_OUTAGES_LOOKED_AT = 1_000  # the newest; more than can end within any recovery_hold

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_boot_id() -> str:
    """Return the id of this boot of the machine (random(4)); empty where there is none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The past as this prober needs it. Every monotonic time in it is valid in this boot.

    `races` are the outcomes of the last races, oldest first, with and without a verdict. `awaited` are all
    messages that have not been forgotten, also those called lost. `violations` counts all there ever were;
    `last_violations` is the Unix time of the last of each kind. `open_violations` were last seen within the
    hold, whether or not `acknowledgements` cover them. `marks` name synthetic things that may still exist.
    """

    open_outages: tuple[Outage, ...] = ()
    recent_outages: tuple[Outage, ...] = ()
    awaited: tuple[AwaitedWebhook, ...] = ()
    races: tuple[RaceOutcome, ...] = ()
    violations: Mapping[Violation, int] = field(default_factory=dict)
    last_violations: Mapping[Violation, float] = field(default_factory=dict)
    open_violations: tuple[ViolationFound, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    lost: int = 0
    late: int = 0
    marks: tuple[Intended, ...] = ()
    state: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Brings stored times into this boot: monotonic ones of this boot as they are, others by wall time."""

    now: Instant
    boot_id: str

    def instant(self, wall: float, mono: float, boot_id: str) -> Instant:
        """Return the moment; one of another boot is never later than now, whatever the wall clock did."""
        if self.boot_id and boot_id == self.boot_id:
            return Instant(mono, wall)
        return Instant(self.now.mono - max(0.0, self.now.wall - wall), wall)


def restore(
    connection: sqlite3.Connection,
    now: Instant,
    boot_id: str,
    *,
    recovery_hold: float,
    win_rate_window: int,
    violation_hold: float,
) -> Restored:
    """Read all of it. `recovery_hold` and `violation_hold` in seconds. Raises sqlite3.Error."""
    anchor = Anchor(now, boot_id)
    connection.row_factory = sqlite3.Row
    try:
        outages = _outages(connection, anchor)
        totals = {row["name"]: row for row in connection.execute("SELECT * FROM tallies")}
        counted = {kind: totals[f"violation/{kind}"] for kind in Violation if f"violation/{kind}" in totals}
        return Restored(
            open_outages=tuple(outage for outage in outages if outage.ended is None),
            recent_outages=tuple(
                outage
                for outage in outages
                if outage.ended is not None and outage.ended.mono >= now.mono - recovery_hold
            ),
            awaited=_webhooks(connection, anchor),
            races=_races(connection, win_rate_window),
            violations={kind: row["total"] for kind, row in counted.items()},
            last_violations={kind: row["last_wall"] for kind, row in counted.items()},
            open_violations=_violations(connection, anchor, violation_hold),
            acknowledgements=_acknowledgements(connection, anchor),
            lost=_total(totals, Settlement.LOST),
            late=_total(totals, Settlement.LATE),
            marks=_marks(connection, anchor),
            state={row["key"]: json.loads(row["value"]) for row in connection.execute("SELECT * FROM state")},
        )
    finally:
        connection.row_factory = None


def _total(totals: Mapping[str, sqlite3.Row], settlement: Settlement) -> int:
    row = totals.get(f"webhook/{settlement}")
    return 0 if row is None else int(row["total"])


def _outages(connection: sqlite3.Connection, anchor: Anchor) -> list[Outage]:
    """Return those under way and the newest that have ended, oldest first."""
    rows = connection.execute(
        """SELECT * FROM outages WHERE ended_wall IS NULL
        UNION SELECT * FROM (SELECT * FROM outages ORDER BY seq DESC LIMIT ?) ORDER BY seq""",
        (_OUTAGES_LOOKED_AT,),
    )
    return [outage_of(row, anchor) for row in rows]


def outage_of(row: sqlite3.Row, anchor: Anchor) -> Outage:
    """Make the value of a row; its length stays what was measured, whatever the wall clock did since."""
    began = anchor.instant(row["began_wall"], row["began_mono"], row["boot_id"])
    ended = None
    if row["ended_wall"] is not None:
        ended = anchor.instant(row["ended_wall"], row["ended_mono"], row["boot_id"])
        began = Instant(ended.mono - row["duration"], began.wall)
    return Outage(
        id=row["id"],
        probe=ProbeName(row["probe"]),
        began=began,
        cause=Outcome(row["cause"]),
        detail=row["detail"],
        ended=ended,
        uncertainty=row["uncertainty"],
        failures=row["failures"],
    )


def _webhooks(connection: sqlite3.Connection, anchor: Anchor) -> tuple[AwaitedWebhook, ...]:
    rows = connection.execute("SELECT * FROM webhooks WHERE followed = 1 ORDER BY seq")
    return tuple(_awaited(row, anchor) for row in rows)


def _awaited(row: sqlite3.Row, anchor: Anchor) -> AwaitedWebhook:
    accepted = None
    if row["accepted_wall"] is not None:
        accepted = anchor.instant(row["accepted_wall"], row["accepted_mono"], row["boot_id"])
    return AwaitedWebhook(
        message_sid=row["message_sid"],
        run_id=row["run_id"],
        mode=Mode(row["mode"]),
        from_number=row["from_number"],
        body=row["body"],
        intended=anchor.instant(row["intended_wall"], row["intended_mono"], row["boot_id"]),
        accepted=accepted,
        lost=bool(row["lost"]),
    )


def _races(connection: sqlite3.Connection, win_rate_window: int) -> tuple[RaceOutcome, ...]:
    # Twice the window: races without a verdict lie among those that have one.
    rows = connection.execute("SELECT outcome FROM races ORDER BY seq DESC LIMIT ?", (2 * win_rate_window,))
    return tuple(RaceOutcome(row["outcome"]) for row in _oldest_first(rows))


def _oldest_first(rows: Iterable[sqlite3.Row]) -> Iterable[sqlite3.Row]:
    return reversed(list(rows))


def _violations(
    connection: sqlite3.Connection, anchor: Anchor, violation_hold: float
) -> tuple[ViolationFound, ...]:
    rows = connection.execute(
        "SELECT * FROM violations WHERE last_wall >= ? ORDER BY seq", (anchor.now.wall - violation_hold,)
    )
    return tuple(
        ViolationFound(
            id=row["id"],
            kind=Violation(row["kind"]),
            at=anchor.instant(row["last_wall"], 0.0, ""),
            sentence=row["sentence"],
        )
        for row in rows
    )


def _acknowledgements(connection: sqlite3.Connection, anchor: Anchor) -> tuple[Acknowledgement, ...]:
    rows = connection.execute("SELECT * FROM acknowledgements WHERE until_wall > ?", (anchor.now.wall,))
    return tuple(
        Acknowledgement(
            what=row["what"],
            at=anchor.instant(row["at_wall"], 0.0, ""),
            until_wall=row["until_wall"],
            reason=row["reason"],
        )
        for row in rows
    )


def _marks(connection: sqlite3.Connection, anchor: Anchor) -> tuple[Intended, ...]:
    rows = connection.execute("SELECT * FROM marks ORDER BY at_wall")
    return tuple(
        Intended(
            kind=row["kind"],
            id=row["id"],
            run_id=row["run_id"],
            at=anchor.instant(row["at_wall"], row["at_mono"], row["boot_id"]),
        )
        for row in rows
    )
