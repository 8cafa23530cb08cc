"""What a message is in the database: taking it, processing it exactly once, each in one statement of the form.

The row made here has an id derived from its MessageSid. So whoever meets the row later knows whether the target
itself took the message (perhaps without ever hearing that the statement was committed) or somebody else claimed
the sid before.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import asyncpg

from prober.demo.target.database import Connection, value
from prober.demo.target.forms import MessageStatements


class Task(StrEnum):
    """What a job asks for."""

    PROCESS = "process"  # the row was committed when the job was made
    DEFERRED = "deferred"  # taken without the database
    SKIP = "skip"  # mark a claimed or repeated message skipped (late)
    AGAIN = "again"  # the fault duplicate_effect: write the effect whatever is there


class Taken(StrEnum):
    """What taking a message found."""

    NEW = "new"
    REPEATED_SID = "repeated_sid"
    REPEATED_KEY = "repeated_key"


class Done(StrEnum):
    """What processing a job did."""

    PROCESSED = "processed"
    SKIPPED = "skipped"
    NOTHING = "nothing"  # it had its effect before


@dataclass(frozen=True, slots=True)
class Message:
    """One incoming WhatsApp message. `sender` has no `whatsapp:` prefix; `form` is kept only with a key."""

    sid: str
    sender: str
    body: str
    key: str | None = None
    source_ip: str = ""
    form: Mapping[str, str] | None = None

    @property
    def row_id(self) -> str:
        """The id of the row that tells a repeat of it, the same whoever makes it."""
        return "pm_" + hashlib.sha256(self.sid.encode()).hexdigest()[:24]

    def job(self, task: Task) -> dict[str, Any]:
        """The data of a job about it."""
        return {"task": task, "message": asdict(self)}

    @classmethod
    def of_job(cls, data: Mapping[str, Any]) -> tuple[Task, Self]:
        """The other end of `job`."""
        return Task(data["task"]), cls(**data["message"])


async def take_message(
    connection: Connection,
    statements: MessageStatements,
    message: Message,
    *,
    store_job: bool,
    delay: float,
    skip_now: bool,
) -> Taken:
    """Take a message, or find that it is a repeat and (with `skip_now`) mark it skipped where the form does that.

    `store_job` writes a job row in the same transaction, due in `delay` seconds.
    """
    values = {
        **_values(message),
        "skip_now": skip_now,
        "job": json.dumps(message.job(Task.PROCESS)) if store_job else None,
        "delay": delay,
    }
    try:
        inserted = await value(connection, statements.take, **values)
    except asyncpg.UniqueViolationError:
        # ON CONFLICT looks into one index. A twin that is being inserted at this moment is met in another one
        # first, which waits for it and then fails; by now it is there to be seen.
        inserted = await value(connection, statements.take, **values)
    if inserted is None:
        return Taken.REPEATED_KEY
    return Taken.NEW if inserted else Taken.REPEATED_SID


async def perform(connection: Connection, statements: MessageStatements, task: Task, message: Message) -> Done:
    """Do what a job asks; doing it again changes nothing (but for `AGAIN`, which is the fault)."""
    values = _values(message)
    if task is Task.AGAIN:
        await value(connection, statements.again, **{**values, "effect_id": "wm_" + secrets.token_hex(12)})
        return Done.PROCESSED
    if task is Task.SKIP:
        return await _mark_skipped(connection, statements, message, "")
    done = await value(
        connection, statements.process if task is Task.PROCESS else statements.process_deferred, **values
    )
    if task is Task.DEFERRED and message.key is not None:
        await value(connection, statements.remember_key, **values)
    if done is None and task is Task.DEFERRED:
        return await _mark_skipped(connection, statements, message, message.row_id)
    return Done.NOTHING if done is None else Done.PROCESSED


async def processed_at(connection: Connection, statements: MessageStatements, key: str) -> str | None:
    """When the message with this idempotency key was taken, ISO 8601."""
    found: str | None = await value(connection, statements.key_taken_at, key=key)
    return found


async def _mark_skipped(
    connection: Connection, statements: MessageStatements, message: Message, except_id: str
) -> Done:
    marked = await value(connection, statements.skip, sid=message.sid, except_id=except_id)
    return Done.NOTHING if marked is None else Done.SKIPPED


def _values(message: Message) -> dict[str, object]:
    return {
        "key_id": "wi_" + secrets.token_hex(12),
        "key": message.key,
        "form": json.dumps(message.form or {}),
        "source_ip": message.source_ip,
        "row_id": message.row_id,
        "effect_id": "wm_" + hashlib.sha256(message.sid.encode()).hexdigest()[:24],
        "sid": message.sid,
        "sender": message.sender,
        "body": message.body,
    }
