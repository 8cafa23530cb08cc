"""What a prober that starts reads back: what was under way, and what counters and windows begin with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from prober.clock import Instant
from prober.event import Outage, SuiteFinished, ViolationFound
from prober.judge.violations import MOST_OF_A_KIND
from prober.outcome import (
    Ending,
    Measure,
    Mode,
    Outcome,
    ProbeName,
    RaceOutcome,
    Settlement,
    Suite,
    Verdict,
    Violation,
)
from prober.publish.journal.entries import Acknowledgement, Intended
from prober.result import AwaitedWebhook

_OUTAGES_LOOKED_AT = 1_000  # the newest; more than can end within any recovery_hold

_STANDING = """SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY kind ORDER BY seq DESC) AS place FROM (
        SELECT * FROM violations WHERE last_wall >= ?
        UNION SELECT v.* FROM acknowledgements a JOIN violations v ON v.id = a.what OR v.kind = a.what
        WHERE a.until_wall > ?))
    WHERE place <= ? ORDER BY seq"""

T = TypeVar("T")

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
    `last_violations` is the Unix time of the last of each kind. `standing_violations` may be open or known: the
    newest of each kind that were last seen within the hold, or that one of the `acknowledgements` covers, which
    are those that are in force or ended within the hold. `marks` name synthetic things that may still exist.
    `suites` are the last results of each scenario, `suite_runs` the ids of all runs whose results are known.
    """

    open_outages: tuple[Outage, ...] = ()
    recent_outages: tuple[Outage, ...] = ()
    awaited: tuple[AwaitedWebhook, ...] = ()
    races: tuple[RaceOutcome, ...] = ()
    violations: Mapping[Violation, int] = field(default_factory=dict)
    last_violations: Mapping[Violation, float] = field(default_factory=dict)
    standing_violations: tuple[ViolationFound, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    lost: int = 0
    late: int = 0
    marks: tuple[Intended, ...] = ()
    state: Mapping[str, object] = field(default_factory=dict)
    suites: tuple[SuiteFinished, ...] = ()
    suite_runs: frozenset[str] = frozenset()
    not_understood: int = 0  # rows left out: written by hand, or by a prober that knew other words


@dataclass(frozen=True, slots=True)
class Anchor:
    """Brings stored times into this boot: monotonic ones of this boot as they are, others by wall time."""

    now: Instant
    boot_id: str

    def instant(self, wall: float, mono: float, boot_id: str) -> Instant:
        """Return the moment; one of another boot is never later than now, whatever the clock did."""
        if self.boot_id and boot_id == self.boot_id:
            return Instant(mono, wall)
        return self.by_wall(wall)

    def by_wall(self, wall: float) -> Instant:
        """Return a moment of which the wall time alone is known; never later than now."""
        return Instant(self.now.mono - max(0.0, self.now.wall - wall), wall)


class _Past:
    """Reads the rows of one file. A row that cannot be understood must not take all others with it."""

    def __init__(self, connection: sqlite3.Connection, anchor: Anchor) -> None:
        self._connection = connection
        self._anchor = anchor
        self.not_understood = 0

    def outages(self) -> list[Outage]:
        """Return those under way and the newest that have ended, oldest first."""
        sql = """SELECT * FROM outages WHERE ended_wall IS NULL
            UNION SELECT * FROM (SELECT * FROM outages ORDER BY seq DESC LIMIT ?) ORDER BY seq"""
        return self._all(_outage, sql, _OUTAGES_LOOKED_AT)

    def awaited(self) -> list[AwaitedWebhook]:
        """Return the messages that are followed, oldest first."""
        return self._all(_awaited, "SELECT * FROM webhooks WHERE followed = 1 ORDER BY seq")

    def races(self, count: int) -> list[RaceOutcome]:
        """Return the outcomes of the last `count` races, oldest first."""
        sql = """SELECT * FROM (SELECT seq, outcome FROM races WHERE suite_run IS NULL
            ORDER BY seq DESC LIMIT ?) ORDER BY seq"""
        return self._all(_race_outcome, sql, count)

    def violations(self, since_wall: float) -> list[ViolationFound]:
        """Return the newest of each kind last seen, or acknowledged for some time, since then; oldest first."""
        return self._all(_violation, _STANDING, since_wall, since_wall, MOST_OF_A_KIND)

    def acknowledgements(self, since_wall: float) -> list[Acknowledgement]:
        """Return those that end, or ended, after `since_wall`, in the order in which they began."""
        sql = "SELECT * FROM acknowledgements WHERE until_wall > ? ORDER BY at_wall, what"
        return self._all(_acknowledgement, sql, since_wall)

    def marks(self) -> list[Intended]:
        """Return the marks of what may still exist, oldest first."""
        return self._all(_mark, "SELECT * FROM marks ORDER BY at_wall, kind, id")

    def suites(self) -> list[SuiteFinished]:
        """Return the last results of each scenario."""
        return self._all(
            _suite,
            """SELECT * FROM suites AS one WHERE seq = (SELECT seq FROM suites AS other
                WHERE other.suite = one.suite AND other.scenario = one.scenario
                ORDER BY ended_wall DESC, seq DESC LIMIT 1) ORDER BY seq""",
        )

    def state(self) -> dict[str, object]:
        """Return what was kept under each key."""
        return dict(self._all(_state, "SELECT * FROM state"))

    def _all(self, make: Callable[[sqlite3.Row, Anchor], T], sql: str, *values: object) -> list[T]:
        cursor = self._connection.cursor()
        cursor.row_factory = sqlite3.Row
        made = []
        for row in cursor.execute(sql, values):
            try:
                made.append(make(row, self._anchor))
            except (ValueError, TypeError):
                self.not_understood += 1
        return made


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
    past = _Past(connection, Anchor(now, boot_id))
    outages = past.outages()
    since = now.mono - recovery_hold
    totals = {name: (total, last) for name, total, last in connection.execute("SELECT * FROM tallies")}
    counted = {kind: totals[f"violation/{kind}"] for kind in Violation if f"violation/{kind}" in totals}
    return Restored(
        open_outages=tuple(outage for outage in outages if outage.ended is None),
        recent_outages=tuple(o for o in outages if o.ended is not None and o.ended.mono >= since),
        awaited=tuple(past.awaited()),
        # Twice the window: races without a verdict lie among those that have one.
        races=tuple(past.races(2 * win_rate_window)),
        violations={kind: total for kind, (total, _) in counted.items()},
        last_violations={kind: last for kind, (_, last) in counted.items()},
        standing_violations=tuple(past.violations(now.wall - violation_hold)),
        acknowledgements=tuple(past.acknowledgements(now.wall - violation_hold)),
        lost=totals.get(f"webhook/{Settlement.LOST}", (0, 0.0))[0],
        late=totals.get(f"webhook/{Settlement.LATE}", (0, 0.0))[0],
        marks=tuple(past.marks()),
        state=past.state(),
        suites=tuple(past.suites()),
        suite_runs=frozenset(run_id for (run_id,) in connection.execute("SELECT run_id FROM suites")),
        not_understood=past.not_understood,
    )


def read_acknowledgements(
    connection: sqlite3.Connection, now: Instant, *, violation_hold: float
) -> tuple[Acknowledgement, ...]:
    """Read those that are in force or ended within `violation_hold` seconds. Raises sqlite3.Error."""
    past = _Past(connection, Anchor(now, ""))
    return tuple(past.acknowledgements(now.wall - violation_hold))


def read_known(connection: sqlite3.Connection, violations: Sequence[str]) -> frozenset[str]:
    """Say which of these violations (ids) are in the journal. Raises sqlite3.Error."""
    ask = "SELECT 1 FROM violations WHERE id = ?"
    return frozenset(one for one in violations if connection.execute(ask, (one,)).fetchone() is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What may still exist in the target, as far as the journal knows."""

    marks: tuple[Intended, ...] = ()
    awaited: tuple[AwaitedWebhook, ...] = ()


def read_left(connection: sqlite3.Connection, now: Instant, boot_id: str) -> Left:
    """Read only that. Raises sqlite3.Error."""
    past = _Past(connection, Anchor(now, boot_id))
    return Left(marks=tuple(past.marks()), awaited=tuple(past.awaited()))


def _outage(row: sqlite3.Row, anchor: Anchor) -> Outage:
    began = anchor.instant(row["began_wall"], row["began_mono"], row["boot_id"])
    ended = None
    if row["ended_wall"] is not None:
        ended = anchor.instant(row["ended_wall"], row["ended_mono"], row["boot_id"])
        if row["boot_id"] != anchor.boot_id:
            # Its length stays what was measured, whatever the wall clock did since.
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
        repeated=bool(row["repeated"]),
        settled=row["settlement"] not in (None, Settlement.LOST),
    )


def _race_outcome(row: sqlite3.Row, _: Anchor) -> RaceOutcome:
    return RaceOutcome(row["outcome"])


def _violation(row: sqlite3.Row, anchor: Anchor) -> ViolationFound:
    return ViolationFound(
        id=row["id"],
        kind=Violation(row["kind"]),
        at=anchor.by_wall(row["last_wall"]),
        sentence=row["sentence"],
    )


def _acknowledgement(row: sqlite3.Row, anchor: Anchor) -> Acknowledgement:
    return Acknowledgement(
        what=row["what"],
        at=anchor.by_wall(row["at_wall"]),
        until_wall=row["until_wall"],
        reason=row["reason"],
    )


def _mark(row: sqlite3.Row, anchor: Anchor) -> Intended:
    at = anchor.instant(row["at_wall"], row["at_mono"], row["boot_id"])
    return Intended(kind=row["kind"], id=row["id"], run_id=row["run_id"], at=at)


def _suite(row: sqlite3.Row, _: Anchor) -> SuiteFinished:
    summary = json.loads(row["summary"])
    if not all(
        isinstance(one, dict) for one in (summary, summary.get("measures", {}), summary.get("verdicts", {}))
    ):
        raise ValueError("a summary of another form")
    return SuiteFinished(
        run_id=row["run_id"],
        suite=Suite(row["suite"]),
        scenario=row["scenario"],
        started_wall=row["started_wall"],
        ended_wall=row["ended_wall"],
        duration=row["duration"],
        ending=Ending(row["ending"]),
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        sentence=row["sentence"],
        environment=str(summary.get("environment", "")),
        measures={Measure(name): float(value) for name, value in summary.get("measures", {}).items()},
        verdicts={Measure(name): Verdict(value) for name, value in summary.get("verdicts", {}).items()},
        notes=tuple(str(note) for note in summary.get("notes", ())),
        violations=int(summary.get("violations", 0)),
    )


def _state(row: sqlite3.Row, _: Anchor) -> tuple[str, object]:
    return row["key"], json.loads(row["value"])
