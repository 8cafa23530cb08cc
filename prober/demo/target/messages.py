"""What a message is in the database: taking it, processing it exactly once, each in one statement.

A row of `processed_messages` made here has an id derived from its MessageSid. So whoever meets the row later
knows whether the target itself took the message (perhaps without ever hearing that the statement was
committed) or somebody else claimed the sid before, and `"processedAt"` says whether it had its effect. The
status alone cannot tell: a repeat makes it `skipped`, whatever it was.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from prober.demo.target.database import Connection

# inserted: the message is new. NULL: the idempotency key was seen before, and nothing was written.
# xmax = 0 tells the row that this statement inserted from the one it met.
_TAKE = """
WITH key AS (
    INSERT INTO webhook_idempotency (id, idempotency_key, webhook_type, request_body, response_status,
                                     response_body, expires_at, source_ip)
    SELECT $1, $2, 'whatsapp', $3::jsonb, 200, '{"success": true}', now() + interval '24 hours', $4
     WHERE $2::text IS NOT NULL
    ON CONFLICT (idempotency_key) DO UPDATE
       SET request_body = excluded.request_body, created_at = now(), expires_at = excluded.expires_at
     WHERE webhook_idempotency.expires_at < now()
    RETURNING 1
), message AS (
    INSERT INTO processed_messages (id, "messageSid", "phoneNumber", status, "messageType", "updatedAt")
    SELECT $5, $6, $7, 'pending', 'text', now()
     WHERE $2::text IS NULL OR EXISTS (SELECT FROM key)
    ON CONFLICT ("messageSid") DO UPDATE
       SET status = CASE WHEN $8 THEN 'skipped' ELSE processed_messages.status END, "updatedAt" = now()
    RETURNING xmax = 0 AS inserted
), job AS (
    INSERT INTO webhook_jobs (message_sid, payload, due_at)
    SELECT $6, $9::jsonb, now() + make_interval(secs => $10)
      FROM message WHERE inserted AND $9::text IS NOT NULL
    ON CONFLICT (message_sid) DO NOTHING
)
SELECT inserted FROM message
"""

_EFFECT = """
), job AS (
    DELETE FROM webhook_jobs WHERE message_sid = $2
)
INSERT INTO whatsapp_messages (id, "from", "to", body, direction)
SELECT $4, $3, 'SYSTEM', $5, 'INCOMING' FROM mark
RETURNING 1
"""

_PROCESS = f"""
WITH mark AS (
    UPDATE processed_messages
       SET status = CASE status WHEN 'pending' THEN 'processed' ELSE status END,
           "processedAt" = now(), "updatedAt" = now()
     WHERE id = $1 AND "messageSid" = $2 AND "phoneNumber" = $3 AND "processedAt" IS NULL
    RETURNING 1
{_EFFECT}"""  # noqa: S608 - constants of this module

# For messages that were taken without the database: the row may be there or not.
_PROCESS_DEFERRED = f"""
WITH mark AS (
    INSERT INTO processed_messages AS p
           (id, "messageSid", "phoneNumber", status, "messageType", "processedAt", "updatedAt")
    VALUES ($1, $2, $3, 'processed', 'text', now(), now())
    ON CONFLICT ("messageSid") DO UPDATE
       SET status = CASE p.status WHEN 'pending' THEN 'processed' ELSE p.status END,
           "processedAt" = now(), "updatedAt" = now()
     WHERE p.id = excluded.id AND p."processedAt" IS NULL
    RETURNING 1
{_EFFECT}"""  # noqa: S608 - constants of this module

_SKIP = """
UPDATE processed_messages SET status = 'skipped', "updatedAt" = now()
 WHERE "messageSid" = $1 AND id <> $2
RETURNING 1
"""

_REMEMBER_KEY = """
INSERT INTO webhook_idempotency (id, idempotency_key, webhook_type, request_body, response_status, response_body,
                                 expires_at, source_ip)
VALUES ($1, $2, 'whatsapp', $3::jsonb, 200, '{"success": true}', now() + interval '24 hours', $4)
ON CONFLICT (idempotency_key) DO NOTHING
"""

_AGAIN = """
INSERT INTO whatsapp_messages (id, "from", "to", body, direction) VALUES ($1, $2, 'SYSTEM', $3, 'INCOMING')
"""


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
        """The id of its row in `processed_messages`, the same whoever makes it."""
        return "pm_" + hashlib.sha256(self.sid.encode()).hexdigest()[:24]

    def job(self, task: Task) -> dict[str, Any]:
        """The data of a job about it."""
        return {"task": task, "message": asdict(self)}

    @classmethod
    def of_job(cls, data: Mapping[str, Any]) -> tuple[Task, Self]:
        """The other end of `job`."""
        return Task(data["task"]), cls(**data["message"])


async def take_message(
    connection: Connection, message: Message, *, store_job: bool, delay: float, skip_now: bool
) -> Taken:
    """Take a message, or find that it is a repeat and (with `skip_now`) mark it skipped.

    `store_job` writes a job row in the same transaction, due in `delay` seconds.
    """
    inserted = await connection.fetchval(
        _TAKE,
        "wi_" + secrets.token_hex(12),
        message.key,
        json.dumps(message.form or {}),
        message.source_ip,
        message.row_id,
        message.sid,
        message.sender,
        skip_now,
        json.dumps(message.job(Task.PROCESS)) if store_job else None,
        delay,
    )
    if inserted is None:
        return Taken.REPEATED_KEY
    return Taken.NEW if inserted else Taken.REPEATED_SID


async def perform(connection: Connection, task: Task, message: Message) -> Done:
    """Do what a job asks; doing it again changes nothing (but for `AGAIN`, which is the fault)."""
    if task is Task.AGAIN:
        await connection.execute(_AGAIN, "wm_" + secrets.token_hex(12), message.sender, message.body)
        return Done.PROCESSED
    if task is Task.SKIP:
        return await _mark_skipped(connection, message, "")
    effect_id = "wm_" + hashlib.sha256(message.sid.encode()).hexdigest()[:24]
    statement = _PROCESS if task is Task.PROCESS else _PROCESS_DEFERRED
    done = await connection.fetchval(
        statement, message.row_id, message.sid, message.sender, effect_id, message.body
    )
    if task is Task.DEFERRED and message.key is not None:
        await connection.execute(
            _REMEMBER_KEY,
            "wi_" + secrets.token_hex(12),
            message.key,
            json.dumps(message.form or {}),
            message.source_ip,
        )
    if done is None and task is Task.DEFERRED:
        return await _mark_skipped(connection, message, message.row_id)
    return Done.NOTHING if done is None else Done.PROCESSED


async def _mark_skipped(connection: Connection, message: Message, except_id: str) -> Done:
    marked = await connection.fetchval(_SKIP, message.sid, except_id)
    return Done.NOTHING if marked is None else Done.SKIPPED


async def processed_at(connection: Connection, key: str) -> str | None:
    """When the message with this idempotency key was taken, ISO 8601."""
    found: str | None = await connection.fetchval(
        """SELECT to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM webhook_idempotency
            WHERE idempotency_key = $1""",
        key,
    )
    return found
