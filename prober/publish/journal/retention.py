"""How long the journal keeps what: by age, then by size, in slices small enough to write in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

_SLICE = 250  # rows; a few milliseconds
_PAGES_FREED = 64  # pages given back to the file system after each slice
_TRIMMED_TO = 0.95  # of max_bytes, so that trimming does not begin again with the next result
_RACES_KEPT = 1_000  # the newest: the window of the win rate is made of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long what is kept, in seconds, and how large the journal may become, in bytes.

    Outages under way, webhooks that are followed and violations that are open, or that are acknowledged and will
    be open once more, are kept whatever this says, with their evidence.
    """

    results: float = 30 * 86_400
    races: float = 90 * 86_400
    incidents: float = 400 * 86_400  # outages, violations and the evidence of these
    violation_hold: float = 4 * 3_600  # a violation stays open this long after it was last seen
    max_bytes: int = 512 << 20


# Kind → the oldest rows of it that may go at all, as (seq, wall) in the order of seq. By size the kinds go in
# this order: what is cheapest to lose first.
_CANDIDATES = {
    "results": "SELECT seq, started_wall FROM results ORDER BY seq LIMIT :slice",
    "webhooks": """SELECT seq, coalesce(intended_wall, settled_wall) FROM webhooks
        WHERE followed = 0 AND settlement IS NOT 'lost' ORDER BY seq LIMIT :slice""",
    "restarts": "SELECT seq, at_wall FROM restarts ORDER BY seq LIMIT :slice",
    "races": """SELECT seq, released_wall FROM races WHERE violation = 0
        AND seq <= (SELECT max(seq) FROM races) - :races_kept ORDER BY seq LIMIT :slice""",
    "losses": """SELECT seq, coalesce(intended_wall, settled_wall) FROM webhooks
        WHERE followed = 0 AND settlement = 'lost' ORDER BY seq LIMIT :slice""",
    # The last of each scenario is what the metrics show.
    "suites": """SELECT seq, ended_wall FROM suites
        WHERE seq NOT IN (SELECT max(seq) FROM suites GROUP BY suite, scenario) ORDER BY seq LIMIT :slice""",
    "evidence": """SELECT seq, released_wall FROM races WHERE violation = 1
        AND released_wall < :now - :hold AND NOT EXISTS (SELECT 1 FROM acknowledgements
        WHERE until_wall > :now - :hold AND what IN (outcome, outcome || '-' || id)) ORDER BY seq LIMIT :slice""",
    "violations": """SELECT seq, last_wall FROM violations
        WHERE last_wall < :now - :hold AND NOT EXISTS (SELECT 1 FROM acknowledgements
        WHERE until_wall > :now - :hold AND what IN (kind, id)) ORDER BY seq LIMIT :slice""",
    "outages": "SELECT seq, ended_wall FROM outages WHERE ended_wall IS NOT NULL ORDER BY seq LIMIT :slice",
}
_TABLES = {"losses": "webhooks", "evidence": "races"}


@dataclass(slots=True)
class Retained:
    """What retention did: rows removed by kind, and whether the journal is within its size now."""

    removed: dict[str, int]
    bytes: int
    within_size: bool


def retain(connection: sqlite3.Connection, keep: Keep, now_wall: float) -> Iterator[Retained]:
    """Remove what is too old, then what is too much; each step is one small transaction.

    Yields after each step what has been done so far. Raises sqlite3.Error.
    """
    done = Retained({}, bytes_used(connection), within_size=False)
    ages = {"results": keep.results, "webhooks": keep.results, "restarts": keep.races, "races": keep.races}
    for kind in _CANDIDATES:
        oldest = now_wall - ages.get(kind, keep.incidents)
        while _remove(connection, kind, keep, now_wall, oldest, done):
            yield done
    for kind in _CANDIDATES:
        while done.bytes > keep.max_bytes * _TRIMMED_TO:
            if not _remove(connection, kind, keep, now_wall, None, done):
                break
            yield done
    while _give_back(connection):
        yield done
    done.within_size = done.bytes <= keep.max_bytes
    yield done


def bytes_used(connection: sqlite3.Connection) -> int:
    """Return the size of what the file holds, without its free pages."""
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(size) * (int(pages) - int(free))


def _remove(
    connection: sqlite3.Connection, kind: str, keep: Keep, now_wall: float, oldest: float | None, done: Retained
) -> bool:
    """Remove one slice of a kind; True if there may be more of it to remove."""
    candidates = connection.execute(
        _CANDIDATES[kind],
        {"slice": _SLICE, "races_kept": _RACES_KEPT, "now": now_wall, "hold": keep.violation_hold},
    ).fetchall()
    gone = [(seq,) for seq, wall in candidates if oldest is None or wall < oldest]
    if not gone:
        return False
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"DELETE FROM {_TABLES.get(kind, kind)} WHERE seq = ?", gone)  # noqa: S608
    connection.execute("COMMIT")
    _give_back(connection)
    done.removed[kind] = done.removed.get(kind, 0) + len(gone)
    done.bytes = bytes_used(connection)
    return len(gone) == len(candidates)


def _give_back(connection: sqlite3.Connection) -> bool:
    """Return some free pages to the file system; True if there are more."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if not free:
        return False
    # The pragma frees one page with each row that is fetched.
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_FREED})").fetchall()
    (left,) = connection.execute("PRAGMA freelist_count").fetchone()
    return 0 < int(left) < int(free)
