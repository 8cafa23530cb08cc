"""Every way in which PostgreSQL, a pooler or asyncpg say no has its name, and no secret gets into a sentence."""

from __future__ import annotations

import asyncpg
import pytest

from prober.outcome import Outcome
from prober.probes.database_outcome import UnwritableError, database_failure
from prober.probes.network_outcome import Failure
from prober.probes.postgres_framing import GarbageError, OverrunError

BY_SQLSTATE = [
    ("57P03", "the database system is starting up", Outcome.STARTING),
    ("57P01", "terminating connection due to administrator command", Outcome.SHUTDOWN),
    ("57P02", "terminating connection because of crash of another server process", Outcome.SHUTDOWN),
    ("53300", "sorry, too many clients already", Outcome.TOO_MANY_CONNECTIONS),
    ("28P01", 'password authentication failed for user "prober"', Outcome.AUTH),
    ("28000", "no pg_hba.conf entry for host", Outcome.AUTH),
    ("42501", "permission denied for table heartbeat", Outcome.DENIED),
    ("42P01", 'relation "prober.heartbeat" does not exist', Outcome.MISSING_SCHEMA),
    ("3F000", 'schema "prober" does not exist', Outcome.MISSING_SCHEMA),
    ("25006", "cannot execute UPDATE in a read-only transaction", Outcome.READONLY),
    ("3D000", 'database "shop" does not exist', Outcome.ERROR),
    ("53100", "could not extend file: No space left on device", Outcome.ERROR),
    ("57014", "canceling statement due to statement timeout", Outcome.ERROR),
    # PgBouncer 1.18 and later
    ("08P01", "no more connections allowed (max_client_conn)", Outcome.TOO_MANY_CONNECTIONS),
    ("08P01", "server login has been failing, try again later (server_login_retry)", Outcome.UNREACHABLE),
    ("08P01", "server conn crashed?", Outcome.CLOSED),
    ("08P01", "query_wait_timeout", Outcome.TIMEOUT),
    ("08P01", "SASL authentication failed", Outcome.AUTH),
    ("08P01", "something else", Outcome.ERROR),
]


@pytest.mark.parametrize(
    ("state", "text", "outcome"), BY_SQLSTATE, ids=[f"{s} {t[:24]}" for s, t, _ in BY_SQLSTATE]
)
def test_a_refusal_has_its_name(state: str, text: str, outcome: Outcome) -> None:
    error = asyncpg.PostgresError.new({"S": "FATAL", "C": state, "M": text})
    failure = database_failure(error, "the database")
    assert failure.outcome is outcome
    assert state in failure.detail
    assert text in failure.detail


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TimeoutError(), Outcome.TIMEOUT),
        (ConnectionRefusedError(111, "refused"), Outcome.REFUSED),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), Outcome.CLOSED),
        (asyncpg.InterfaceError("connection is closed"), Outcome.CLOSED),
        (asyncpg.InternalClientError("unexpected message"), Outcome.GARBAGE),
        (GarbageError("expected a message"), Outcome.GARBAGE),
        (OverrunError("much"), Outcome.TOO_LARGE),
        (ConnectionError('PostgreSQL server at "h:1" rejected SSL upgrade'), Outcome.TLS),
        (ConnectionError("unexpected connection_lost() call"), Outcome.RESET),
        (UnwritableError(Failure(Outcome.READONLY, "it takes no writes")), Outcome.READONLY),
        (RuntimeError("a fault of ours"), Outcome.ERROR),
    ],
)
def test_an_exception_has_its_name(error: Exception, outcome: Outcome) -> None:
    failure = database_failure(error, "the database")
    assert failure.outcome is outcome
    assert failure.detail


@pytest.mark.parametrize(
    "error", [ValueError("port 'secret@h'"), asyncpg.ClientConfigurationError("bad dsn postgresql://u:secret@h")]
)
def test_a_dsn_that_cannot_be_read_is_not_repeated(error: Exception) -> None:
    failure = database_failure(error, "the database")
    assert failure.outcome is Outcome.SETUP_FAILED
    assert "secret" not in failure.detail
