"""The form of the operators' guide: its tables and answers; where it says nothing, as deployed in snake_case."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from aiohttp import web

from prober.demo.target.decision import Decision, Verdict
from prober.demo.target.exchange import Incoming, refused, succeeded
from prober.demo.target.forms.form import REFUSALS, Form, FormName, RoutingStatements
from prober.demo.target.forms.message_sql import message_statements
from prober.sql import Sql

_LOST = (HTTPStatus.CONFLICT, "Order was accepted by another vendor", "RACE_CONDITION_LOST")
_REFUSED = {
    **REFUSALS,
    Verdict.LOST_RACE: _LOST,
    Verdict.ALREADY_LOCKED: _LOST,
    Verdict.UNKNOWN_ROUTING: (HTTPStatus.NOT_FOUND, "Routing not found", "ROUTING_NOT_FOUND"),
}


def _accept_answer(decision: Decision, routing: str, vendor: str) -> web.Response:
    """Answer; the winner that asks again gets the same to the byte."""
    if decision.verdict in _REFUSED:
        return refused(*_REFUSED[decision.verdict])
    return succeeded({"routingId": routing, "vendorId": vendor, "response": "ACCEPTED"}, "Order accepted")


def _no_route(incoming: Incoming) -> web.Response:
    """Express's own page: so a route that is missing differs from one that does not know a routing."""
    said = escape(f"Cannot {incoming.method} {incoming.path}")
    page = f'<!DOCTYPE html>\n<html lang="en">\n<body>\n<pre>{said}</pre>\n</body>\n</html>\n'
    return web.Response(status=HTTPStatus.NOT_FOUND, text=page, content_type="text/html")


_ROUTING = RoutingStatements(
    look=Sql.parse("""
        SELECT r.order_id, r.locked_vendor_id AS locked,
               extract(epoch FROM r.locked_at AT TIME ZONE 'UTC')::float8 AS locked_at,
               EXISTS (SELECT FROM vendors v WHERE v.id = :vendor) AS vendor_known,
               s.id AS response_id,
               COALESCE(s.response = 'LOST', false) AS lost_before,
               EXISTS (SELECT FROM vendor_routing o WHERE o.order_id = r.order_id AND o.id <> r.id
                          AND o.locked_vendor_id = :vendor) AS has_other,
               EXISTS (SELECT FROM vendor_routing o WHERE o.order_id = r.order_id AND o.id <> r.id
                          AND o.locked_vendor_id IS NOT NULL) AS order_taken
          FROM vendor_routing r
          LEFT JOIN vendor_routing_responses s ON s.routing_id = r.id AND s.vendor_id = :vendor
         WHERE r.id = :routing"""),
    lock_order=Sql.parse("SELECT 1 FROM orders WHERE id = :order FOR NO KEY UPDATE"),
    take_lock=Sql.parse("""
        UPDATE vendor_routing
           SET locked_vendor_id = :vendor, locked_at = clock_timestamp(), updated_at = now()
         WHERE id = :routing AND locked_vendor_id IS NULL
           AND (:split OR NOT EXISTS (SELECT FROM vendor_routing o WHERE o.order_id = :order AND o.id <> :routing
                                         AND o.locked_vendor_id IS NOT NULL))
        RETURNING 1"""),
    holder=Sql.parse("SELECT locked_vendor_id FROM vendor_routing WHERE id = :routing"),
    overwrite_lock=Sql.parse("""
        UPDATE vendor_routing
           SET locked_vendor_id = :vendor, locked_at = clock_timestamp(), updated_at = now()
         WHERE id = :routing"""),
    write_win=Sql.parse("""
        WITH response AS (
            UPDATE vendor_routing_responses SET response = 'ACCEPTED', responded_at = now(), updated_at = now()
             WHERE routing_id = :routing AND vendor_id = :vendor
        )
        INSERT INTO order_events (id, order_id, event_type, payload)
        VALUES (:event_id, :order, 'VENDOR_ACCEPTED', :payload)"""),
    write_loss=Sql.parse("""
        UPDATE vendor_routing_responses SET response = 'LOST', responded_at = now(), updated_at = now()
         WHERE id = :response AND response = 'PENDING'"""),
    other_vendor=Sql.parse("""
        SELECT vendor_id FROM vendor_routing_responses
         WHERE routing_id = :routing AND vendor_id <> :vendor ORDER BY vendor_id LIMIT 1"""),
    told_winner=Sql.parse("""
        SELECT payload::json ->> 'vendorId' FROM order_events
         WHERE order_id = :order AND event_type = 'VENDOR_ACCEPTED' AND payload::json ->> 'routingId' = :routing
         ORDER BY created_at LIMIT 1"""),
    choose_vendors=Sql.parse("""
        SELECT id FROM vendors WHERE is_active AND is_verified AND current_orders < capacity
         ORDER BY current_orders, id LIMIT :limit"""),
    create_routing=Sql.parse("""
        INSERT INTO vendor_routing (id, order_id, retailer_id, eligible_vendors, updated_at)
        SELECT :routing, o.id, r.id, :vendors, now() FROM orders o, retailers r
         WHERE o.id = :order AND r.id = :retailer AND :anyone RETURNING 1"""),
    record_response=Sql.parse("""
        INSERT INTO vendor_routing_responses (id, routing_id, vendor_id, response, updated_at)
        VALUES (:response_id, :routing, :vendor, :response, now()) ON CONFLICT DO NOTHING RETURNING 1"""),
    status=Sql.parse("""
        SELECT r.locked_vendor_id AS locked_vendor,
               ARRAY(SELECT s.vendor_id FROM vendor_routing_responses s
                      WHERE s.routing_id = r.id AND s.response = 'ACCEPTED'
                      ORDER BY s.vendor_id) AS accepted_vendors
          FROM vendor_routing r
         WHERE r.id = :routing"""),
)

# One row of `webhook_idempotency` knows the message again by its message_sid, another the key that came with it.
# The prefix keeps a key that is a MessageSid apart from the message of that sid. A row made here has an id derived
# from its MessageSid, a claim another one; a repeat changes nothing.
_MESSAGES = message_statements(
    insert="""INSERT INTO webhook_idempotency (id, message_sid, idempotency_key, webhook_type, request_body,
                                     response_status, response_body, expires_at, source_ip)
    SELECT :row_id, :sid, 'message:' || :sid, 'whatsapp', :form::jsonb, 200, '"OK"', now() + interval '24 hours',
           :source_ip
     WHERE :key::text IS NULL OR EXISTS (SELECT FROM key)
    ON CONFLICT (message_sid) DO UPDATE SET message_sid = excluded.message_sid
    RETURNING xmax = 0 AS inserted""",
    mark="""UPDATE webhook_idempotency SET processed_at = now()
     WHERE id = :row_id AND message_sid = :sid AND processed_at IS NULL
    RETURNING 1""",
    mark_deferred="""INSERT INTO webhook_idempotency AS p
           (id, message_sid, idempotency_key, webhook_type, request_body, response_status, response_body,
            expires_at, source_ip, processed_at)
    VALUES (:row_id, :sid, 'message:' || :sid, 'whatsapp', :form::jsonb, 200, '"OK"',
            now() + interval '24 hours', :source_ip, now())
    ON CONFLICT (message_sid) DO UPDATE SET processed_at = now()
     WHERE p.id = excluded.id AND p.processed_at IS NULL
    RETURNING 1""",
    skip="SELECT 1 FROM webhook_idempotency WHERE message_sid = :sid AND id <> :except_id",
    touch_nothing="UPDATE webhook_idempotency SET response_status = 200 WHERE id = ''",
)

FORM = Form(
    name=FormName.GUIDE,
    base="/api",
    responses=frozenset({"ACCEPTED", "REJECTED", "TIMEOUT", "ERROR"}),
    accept_answer=_accept_answer,
    no_route=_no_route,
    routing=_ROUTING,
    messages=_MESSAGES,
)
