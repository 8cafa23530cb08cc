"""Incidents, which are outages and violations together: which are asked for, in which order, as SQL. Pure.

Two tables are one list, newest first: by the moment of the beginning, of the same moment violations before
outages, then by `seq`. A cursor is a place in that order, so a page goes on exactly after the one before.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from prober.publish.journal.stored import StoredOutage, StoredViolation

_FIRST, _LAST = -1, (1 << 63) - 1  # before and behind every seq
_CURSOR = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)-([ov])(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class IncidentCursor:
    """The place of one incident; `began` is Unix time."""

    began: float
    is_violation: bool
    seq: int

    def __str__(self) -> str:
        return f"{self.began!r}-{'v' if self.is_violation else 'o'}{self.seq}"


def read_cursor(text: str) -> IncidentCursor:
    """Read what `str` made of one. ValueError for anything else."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("not the cursor of an incident")
    return IncidentCursor(float(found[1]), found[2] == "v", int(found[3]))


def cursor_of(incident: StoredOutage | StoredViolation) -> IncidentCursor:
    """The place of an incident in the list."""
    if isinstance(incident, StoredViolation):
        return IncidentCursor(incident.first_wall, True, incident.seq)
    return IncidentCursor(incident.began_wall, False, incident.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentsAsked:
    """Which of both tables, of which probe or kind, that began since when (Unix time), and after which place."""

    outages: bool = True
    violations: bool = True
    probe: str | None = None
    kind: str | None = None
    since: float = -math.inf
    limit: int = 100
    before: IncidentCursor | None = None

    def outages_sql(self, columns: str) -> tuple[str, tuple[object, ...]]:
        """The statement for outages and its values."""
        at = self.before
        # A violation of the same moment comes first, so after it all outages of that moment are still to come.
        place = (math.inf, _LAST) if at is None else (at.began, _LAST if at.is_violation else at.seq)
        sql = f"""SELECT {columns} FROM outages WHERE (began_wall, seq) < (?, ?) AND began_wall >= ?
            AND (? IS NULL OR probe = ?) ORDER BY began_wall DESC, seq DESC LIMIT ?"""  # noqa: S608
        return sql, (*place, self.since, self.probe, self.probe, self.limit)

    def violations_sql(self) -> tuple[str, tuple[object, ...]]:
        """The statement for violations and its values."""
        at = self.before
        place = (math.inf, _LAST) if at is None else (at.began, at.seq if at.is_violation else _FIRST)
        sql = """SELECT seq, id, kind, first_wall, last_wall, sentence FROM violations
            WHERE (first_wall, seq) < (?, ?) AND first_wall >= ? AND (? IS NULL OR kind = ?)
            ORDER BY first_wall DESC, seq DESC LIMIT ?"""
        return sql, (*place, self.since, self.kind, self.kind, self.limit)
