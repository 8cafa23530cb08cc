"""The statements about messages that both forms share, around what each of them does to its own row.

The row that tells a repeat is another one in each form; keys, jobs and the effect are the same.
"""

from __future__ import annotations

from prober.demo.target.forms.form import MessageStatements
from prober.sql import Sql

# No row of `key`: the idempotency key was seen before, and nothing is written.
_TAKE = """
WITH key AS (
    INSERT INTO webhook_idempotency (id, idempotency_key, webhook_type, request_body, response_status,
                                     response_body, expires_at, source_ip)
    SELECT :key_id, :key, 'whatsapp', :form::jsonb, 200, '{"success": true}', now() + interval '24 hours',
           :source_ip
     WHERE :key::text IS NOT NULL
    ON CONFLICT (idempotency_key) DO UPDATE
       SET request_body = excluded.request_body, created_at = now(), expires_at = excluded.expires_at
     WHERE webhook_idempotency.expires_at < now()
    RETURNING 1
), message AS (
    %s
), job AS (
    INSERT INTO webhook_jobs (message_sid, payload, due_at)
    SELECT :sid, :job::jsonb, now() + make_interval(secs => :delay)
      FROM message WHERE inserted AND :job::text IS NOT NULL
    ON CONFLICT (message_sid) DO NOTHING
)
SELECT inserted FROM message
"""

_EFFECT = """
WITH mark AS (
    %s
), job AS (
    DELETE FROM webhook_jobs WHERE message_sid = :sid
)
INSERT INTO whatsapp_messages (id, "from", "to", body, direction)
SELECT :effect_id, :sender, 'SYSTEM', :body, 'INCOMING' FROM mark
RETURNING 1
"""

_AGAIN = """
INSERT INTO whatsapp_messages (id, "from", "to", body, direction)
VALUES (:effect_id, :sender, 'SYSTEM', :body, 'INCOMING')
"""

_REMEMBER_KEY = """
INSERT INTO webhook_idempotency (id, idempotency_key, webhook_type, request_body, response_status, response_body,
                                 expires_at, source_ip)
VALUES (:key_id, :key, 'whatsapp', :form::jsonb, 200, '{"success": true}', now() + interval '24 hours', :source_ip)
ON CONFLICT (idempotency_key) DO NOTHING
"""

_KEY_TAKEN_AT = """
SELECT to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM webhook_idempotency WHERE idempotency_key = :key
"""


def message_statements(
    *, insert: str, mark: str, mark_deferred: str, skip: str, touch_nothing: str
) -> MessageStatements:
    """Build a form's statements. `insert` returns `inserted`; `mark` and `mark_deferred` a row, once a message."""
    return MessageStatements(
        take=Sql.parse(_TAKE % insert),
        process=Sql.parse(_EFFECT % mark),
        process_deferred=Sql.parse(_EFFECT % mark_deferred),
        skip=Sql.parse(skip),
        again=Sql.parse(_AGAIN),
        remember_key=Sql.parse(_REMEMBER_KEY),
        key_taken_at=Sql.parse(_KEY_TAKEN_AT),
        touch_nothing=Sql.parse(touch_nothing),
    )
