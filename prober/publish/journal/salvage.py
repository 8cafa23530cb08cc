"""What can still be read of a damaged journal: the rows that matter, carried over into a new file."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field

# Table → what of it is worth carrying over. Results and ordinary races stay in the file set aside.
_WORTH_SAVING = {
    "violations": "1",
    "outages": "1",
    "webhooks": "followed = 1 OR settlement = 'lost'",
    "races": "violation = 1",
    "acknowledgements": "1",
    "suites": "1",
    "marks": "1",
    "state": "1",
    # Last: the rows above are counted as they come in, and the totals of old then take that over.
    "tallies": "1",
}

Row = tuple[object, ...]


@dataclass(slots=True)
class Saved:
    """Rows by table, with the names of their columns."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)


def save(connection: sqlite3.Connection) -> Saved:
    """Read what can be read; a table is read from both ends up to where the damage is. Never raises."""
    saved = Saved()
    for table, condition in _WORTH_SAVING.items():
        rows: dict[Row, None] = {}
        for direction in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.Error, OverflowError):
                cursor = connection.execute(
                    # NOT INDEXED: an index may be the part that is damaged.
                    f"SELECT * FROM {table} NOT INDEXED WHERE {condition} ORDER BY 1 {direction}"  # noqa: S608
                )
                saved.columns[table] = tuple(column[0] for column in cursor.description)
                for row in cursor:
                    rows[row] = None
        saved.rows[table] = list(rows)
    return saved


def restore(connection: sqlite3.Connection, saved: Saved) -> int:
    """Write saved rows into a new file, in one transaction; return how many. Raises sqlite3.Error."""
    count = 0
    connection.execute("BEGIN IMMEDIATE")
    for table, rows in saved.rows.items():
        if not rows:
            continue
        columns = saved.columns[table]
        names, holes = ", ".join(columns), ", ".join("?" * len(columns))
        for row in rows:
            # Damage can leave rows that break the rules of their table; they are left behind.
            with contextlib.suppress(sqlite3.IntegrityError):
                connection.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({holes})", row)  # noqa: S608
                count += 1
    connection.execute("COMMIT")
    return count
