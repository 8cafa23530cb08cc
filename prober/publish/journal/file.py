"""The journal's file: opened, written in whole transactions, and set aside when it is beyond reading."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from prober.publish.journal import salvage, schema
from prober.publish.journal.backlog import Write
from prober.publish.journal.entries import Entry
from prober.publish.journal.statements import Encoder

_COMPANIONS = ("", "-wal", "-shm")
_SET_ASIDE_KEPT = 5  # a disk that corrupts every file must not fill up with them
LOCK_WAIT = 0.25  # seconds; a suite or a command may be writing just now
_WAL_LIMIT = 16 << 20  # bytes that the -wal file keeps after a checkpoint

T = TypeVar("T")


class JournalError(Exception):
    """The journal could not be written or read. `reason` is one of `prober.event.JOURNAL_FAILURES`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    @property
    def hopeless(self) -> bool:
        """Whether trying again on the same file cannot help."""
        return self.reason in ("corrupt", "schema")


class JournalFile:
    """One SQLite file in WAL mode, owned by the thread that opens it.

    Every method raises JournalError, and nothing else, for what the disk or the file does. While another process
    writes it waits at most `lock_wait` seconds.
    """

    def __init__(self, data_dir: Path, encoder: Encoder, *, lock_wait: float = LOCK_WAIT) -> None:
        self.path = data_dir / schema.FILE_NAME
        self._lock_wait = lock_wait
        self._encoder = encoder
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._header = -1  # a descriptor of the same file, see _open
        self._synchronous = ""

    def write(self, writes: Sequence[Write], results: Sequence[Entry], *, synced: bool) -> set[int]:
        """Commit all in one transaction; return the indices of writes that cannot be stored."""

        def commit(connection: sqlite3.Connection) -> set[int]:
            connection.execute("BEGIN IMMEDIATE")
            refused = {index for index, write in enumerate(writes) if not self._insert(connection, write.entries)}
            for result in results:
                self._insert(connection, (result,))
            connection.execute("COMMIT")
            return refused

        return self.ask(commit, synced=synced)

    def ask(self, question: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> T:
        """Run `question` on the open connection, opening it if need be; what it left unfinished is undone.

        With `synced` what it commits is on the disk when this returns. Without, a power cut, but no crash of
        this process, can lose what was committed since the last synced time; it costs no wait for the disk.
        """
        try:
            connection = self._open()
            try:
                self._set_synchronous(connection, "FULL" if synced else "NORMAL")
                return question(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            trouble = trouble_of(error, self.path)
            if trouble.reason == "io":
                self.close()  # what broke may be this connection alone
            raise trouble from error

    def set_aside(self, trouble: JournalError) -> str:
        """Rename the file out of the way, keep what can still be read of it, and say what was done.

        What matters (marks, outages, violations, awaited webhooks) is carried over into a new file.
        """
        saved = self._salvage() if trouble.reason == "corrupt" else salvage.Saved()
        self.close()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self.path.with_name(f"{schema.FILE_NAME}.{_word(trouble)}-{stamp}")
        try:
            for companion in _COMPANIONS:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{companion}").rename(f"{aside}{companion}")
            self._forget_oldest()
        except OSError as error:
            raise trouble_of(error, self.path) from error
        carried = self.ask(lambda connection: salvage.restore(connection, saved))
        return f"{trouble.detail}; set aside as {aside.name}, {carried} rows carried over into a new file"

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        # Not before: closing any descriptor of a file gives up this process's locks on it (fcntl(2)).
        header, self._header = self._header, -1
        if header >= 0:
            os.close(header)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self._identity == _identity(self.path):
                self._check_header()
                return self._connection
            # Somebody removed or replaced the file: what we went on writing would be seen by nobody.
            self.close()
        self._create()
        connection = sqlite3.connect(self.path, timeout=self._lock_wait, isolation_level=None)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, _identity(self.path)
        self._header = os.open(self.path, os.O_RDONLY)
        return connection

    def _check_header(self) -> None:
        """Notice a file that was written over: SQLite would go on for long with the pages it has in memory."""
        found = os.pread(self._header, len(_MAGIC), 0)
        if found and found != _MAGIC:
            detail = f"{self.path}: begins with {found!r}, which is no SQLite file; the file is damaged"
            raise JournalError("corrupt", detail)

    def _create(self) -> None:
        """Make the directory and an empty file that nobody else may read; SQLite's own files inherit that."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o600)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = schema.version_of(connection)
        if version > schema.VERSION:
            raise JournalError(
                "schema",
                f"{self.path} has tables of version {version}, this prober knows {schema.VERSION}: "
                "it was written by a newer one",
            )
        if schema.is_foreign(connection):
            raise JournalError("schema", f"{self.path} is not a journal: it holds other tables")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only takes hold before the first table
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
        connection.execute("PRAGMA temp_store = MEMORY")
        self._synchronous = ""
        schema.migrate(connection)

    def _set_synchronous(self, connection: sqlite3.Connection, level: str) -> None:
        if level != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _insert(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> bool:
        """Execute all these entries or none; False if one cannot be stored, which must not hold up others."""
        try:
            statements = [one for entry in entries for one in self._encoder.statements(entry)]
        except Exception:  # also whatever the redaction raises: unredacted text is never written
            return False
        if len(statements) > 1:
            connection.execute("SAVEPOINT together")
        try:
            for sql, parameters in statements:
                connection.execute(sql, parameters)
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError):
            if len(statements) > 1:
                connection.execute("ROLLBACK TO together")
                connection.execute("RELEASE together")
            return False
        if len(statements) > 1:
            connection.execute("RELEASE together")
        return True

    def _salvage(self) -> salvage.Saved:
        if self._connection is not None:
            return salvage.save(self._connection)
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=self._lock_wait, isolation_level=None)
            return salvage.save(connection)
        except sqlite3.Error:
            return salvage.Saved()
        finally:
            if connection is not None:
                connection.close()

    def _forget_oldest(self) -> None:
        stamps = sorted(path.name for path in self.path.parent.glob(f"{schema.FILE_NAME}.corrupt-*Z"))
        for name in stamps[:-_SET_ASIDE_KEPT]:
            for companion in _COMPANIONS:
                self.path.with_name(f"{name}{companion}").unlink(missing_ok=True)


_MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html, 1.3.1


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _word(trouble: JournalError) -> str:
    return "corrupt" if trouble.reason == "corrupt" else "unknown-schema"


# https://www.sqlite.org/rescode.html
_REASONS = {
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    # "no such table": somebody else has changed the tables.
    sqlite3.SQLITE_ERROR: "corrupt",
    sqlite3.SQLITE_FULL: "full",
}


def trouble_of(error: sqlite3.Error | OSError, path: Path) -> JournalError:
    """Map a foreign exception onto a reason and a sentence that says what to do."""
    if isinstance(error, OSError):
        reason = "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "io"
        said = error.strerror or str(error)
    else:
        reason = _REASONS.get(getattr(error, "sqlite_errorcode", -1) & 0xFF, "io")
        said = f"{error} ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
    advice = {
        "corrupt": "the file is damaged",
        "full": "free space on that disk",
        "io": "see that the directory is writable and on a healthy local disk",
    }[reason]
    return JournalError(reason, f"{path}: {said}; {advice}")
