"""Reads the journal while another process writes it: pages, commands and metrics ask here.

Every answer is newest first. `before` is the `seq` of the last entry of the page before; None begins at the
newest. Each question is one short read transaction, so that the writer's checkpoints are never held up.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prober.outcome import ProbeName
from prober.publish.journal import schema
from prober.publish.journal.incidents import IncidentsAsked, cursor_of
from prober.publish.journal.stored import (
    Counts,
    StoredAcknowledgement,
    StoredLatency,
    StoredOutage,
    StoredRace,
    StoredResult,
    StoredSuite,
    StoredViolation,
    StoredWebhook,
)

_NEWEST = (1 << 63) - 1  # the largest seq there can be
_LOCK_WAIT = 0.25  # seconds


class UnreadableError(Exception):
    """The journal is not there or cannot be read; the message says why and what to do."""


_OUTAGE = "seq, id, probe, began_wall, ended_wall, duration, uncertainty, cause, detail, failures"
_RACE = "seq, id, released_wall, outcome, violation, sentence, routing_id, order_id, race_duration"
_WEBHOOK = """seq, message_sid, run_id, mode, body, from_number, intended_wall, accepted_wall, followed,
    settlement, settled_wall, delay, effects, sentence"""
_VIOLATION = "SELECT seq, id, kind, first_wall, last_wall, sentence FROM violations"


class Reader:
    """A connection of one's own, read only. May be used from several threads; one question at a time.

    Every method raises UnreadableError when there is no journal or it cannot be read, and works again as soon
    as there is one: also after the writer has set a damaged file aside.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / schema.FILE_NAME
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def results(
        self, probe: str | None = None, *, limit: int = 100, before: int | None = None
    ) -> tuple[StoredResult, ...]:
        """Return results, of one probe or of all."""
        which, values = ("probe = ? AND", (probe,)) if probe is not None else ("", ())
        rows = self._rows(
            f"SELECT * FROM results WHERE {which} seq < ? ORDER BY seq DESC LIMIT ?",  # noqa: S608
            (*values, _cursor(before), limit),
        )
        return tuple(_result(row) for row in rows)

    def latest(self, probe: str) -> StoredResult | None:
        """Return the last result of one probe."""
        return next(iter(self.results(probe, limit=1)), None)

    def result_of_webhook(self, run_id: str) -> StoredResult | None:
        """Return what a webhook probe saw in one run, also of messages that were never accepted."""
        rows = self._rows(
            f"SELECT * FROM results WHERE {schema.OF_WEBHOOKS} AND run_id = ? ORDER BY seq DESC",  # noqa: S608
            (run_id,),
        )
        return _result(rows[0]) if rows else None

    def outages(
        self, probe: str | None = None, *, limit: int = 100, before: int | None = None
    ) -> tuple[StoredOutage, ...]:
        """Return outages, of one probe or of all, also those under way."""
        rows = self._rows(
            f"""SELECT {_OUTAGE} FROM outages WHERE (? IS NULL OR probe = ?) AND seq < ?
            ORDER BY seq DESC LIMIT ?""",  # noqa: S608
            (probe, probe, _cursor(before), limit),
        )
        return tuple(StoredOutage(**row) for row in rows)

    def open_outages(self) -> tuple[StoredOutage, ...]:
        """Return the outages under way."""
        rows = self._rows(
            f"SELECT {_OUTAGE} FROM outages WHERE ended_wall IS NULL ORDER BY began_wall DESC",  # noqa: S608
            (),
        )
        return tuple(StoredOutage(**row) for row in rows)

    def outage(self, outage_id: str) -> StoredOutage | None:
        """Return one outage."""
        rows = self._rows(f"SELECT {_OUTAGE} FROM outages WHERE id = ?", (outage_id,))  # noqa: S608
        return StoredOutage(**rows[0]) if rows else None

    def outages_since(self, since_wall: float, *, limit: int = 1000) -> tuple[StoredOutage, ...]:
        """Return the outages that began since then, and those under way whenever they began."""
        rows = self._rows(
            f"""SELECT {_OUTAGE} FROM outages WHERE began_wall >= ?
            UNION SELECT {_OUTAGE} FROM outages WHERE ended_wall IS NULL
            ORDER BY began_wall DESC LIMIT ?""",  # noqa: S608
            (since_wall, limit),
        )
        return tuple(StoredOutage(**row) for row in rows)

    def incidents(self, asked: IncidentsAsked) -> tuple[StoredOutage | StoredViolation, ...]:
        """Return outages and violations, by when they began."""
        found: list[StoredOutage | StoredViolation] = []
        if asked.outages:
            sql, values = asked.outages_sql(_OUTAGE)
            found += [StoredOutage(**row) for row in self._rows(sql, values)]
        if asked.violations:
            sql, values = asked.violations_sql()
            found += [StoredViolation(**row) for row in self._rows(sql, values)]
        return tuple(sorted(found, key=cursor_of, reverse=True)[: asked.limit])

    def latencies(
        self, probe: str, since_wall: float, *, limit: int, before: int | None = None
    ) -> tuple[StoredLatency, ...]:
        """Return how long the good runs of a probe took: of races from the release to the last answer."""
        # A path check, which nobody accepts, is no webhook.
        accepted = "AND json_extract(specifics, '$.accepted')" if probe == ProbeName.WEBHOOK else ""
        sql = f"""SELECT seq, started_wall AS at_wall, duration AS seconds, outcome = 'ok' {accepted} AS good
            FROM results WHERE probe = ? AND seq < ? ORDER BY seq DESC LIMIT ?"""  # noqa: S608
        if probe == ProbeName.RACE:
            sql = """SELECT seq, released_wall AS at_wall, race_duration AS seconds,
                race_duration IS NOT NULL AS good
                FROM races WHERE ? IS NOT NULL AND seq < ? ORDER BY seq DESC LIMIT ?"""
        rows = self._rows(sql, (probe, _cursor(before), limit))
        stored = (StoredLatency(**{**row, "good": bool(row["good"])}) for row in rows)
        return tuple(one for one in stored if one.at_wall >= since_wall)

    def races(
        self, outcome: str | None = None, *, limit: int = 100, before: int | None = None
    ) -> tuple[StoredRace, ...]:
        """Return races without their evidence, of one outcome or of all."""
        which, values = ("outcome = ? AND", (outcome,)) if outcome is not None else ("", ())
        rows = self._rows(
            f"SELECT {_RACE} FROM races WHERE {which} seq < ? ORDER BY seq DESC LIMIT ?",  # noqa: S608
            (*values, _cursor(before), limit),
        )
        return tuple(_race(row) for row in rows)

    def race(self, race_id: str) -> StoredRace | None:
        """Return one race with its evidence, by the id of its run or of its routing."""
        rows = self._rows(
            f"""SELECT {_RACE}, evidence FROM races WHERE id = :id
            UNION ALL SELECT {_RACE}, evidence FROM races WHERE routing_id = :id LIMIT 1""",  # noqa: S608
            {"id": race_id},
        )
        return _race(rows[0]) if rows else None

    def webhook(self, webhook_id: str) -> StoredWebhook | None:
        """Return one message, by its MessageSid or by the id of its run."""
        rows = self._rows(
            f"""SELECT {_WEBHOOK} FROM webhooks WHERE message_sid = :id
            UNION ALL SELECT {_WEBHOOK} FROM webhooks WHERE run_id = :id LIMIT 1""",  # noqa: S608
            {"id": webhook_id},
        )
        return StoredWebhook(**{**rows[0], "followed": bool(rows[0]["followed"])}) if rows else None

    def followed_webhooks(self) -> tuple[StoredWebhook, ...]:
        """Return the messages that are waited for, or whose rows are still to be removed."""
        rows = self._rows(f"SELECT {_WEBHOOK} FROM webhooks WHERE followed = 1 ORDER BY seq DESC", ())  # noqa: S608
        return tuple(StoredWebhook(**{**row, "followed": True}) for row in rows)

    def violations(
        self, kind: str | None = None, *, limit: int = 100, before: int | None = None
    ) -> tuple[StoredViolation, ...]:
        """Return violations, of one kind or of all."""
        rows = self._rows(
            f"{_VIOLATION} WHERE (? IS NULL OR kind = ?) AND seq < ? ORDER BY seq DESC LIMIT ?",
            (kind, kind, _cursor(before), limit),
        )
        return tuple(StoredViolation(**row) for row in rows)

    def suites(
        self, suite: str | None = None, *, limit: int = 100, before: int | None = None
    ) -> tuple[StoredSuite, ...]:
        """Return results of suites, of one or of all."""
        rows = self._rows(
            "SELECT * FROM suites WHERE (? IS NULL OR suite = ?) AND seq < ? ORDER BY seq DESC LIMIT ?",
            (suite, suite, _cursor(before), limit),
        )
        return tuple(StoredSuite(**{**row, "summary": json.loads(row["summary"])}) for row in rows)

    def recent_violations(self, since_wall: float) -> tuple[StoredViolation, ...]:
        """Return every violation last seen since then."""
        rows = self._rows(f"{_VIOLATION} WHERE last_wall >= ? ORDER BY seq DESC", (since_wall,))
        return tuple(StoredViolation(**row) for row in rows)

    def violation(self, violation_id: str) -> StoredViolation | None:
        """Return one violation."""
        rows = self._rows(f"{_VIOLATION} WHERE id = ?", (violation_id,))
        return StoredViolation(**rows[0]) if rows else None

    def acknowledgements(self, *what: str) -> tuple[StoredAcknowledgement, ...]:
        """Return the acknowledgement of each of these (ids of violations, kinds), also those that have ended."""
        rows = self._rows(
            f"""SELECT what, at_wall, until_wall, reason FROM acknowledgements
            WHERE what IN ({", ".join("?" * len(what))}) ORDER BY at_wall DESC""",  # noqa: S608
            what,
        )
        return tuple(StoredAcknowledgement(**row) for row in rows)

    def counts(self) -> Counts:
        """Return the totals."""
        totals = {row["name"]: row["total"] for row in self._rows("SELECT name, total FROM tallies", ())}
        (marks,) = self._rows("SELECT count(*) AS count FROM marks", ())
        return Counts(
            violations=_under("violation/", totals),
            settlements=_under("webhook/", totals),
            marks=marks["count"],
        )

    def state(self, key: str) -> object:
        """Return the value kept under a key; None if there is none."""
        rows = self._rows("SELECT value FROM state WHERE key = ?", (key,))
        return json.loads(rows[0]["value"]) if rows else None

    def _rows(self, sql: str, values: Sequence[object] | Mapping[str, object]) -> list[dict[str, Any]]:
        with self._lock, self._readable() as connection:
            cursor = connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @contextmanager
    def _readable(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._open()
        except FileNotFoundError as error:
            self._close()
            raise UnreadableError(f"{self._path} does not exist; has a prober run with this data_dir?") from error
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise UnreadableError(
                f"{self._path} cannot be read: {error}; it must belong to the user who runs this, and to no newer "
                "prober"
            ) from error

    def _open(self) -> sqlite3.Connection:
        found = self._path.stat()
        identity = (found.st_dev, found.st_ino)
        if self._connection is not None and identity == self._identity:
            return self._connection
        # The writer has set the file aside and begun a new one: the old one would never change again.
        self._close()
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_LOCK_WAIT,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection, self._identity = connection, identity
        version = schema.version_of(connection)
        if version != schema.VERSION:
            raise sqlite3.DatabaseError(f"its tables are of version {version}, known is {schema.VERSION}")
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _cursor(before: int | None) -> int:
    return _NEWEST if before is None else before


def _under(prefix: str, totals: Mapping[str, int]) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in totals.items() if name.startswith(prefix)}


def _result(row: dict[str, Any]) -> StoredResult:
    return StoredResult(**{**row, "specifics": json.loads(row["specifics"])})


def _race(row: dict[str, Any]) -> StoredRace:
    evidence = json.loads(row["evidence"]) if "evidence" in row else None
    return StoredRace(**{**row, "violation": bool(row["violation"]), "evidence": evidence})
