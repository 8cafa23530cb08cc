-- What every form has, run before the form's own file. Ids are text made by the application, times have no zone and
-- are UTC. Running it again changes nothing; the form's file commits.
BEGIN;
SELECT pg_advisory_xact_lock(hashtext('whatsapp-ordering-system schema'));

-- As deployed (TARGET.md); the guide tells of no table in which messages are kept.
CREATE TABLE IF NOT EXISTS whatsapp_messages (
    id                 text PRIMARY KEY,
    "from"             text NOT NULL,
    "to"               text NOT NULL,
    body               text NOT NULL,
    "mediaUrl"         text,
    direction          text NOT NULL,
    "createdAt"        timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS "whatsapp_messages_from_idx" ON whatsapp_messages ("from");

-- The reference target's own: jobs of accepted messages until they are done (switch queue_fallback).
CREATE TABLE IF NOT EXISTS webhook_jobs (
    message_sid        text PRIMARY KEY,
    payload            jsonb NOT NULL,
    due_at             timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_jobs_due_at_idx ON webhook_jobs (due_at);
