"""The lease in PostgreSQL: one row of our own, looked at, taken, renewed and given back by one statement each.

What the answers mean is decided by `prober.judge.lease`. Every statement runs on the server's own clock and
commits by itself. A renewal never sets `expires` back, so that each leaves another stamp behind.
"""

from __future__ import annotations

import asyncpg

from prober.judge.lease import Row
from prober.probes.database_session import DatabaseSession
from prober.probes.schema import LEASE

_STAMP = "CASE WHEN isfinite(l.expires) THEN (extract(epoch FROM l.expires) * 1000000)::bigint ELSE 0 END"
_ROW = f"""
    l.holder, l.fence, extract(epoch FROM l.term)::float8 AS term, {_STAMP} AS stamp,
    NOT isfinite(l.expires) AS free
"""
_LOOK = f"SELECT {_ROW} FROM {LEASE} AS l WHERE l.name = $1"  # noqa: S608 - made of constants
# Whoever takes it waits for the transactions that were found to hold it (`prober.fenced`).
_TAKE = f"""
    WITH alone AS MATERIALIZED (
        SELECT pg_advisory_xact_lock(hashtextextended('{LEASE} ' || $1::text, 0))
    )
    INSERT INTO {LEASE} AS l (name, holder, fence, term, expires)
    SELECT $1, $2, 1, make_interval(secs => $3), clock_timestamp() + make_interval(secs => $3) FROM alone
    ON CONFLICT (name) DO UPDATE
       SET holder = excluded.holder, fence = l.fence + 1, term = excluded.term,
           expires = clock_timestamp() + excluded.term
     WHERE l.holder = excluded.holder OR NOT isfinite(l.expires) OR (l.fence = $4 AND {_STAMP} = $5)
    RETURNING {_ROW}
"""  # noqa: S608 - made of constants
_RENEW = f"""
    UPDATE {LEASE} AS l
       SET term = make_interval(secs => $4),
           expires = greatest(clock_timestamp() + make_interval(secs => $4), l.expires + interval '1 microsecond')
     WHERE l.name = $1 AND l.holder = $2 AND l.fence = $3 AND l.expires > clock_timestamp() AND isfinite(l.expires)
    RETURNING {_ROW}
"""  # noqa: S608 - made of constants
_GIVE_BACK = f"UPDATE {LEASE} SET expires = '-infinity' WHERE name = $1 AND holder = $2 AND fence = $3"  # noqa: S608


class LeaseTable:
    """The row of the lease `name` by one connection. Raises what asyncpg and `DatabaseSession` raise."""

    def __init__(self, session: DatabaseSession, name: str) -> None:
        self._session = session
        self._name = name

    async def look(self) -> Row | None:
        """Read it; None when nobody has ever held it."""
        return _row(await self._session.rows(_LOOK, self._name))

    async def take(self, holder: str, term: float, seen: Row | None) -> Row | None:
        """Take it if it is free, or `holder`'s, or just as it was `seen`; None if it is none of these."""
        fence, stamp = (0, 0) if seen is None else (seen.fence, seen.stamp)
        return _row(await self._session.rows(_TAKE, self._name, holder, term, fence, stamp))

    async def renew(self, holder: str, term: float, fence: int) -> Row | None:
        """Extend it; None if `holder` does not hold it under this number any more."""
        return _row(await self._session.rows(_RENEW, self._name, holder, fence, term))

    async def give_back(self, holder: str, fence: int) -> None:
        """Let anyone take it at once; nothing if it is not `holder`'s any more."""
        await self._session.rows(_GIVE_BACK, self._name, holder, fence)


def _row(rows: list[asyncpg.Record]) -> Row | None:
    return Row(**dict(rows[0])) if rows else None
