"""The tables of the journal and the way from each version of them to the next.

`seq` orders every table by arrival and is the cursor for paging. Times ending in `_wall` are Unix time,
those ending in `_mono` CLOCK_MONOTONIC of the boot named beside them; lengths are seconds.
"""

from __future__ import annotations

import sqlite3

FILE_NAME = "journal.sqlite"

APPLICATION_ID = 0x70726F62  # "prob": tells our file from anybody else's

_TABLES = (
    """CREATE TABLE results (
        seq INTEGER PRIMARY KEY, probe TEXT NOT NULL, run_id TEXT NOT NULL, started_wall REAL NOT NULL,
        duration REAL NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, specifics TEXT NOT NULL)""",
    # A SQLite index ends with the row's own key, so this one is ordered by (probe, seq).
    "CREATE INDEX results_by_probe ON results (probe)",
    "CREATE INDEX results_of_webhooks ON results (run_id) WHERE probe = 'webhook'",
    """CREATE TABLE outages (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, probe TEXT NOT NULL, began_wall REAL NOT NULL,
        began_mono REAL NOT NULL, boot_id TEXT NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL,
        ended_wall REAL, ended_mono REAL, duration REAL, uncertainty REAL, failures INTEGER NOT NULL)""",
    "CREATE INDEX outages_open ON outages (began_wall) WHERE ended_wall IS NULL",
    "CREATE INDEX outages_by_time ON outages (began_wall)",
    # evidence is last: rows are long, and a list of races never reads that far.
    """CREATE TABLE races (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, released_wall REAL NOT NULL, outcome TEXT NOT NULL,
        violation INTEGER NOT NULL, sentence TEXT NOT NULL, routing_id TEXT NOT NULL, order_id TEXT NOT NULL,
        race_duration REAL, evidence TEXT NOT NULL)""",
    "CREATE INDEX races_by_routing ON races (routing_id)",
    "CREATE INDEX races_unproven ON races (released_wall) WHERE violation = 0",
    """CREATE TABLE webhooks (
        seq INTEGER PRIMARY KEY, message_sid TEXT NOT NULL UNIQUE, run_id TEXT NOT NULL, mode TEXT, body TEXT,
        from_number TEXT, intended_wall REAL, intended_mono REAL, accepted_wall REAL, accepted_mono REAL,
        boot_id TEXT, lost INTEGER NOT NULL DEFAULT 0, followed INTEGER NOT NULL DEFAULT 0,
        settlement TEXT, settled_wall REAL, delay REAL, effects INTEGER, sentence TEXT)""",
    "CREATE INDEX webhooks_followed ON webhooks (message_sid) WHERE followed = 1",
    "CREATE INDEX webhooks_by_run ON webhooks (run_id)",
    """CREATE TABLE violations (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, first_wall REAL NOT NULL,
        last_wall REAL NOT NULL, sentence TEXT NOT NULL)""",
    "CREATE INDEX violations_by_time ON violations (first_wall)",
    "CREATE INDEX violations_by_last ON violations (last_wall)",
    """CREATE TABLE acknowledgements (
        what TEXT PRIMARY KEY, at_wall REAL NOT NULL, until_wall REAL NOT NULL, reason TEXT NOT NULL
        ) WITHOUT ROWID""",
    """CREATE TABLE marks (
        kind TEXT NOT NULL, id TEXT NOT NULL, run_id TEXT NOT NULL, at_wall REAL NOT NULL,
        at_mono REAL NOT NULL, boot_id TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID""",
    "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE restarts (seq INTEGER PRIMARY KEY, service TEXT NOT NULL, at_wall REAL NOT NULL, detail TEXT)",
)

# What counters are restored from. Kept by the database itself, in the transaction of the row that is counted,
# so that a total is right whenever the row is there, and stays when retention removes the row.
_TALLIES = (
    """CREATE TABLE tallies (
        name TEXT PRIMARY KEY, total INTEGER NOT NULL, last_wall REAL NOT NULL) WITHOUT ROWID""",
    """CREATE TRIGGER violations_counted AFTER INSERT ON violations BEGIN
        INSERT INTO tallies VALUES ('violation/' || NEW.kind, 1, NEW.last_wall)
        ON CONFLICT (name) DO UPDATE
        SET total = total + 1, last_wall = max(last_wall, excluded.last_wall); END""",
    """CREATE TRIGGER violations_seen_again AFTER UPDATE OF last_wall ON violations BEGIN
        UPDATE tallies SET last_wall = max(last_wall, NEW.last_wall)
        WHERE name = 'violation/' || NEW.kind; END""",
    """CREATE TRIGGER webhooks_counted AFTER INSERT ON webhooks WHEN NEW.settlement IS NOT NULL BEGIN
        INSERT INTO tallies VALUES ('webhook/' || NEW.settlement, 1, NEW.settled_wall)
        ON CONFLICT (name) DO UPDATE SET total = total + 1, last_wall = excluded.last_wall; END""",
    """CREATE TRIGGER webhooks_recounted AFTER UPDATE OF settlement ON webhooks
        WHEN NEW.settlement IS NOT NULL AND NEW.settlement IS NOT OLD.settlement BEGIN
        INSERT INTO tallies VALUES ('webhook/' || NEW.settlement, 1, NEW.settled_wall)
        ON CONFLICT (name) DO UPDATE SET total = total + 1, last_wall = excluded.last_wall; END""",
    """INSERT INTO tallies
        SELECT 'violation/' || kind, count(*), max(last_wall) FROM violations GROUP BY kind""",
    """INSERT INTO tallies SELECT 'webhook/' || settlement, count(*), max(settled_wall) FROM webhooks
        WHERE settlement IS NOT NULL GROUP BY settlement""",
)

# Evidence of the rarer webhook checks is found by its run, as that of a delivery is.
OF_WEBHOOKS = "probe IN ('webhook', 'webhook_duplicate', 'webhook_signature', 'webhook_replay')"
_ALL_WEBHOOKS = (
    "DROP INDEX results_of_webhooks",
    f"CREATE INDEX results_of_webhooks ON results (run_id) WHERE {OF_WEBHOOKS}",
)

# What a message that is sent more than once may leave is more than what another one does.
_REPEATED = ("ALTER TABLE webhooks ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0",)

# Results of suites, without their detail. A race of a suite is evidence and no part of the win rate's window.
_SUITES = (
    """CREATE TABLE suites (
        seq INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, suite TEXT NOT NULL, scenario TEXT NOT NULL,
        started_wall REAL NOT NULL, ended_wall REAL NOT NULL, duration REAL NOT NULL, ending TEXT NOT NULL,
        verdict TEXT, sentence TEXT NOT NULL, summary TEXT NOT NULL)""",
    "CREATE INDEX suites_by_scenario ON suites (suite, scenario)",
    "ALTER TABLE races ADD COLUMN suite_run TEXT",
)

# Pages ask for the races of one outcome, which may be rare among many.
_RACES_BY_OUTCOME = ("CREATE INDEX races_by_outcome ON races (outcome)",)

# The statements that lead from version n to n + 1. Released ones are never edited: a change is a new line.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_TABLES, _TALLIES, _ALL_WEBHOOKS, _REPEATED, _SUITES, _RACES_BY_OUTCOME)

VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the tables in an open file; 0 for an empty one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether the file holds somebody else's tables."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    if mark == APPLICATION_ID:
        return False
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def migrate(connection: sqlite3.Connection, to: int = VERSION) -> None:
    """Bring the tables from whatever version they have up to `to`; all of it or nothing, in one transaction.

    The connection must be in autocommit mode. Raises sqlite3.Error, with the file as it was before.
    """
    if version_of(connection) >= to:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited for the lock.
        for statements in MIGRATIONS[version_of(connection) : to]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {max(to, version_of(connection))}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
