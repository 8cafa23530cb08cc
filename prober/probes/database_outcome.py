"""The one place where what PostgreSQL, a pooler or asyncpg raise becomes a named outcome and a sentence."""

from __future__ import annotations

import ssl

import asyncpg

from prober.outcome import Outcome
from prober.probes.network_outcome import Failure, UntriedError, network_failure
from prober.probes.postgres_framing import GarbageError, OverrunError
from prober.probes.schema import FENCED_STATE

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE = {
    "57P03": (Outcome.STARTING, "it is starting up, shutting down or in recovery"),
    "57P01": (Outcome.SHUTDOWN, "an administrator ended the session or the server"),
    "57P02": (Outcome.SHUTDOWN, "another session crashed and the server restarts all of them"),
    "53300": (Outcome.TOO_MANY_CONNECTIONS, "max_connections is reached: look for a leak in pg_stat_activity"),
    "28P01": (Outcome.AUTH, "the user or password is wrong"),
    "28000": (Outcome.AUTH, "pg_hba.conf does not let this user in this way"),
    "42501": (Outcome.DENIED, "the role lacks a grant: `prober doctor` shows which"),
    FENCED_STATE: (Outcome.DENIED, "nothing was written: this replica is not the one that writes any more"),
    "42883": (Outcome.MISSING_SCHEMA, "a function is not there; if it is our own, run `prober doctor --setup`"),
    "42P01": (Outcome.MISSING_SCHEMA, "our own table is not there: run `prober doctor --setup`"),
    "3F000": (Outcome.MISSING_SCHEMA, "our own schema is not there: run `prober doctor --setup`"),
    "25006": (Outcome.READONLY, "it takes no writes: a standby, or default_transaction_read_only is on"),
    "3D000": (Outcome.ERROR, "there is no such database: look at the DSN"),
}
# PgBouncer says nearly everything with 08P01 and 58000; only the text tells.
_BY_POOLER_TEXT = (
    ("no more connections allowed", Outcome.TOO_MANY_CONNECTIONS, "max_client_conn of the pooler is reached"),
    ("too many", Outcome.TOO_MANY_CONNECTIONS, "the pooler or its server has no connection left"),
    ("authentication failed", Outcome.AUTH, "the user or password is wrong"),
    ("no such user", Outcome.AUTH, "the pooler does not know the user"),
    ("server_login_retry", Outcome.UNREACHABLE, "the pooler answers, and the server behind it did not let it in"),
    ("cannot connect to server", Outcome.UNREACHABLE, "the pooler answers, and the server behind it does not"),
    ("server conn crashed", Outcome.CLOSED, "the server behind the pooler closed the connection"),
    ("query_wait_timeout", Outcome.TIMEOUT, "the pooler had no server connection to give in its own time"),
    ("server_connect_timeout", Outcome.TIMEOUT, "the server behind the pooler did not answer it in time"),
    ("pooler is shut", Outcome.SHUTDOWN, "the pooler shuts down"),
)
# These a write meets every time until someone mends it, and each one counts as a rollback of the database.
UNWRITABLE = frozenset({"25006", "42501", "42P01", "42883", "3F000"})


# A lost connection (08) and an operator's intervention (57) may meet a write, and say nothing of it.
_NOT_OF_THE_WRITE = ("08", "57")


def is_about_writing(error: Exception) -> bool:
    """Whether a server that answers reads may go on refusing writes for this reason."""
    if isinstance(error, UnwritableError):
        return True
    sqlstate = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    return sqlstate is not None and not sqlstate.startswith(_NOT_OF_THE_WRITE)


class UnwritableError(Exception):
    """The write was not sent, because it is known that it would fail."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def database_failure(error: BaseException, where: str) -> Failure:
    """Name whatever a run raised; `where` names the server. No DSN and no password gets into the sentence."""
    match error:
        case UnwritableError():
            return error.failure
        case UntriedError():
            return error.failure(database_failure(error.last, where).detail)
        case OverrunError():
            return Failure(Outcome.TOO_LARGE, f"{where} sent more than any answer that we ask for: {error}")
        case GarbageError():
            return Failure(Outcome.GARBAGE, f"{where} does not speak the PostgreSQL protocol: {error}")
        case asyncpg.ConnectionDoesNotExistError():
            cause = network_failure(error.__cause__, where) if error.__cause__ else None
            return cause or Failure(Outcome.CLOSED, f"{where} closed the connection before the answer was whole")
        case asyncpg.PostgresError():
            return _refusal(error, where)
        case asyncpg.ProtocolError() | asyncpg.InternalClientError():
            return Failure(Outcome.GARBAGE, f"{where} does not speak the PostgreSQL protocol: {error}")
        case asyncpg.ClientConfigurationError() | ValueError() if not isinstance(error, ssl.SSLError):
            # Their texts may hold parts of the DSN, so they are not repeated.
            wanted = "postgresql://user:password@host:port/name, special characters percent-encoded"
            return Failure(Outcome.SETUP_FAILED, f"the DSN of {where} cannot be used; expected {wanted}")
        case asyncpg.InterfaceError():
            return Failure(Outcome.CLOSED, f"{where}: {error}")
        case ConnectionError() if error.errno is None:
            return _without_errno(error, where)
    if found := network_failure(error, where):
        return found
    return Failure(Outcome.ERROR, f"{where}: {type(error).__name__}")


def _refusal(error: asyncpg.PostgresError, where: str) -> Failure:
    state = error.sqlstate or ""
    said = f"{where} answered {state}: {str(error)[:200]}"
    if state in _BY_SQLSTATE:
        outcome, advice = _BY_SQLSTATE[state]
        return Failure(outcome, f"{said}; {advice}")
    if state in {"08P01", "58000", ""}:
        text = str(error).lower()
        for mark, outcome, advice in _BY_POOLER_TEXT:
            if mark in text:
                return Failure(outcome, f"{said}; {advice}")
    if state.startswith("28"):
        return Failure(Outcome.AUTH, said)
    return Failure(Outcome.ERROR, said)


def _without_errno(error: ConnectionError, where: str) -> Failure:
    # asyncpg raises plain ConnectionErrors from the exchange that precedes TLS.
    if "SSL" in str(error):
        return Failure(Outcome.TLS, f"{where} does not do TLS as the DSN's sslmode asks: {error}")
    return network_failure(error, where) or Failure(Outcome.CLOSED, f"{where}: {error}")
