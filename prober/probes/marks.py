"""Our own record, in the target's database, of what we have there: written with the thing, removed with it.

So what a prober left that never came back is found by exact ids in a small table of ours (`prober.marks`), by any
prober of the target, and never by looking through the target's own tables for what resembles us.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from prober.clock import Instant, now
from prober.outcome import Leftover, Mode, Outcome
from prober.probes.schema import MARKS, SCHEMA
from prober.probes.synthetic import Mark, Order
from prober.probes.witness import NotAskable, Values, Witness
from prober.result import AwaitedWebhook
from prober.sql import Sql

log = structlog.get_logger()

# A table that is not there is looked for again this often (seconds): somebody may run the set-up meanwhile.
LOOK_AGAIN = 60.0
# Before a message of mode `full` the mark gets this long (seconds), and after a failure no try for a while: the
# path of a webhook is probed at its own pace while the database is away.
ALONE = 0.5
ALONE_AGAIN = 5.0

# From the catalogue, which everybody may read: asking for the table itself would be one more rolled-back write.
_USABLE = Sql.parse(
    f"""
    SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND bool_and(pg_catalog.has_table_privilege(c.oid, p))
           AS usable
      FROM pg_catalog.pg_namespace n
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'marks'
     CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p
     WHERE n.nspname = '{SCHEMA}'
     GROUP BY n.oid
    """,  # noqa: S608
    ("usable",),
)
_INSERT = f"""
    INSERT INTO {MARKS} (kind, id, instance, run_id, payload)
    VALUES (:mark_kind, :mark_id, :mark_instance, :mark_run, CAST(:mark_payload AS jsonb))
"""  # noqa: S608
_MARK = Sql.parse(_INSERT)
_UNMARK_ORDER = Sql.parse(f"DELETE FROM {MARKS} WHERE kind = 'order' AND id = :order_id")  # noqa: S608
_UNMARK_MESSAGES = Sql.parse(
    f"DELETE FROM {MARKS} WHERE kind = 'message' AND id = ANY(:message_sids::text[])"  # noqa: S608
)
_ACCEPTED = Sql.parse(
    f"UPDATE {MARKS} SET accepted_at = now()"  # noqa: S608
    " WHERE kind = 'message' AND id = ANY(:message_sids::text[]) AND accepted_at IS NULL"
)
_STANDING = Sql.parse(
    f"SELECT id FROM {MARKS} WHERE kind = 'message' AND id = ANY(:message_sids::text[])",  # noqa: S608
    ("id",),
)
_COLUMNS = ("kind", "id", "instance", "run_id", "age", "accepted", "payload")
_ALL = Sql.parse(
    f"""
    SELECT kind, id, instance, run_id, payload::text AS payload, accepted_at IS NOT NULL AS accepted,
           extract(epoch FROM clock_timestamp() - made_at)::float8 AS age
      FROM {MARKS} ORDER BY made_at
    """,  # noqa: S608
    _COLUMNS,
)

# As `owner_of` writes it; a part of a prober that is no daemon (a check) marks as `instance/part`.
_OWNER = re.compile(r"(?P<name>[a-z0-9-]{1,64})(@(?P<lease>[A-Za-z0-9._-]+))?(/[a-z]+)?")
_SID = re.compile(r"SM[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMark:
    """A mark as it stands in the database, of something that is ours. `age` in seconds by the database's clock.

    One of `order` and `message` is there: exactly what has to be removed.
    """

    kind: Leftover
    id: str
    owner: str  # the instance that made it, or a part of one
    age: float
    accepted: bool = False
    order: Order | None = None
    message: AwaitedWebhook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMarks:
    """All marks in the database; `strange` is how many are not of our form, and left alone.

    `kept` is false where there are no marks at all: the table is missing, or not granted.
    """

    kept: bool = True
    marks: tuple[FoundMark, ...] = ()
    strange: int = 0


def owner_of(instance: str, lease: str | None) -> str:
    """Who marks: an instance, with the lease that it stands for where replicas are elected."""
    return instance if lease is None else f"{instance}@{re.sub('[^A-Za-z0-9._-]', '-', lease)}"


def suite_owner(instance: str) -> str:
    """Who marks what the race suite of an instance makes: to the daemon beside it, somebody else."""
    return f"{instance}/race"


class Marks:
    """Writes, removes and reads marks; every call raises NotAskable and nothing else.

    Where the table is not there, or not granted, everything works without marks, and that is said once: what was
    left is then known to our own journal alone. `owner` is what `owner_of` says of us.
    """

    def __init__(self, witness: Witness, owner: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._witness = witness
        self._owner = owner
        self._clock = clock
        self._known: bool | None = None
        self._look_at = 0.0
        self._alone_at = 0.0
        self._said = False

    def are_of(self, owner: str) -> bool:
        """Whether what `owner` marked is ours to finish: of our instance, or of a replica of the same election."""
        ours, theirs = _OWNER.fullmatch(self._owner), _OWNER.fullmatch(owner)
        if ours is None or theirs is None or "/" in owner:
            return owner == self._owner
        return ours["name"] == theirs["name"] or (ours["lease"] is not None and ours["lease"] == theirs["lease"])

    def are_of_suite(self, owner: str) -> bool:
        """Whether `owner` is a suite of our instance, which lives only while the lock of the suites is held."""
        ours = _OWNER.fullmatch(self._owner)
        return ours is not None and owner == suite_owner(ours["name"])

    @property
    def witness(self) -> Witness:
        """Who asks the database that the marks are in."""
        return self._witness

    async def make_order(self, order: Order, create: Sequence[Sql], values: Values, *, timeout: float) -> None:
        """Make an order together with its mark, all or nothing."""
        payload = {"routing_id": order.routing_id, "retailer_id": order.retailer_id}
        marked = {**values, **self._values("order", order.id, order.run_id, payload)}
        await self._run([_MARK], create, marked, timeout)

    async def remove_order(self, order: Order, cleanup: Sequence[Sql], *, timeout: float) -> None:
        """Remove an order together with its mark, all or nothing."""
        await self._run([_UNMARK_ORDER], cleanup, order.values, timeout)

    async def claim(self, message: AwaitedWebhook, claim: Sql, *, timeout: float) -> bool:
        """Claim a message together with its mark, all or nothing; whether there is one."""
        values = {"message_sid": message.message_sid, "from_number": message.from_number}
        return await self._run([_MARK], [claim], {**values, **self._message_values(message)}, timeout)

    async def mark(self, message: AwaitedWebhook) -> bool:
        """Mark a message that nothing is written for before it is sent; whether that was done. Never raises."""
        if self._clock() < self._alone_at:
            return False
        try:
            return await self._run([_MARK], [], self._message_values(message), ALONE)
        except NotAskable:
            self._alone_at = self._clock() + ALONE_AGAIN
            return False

    async def remove_messages(
        self, message_sids: Sequence[str], cleanup: Sequence[Sql], values: Values, *, timeout: float
    ) -> None:
        """Remove the rows of messages together with their marks, all or nothing."""
        await self._run([_UNMARK_MESSAGES], cleanup, {**values, "message_sids": list(message_sids)}, timeout)

    async def accepted(self, message_sids: Sequence[str], *, timeout: float) -> None:
        """Note that these messages were accepted: whoever finds them knows that they were waited for."""
        await self._run([_ACCEPTED], [], {"message_sids": list(message_sids)}, timeout)

    async def gone(self, message_sids: Sequence[str], *, timeout: float) -> frozenset[str]:
        """Which of these messages have no mark, so that somebody may have removed their rows."""
        if not await self._usable(timeout):
            return frozenset()
        rows = await self._asked(_STANDING, {"message_sids": list(message_sids)}, timeout)
        return frozenset(message_sids) - {str(row["id"]) for row in rows}

    async def found(self, *, timeout: float) -> FoundMarks:
        """Every mark there is, of any prober, oldest first."""
        if not await self._usable(timeout):
            return FoundMarks(kept=False)
        at = now()
        read = [read_mark(row, at) for row in await self._asked(_ALL, {}, timeout)]
        marks = tuple(mark for mark in read if mark is not None)
        return FoundMarks(marks=marks, strange=len(read) - len(marks))

    async def _run(self, ours: Sequence[Sql], theirs: Sequence[Sql], values: Values, timeout: float) -> bool:
        """Run statements in one transaction, those on our own table only where there is one, as is returned."""
        usable = await self._usable(timeout)
        if statements := [*(ours if usable else ()), *theirs]:
            try:
                await self._witness.run(statements, values, timeout=timeout)
            except NotAskable as why:
                self._doubt(why)
                raise
        return usable

    async def _asked(self, sql: Sql, values: Values, timeout: float) -> Sequence[Mapping[str, object]]:
        try:
            return await self._witness.fetch(sql, values, timeout=timeout)
        except NotAskable as why:
            self._doubt(why)
            raise

    async def _usable(self, timeout: float) -> bool:
        if self._known is not None and (self._known or self._clock() < self._look_at):
            return self._known
        rows = await self._witness.fetch(_USABLE, {}, timeout=timeout)
        self._known = any(row["usable"] for row in rows)
        self._look_at = self._clock() + LOOK_AGAIN
        if not self._known and not self._said:
            self._said = True
            log.warning(
                "no marks in the database: what a lost prober leaves is known to its own journal alone",
                detail=f"{MARKS} is not there or not granted; run `prober doctor --setup`",
            )
        return self._known

    def _doubt(self, why: NotAskable) -> None:
        """Look again before the next use: the table, or its grant, may have gone."""
        if why.outcome in (Outcome.MISSING_SCHEMA, Outcome.DENIED):
            self._known = None

    def _message_values(self, message: AwaitedWebhook) -> dict[str, object]:
        payload = {
            "mode": message.mode.value,
            "from_number": message.from_number,
            "body": message.body,
            "repeated": message.repeated,
        }
        return self._values("message", message.message_sid, message.run_id, payload)

    def _values(self, kind: str, id_: str, run_id: str, payload: Mapping[str, object]) -> dict[str, object]:
        return {
            "mark_kind": kind,
            "mark_id": id_,
            "mark_instance": self._owner,
            "mark_run": run_id,
            "mark_payload": json.dumps(payload),
        }


def read_mark(row: Mapping[str, object], at: Instant) -> FoundMark | None:
    """What one row of the table names, `at` the moment it was read; None for what no prober of ours writes.

    Ids follow from instance and run: a row that names anything else could have us remove what is not ours.
    """
    owner, run_id, age = str(row["instance"]), str(row["run_id"]), _number(row["age"])
    payload = _payload(row["payload"])
    instance = _OWNER.fullmatch(owner)
    if instance is None or payload is None or age is None:
        return None
    mark = Mark(instance["name"])
    if row["kind"] == "order":
        order = mark.order_called(str(row["id"]), run_id)
        named = (payload.get("routing_id"), payload.get("retailer_id"))
        if order is None or named != (order.routing_id, order.retailer_id):
            return None
        return FoundMark(kind=Leftover.ORDERS, id=order.id, owner=owner, age=age, order=order)
    message = _message(str(row["id"]), mark, run_id, payload, at.later(at.mono - age))
    if row["kind"] != "message" or message is None:
        return None
    return FoundMark(
        kind=Leftover.MESSAGES,
        id=message.message_sid,
        owner=owner,
        age=age,
        accepted=bool(row["accepted"]),
        message=message,
    )


def _message(
    sid: str, mark: Mark, run_id: str, payload: Mapping[str, object], made: Instant
) -> AwaitedWebhook | None:
    mode, number, body = (payload.get(key) for key in ("mode", "from_number", "body"))
    if mode not in list(Mode) or not isinstance(number, str) or not isinstance(body, str):
        return None
    if not _SID.fullmatch(sid) or not mark.is_body(body, run_id):
        return None
    return AwaitedWebhook(
        message_sid=sid,
        run_id=run_id,
        mode=Mode(str(mode)),
        from_number=number,
        body=body,
        intended=made,
        repeated=payload.get("repeated") is True,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _payload(value: object) -> Mapping[str, object] | None:
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
