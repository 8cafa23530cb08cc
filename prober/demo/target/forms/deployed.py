"""The form of the system as it is deployed (TARGET.md): camelCase columns, and 200 for whoever lost."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from prober.demo.target.decision import Decision, Verdict
from prober.demo.target.exchange import Incoming, refused, succeeded
from prober.demo.target.forms.form import REFUSALS, Form, FormName, RoutingStatements
from prober.demo.target.forms.message_sql import message_statements
from prober.sql import Sql

# A lost race is a 200 as well, with the same message (TARGET): only data.accepted tells.
_TOLD: dict[Verdict, tuple[bool, str]] = {
    Verdict.LOCKED: (True, "LOCKED"),
    Verdict.ALREADY_ACCEPTED: (True, "ALREADY_ACCEPTED"),
    Verdict.LOST_RACE: (False, "LOST_RACE"),
    Verdict.ALREADY_LOCKED: (False, "ALREADY_LOCKED"),
}
_REFUSED = {
    **REFUSALS,
    Verdict.UNKNOWN_ROUTING: (HTTPStatus.BAD_REQUEST, "Vendor routing not found", "NOT_FOUND"),
}


def _accept_answer(decision: Decision, _routing: str, _vendor: str) -> web.Response:
    if decision.verdict in _REFUSED:
        return refused(*_REFUSED[decision.verdict])
    accepted, reason = _TOLD[decision.verdict]
    data = {"accepted": accepted, "reason": reason, "lockedVendor": decision.winner}
    return succeeded(data, "Order accepted successfully")


def _no_route(incoming: Incoming) -> web.Response:
    return refused(HTTPStatus.NOT_FOUND, f"Route {incoming.method} {incoming.path} not found", "NOT_FOUND")


_ROUTING = RoutingStatements(
    look=Sql.parse("""
        SELECT r."orderId" AS order_id, r."lockedWholesalerId" AS locked,
               extract(epoch FROM r."lockedAt" AT TIME ZONE 'UTC')::float8 AS locked_at,
               EXISTS (SELECT FROM wholesalers w WHERE w.id = :vendor) AS vendor_known,
               s.id AS response_id,
               EXISTS (SELECT FROM vendor_cancellations c WHERE c."vendorResponseId" = s.id) AS lost_before,
               EXISTS (SELECT FROM vendor_routings o WHERE o."orderId" = r."orderId" AND o.id <> r.id
                          AND o."lockedWholesalerId" = :vendor) AS has_other,
               EXISTS (SELECT FROM vendor_routings o WHERE o."orderId" = r."orderId" AND o.id <> r.id
                          AND o."lockedWholesalerId" IS NOT NULL) AS order_taken
          FROM vendor_routings r
          LEFT JOIN vendor_responses s ON s."vendorRoutingId" = r.id AND s."wholesalerId" = :vendor
         WHERE r.id = :routing"""),
    lock_order=Sql.parse("SELECT 1 FROM orders WHERE id = :order FOR NO KEY UPDATE"),
    take_lock=Sql.parse("""
        UPDATE vendor_routings
           SET "lockedWholesalerId" = :vendor, "lockedAt" = clock_timestamp(), version = version + 1,
               "updatedAt" = now()
         WHERE id = :routing AND "lockedWholesalerId" IS NULL
           AND (:split OR NOT EXISTS (SELECT FROM vendor_routings o WHERE o."orderId" = :order AND o.id <> :routing
                                         AND o."lockedWholesalerId" IS NOT NULL))
        RETURNING 1"""),
    holder=Sql.parse('SELECT "lockedWholesalerId" FROM vendor_routings WHERE id = :routing'),
    overwrite_lock=Sql.parse("""
        UPDATE vendor_routings
           SET "lockedWholesalerId" = :vendor, "lockedAt" = clock_timestamp(), version = version + 1,
               "updatedAt" = now()
         WHERE id = :routing"""),
    write_win=Sql.parse("""
        WITH response AS (
            UPDATE vendor_responses
               SET "responseType" = 'ACCEPT', "acceptedAt" = now(), "updatedAt" = now(),
                   "responseTime" = (extract(epoch FROM now() - "createdAt") * 1000)::int
             WHERE "vendorRoutingId" = :routing AND "wholesalerId" = :vendor
        )
        INSERT INTO order_events (id, "orderId", "eventType", payload)
        VALUES (:event_id, :order, 'VENDOR_ACCEPTED', :payload)"""),
    write_loss=Sql.parse("""
        INSERT INTO vendor_cancellations (id, "vendorResponseId", reason, "sentAt", "updatedAt")
        VALUES (:cancellation_id, :response, 'LOST_RACE', now(), now())
        ON CONFLICT ("vendorResponseId") DO NOTHING"""),
    other_vendor=Sql.parse("""
        SELECT "wholesalerId" FROM vendor_responses
         WHERE "vendorRoutingId" = :routing AND "wholesalerId" <> :vendor ORDER BY "wholesalerId" LIMIT 1"""),
    told_winner=Sql.parse("""
        SELECT payload::json ->> 'vendorId' FROM order_events
         WHERE "orderId" = :order AND "eventType" = 'VENDOR_ACCEPTED' AND payload::json ->> 'routingId' = :routing
         ORDER BY timestamp LIMIT 1"""),
    choose_vendors=Sql.parse("""
        SELECT id FROM wholesalers WHERE "isActive" AND "isVerified" AND "currentOrders" < capacity
         ORDER BY "currentOrders", id LIMIT :limit"""),
    create_routing=Sql.parse("""
        INSERT INTO vendor_routings (id, "orderId", "retailerId", "eligibleVendors", "updatedAt")
        SELECT :routing, o.id, r.id, :vendors, now() FROM orders o, retailers r
         WHERE o.id = :order AND r.id = :retailer AND :anyone RETURNING 1"""),
    record_response=Sql.parse("""
        INSERT INTO vendor_responses (id, "vendorRoutingId", "wholesalerId", "responseType", "updatedAt")
        VALUES (:response_id, :routing, :vendor, :response, now()) ON CONFLICT DO NOTHING RETURNING 1"""),
    status=None,  # broken on the deployed version, whatever the routing
)

# A row of `processed_messages` made here has an id derived from its MessageSid, a claim another one; and whether
# it had its effect says "processedAt". The status alone cannot tell: a repeat makes it `skipped`, whatever it was.
# xmax = 0 tells the row that this statement inserted from the one it met.
_MESSAGES = message_statements(
    insert="""INSERT INTO processed_messages (id, "messageSid", "phoneNumber", status, "messageType", "updatedAt")
    SELECT :row_id, :sid, :sender, 'pending', 'text', now()
     WHERE :key::text IS NULL OR EXISTS (SELECT FROM key)
    ON CONFLICT ("messageSid") DO UPDATE
       SET status = CASE WHEN :skip_now THEN 'skipped' ELSE processed_messages.status END, "updatedAt" = now()
    RETURNING xmax = 0 AS inserted""",
    mark="""UPDATE processed_messages
       SET status = CASE status WHEN 'pending' THEN 'processed' ELSE status END,
           "processedAt" = now(), "updatedAt" = now()
     WHERE id = :row_id AND "messageSid" = :sid AND "phoneNumber" = :sender AND "processedAt" IS NULL
    RETURNING 1""",
    mark_deferred="""INSERT INTO processed_messages AS p
           (id, "messageSid", "phoneNumber", status, "messageType", "processedAt", "updatedAt")
    VALUES (:row_id, :sid, :sender, 'processed', 'text', now(), now())
    ON CONFLICT ("messageSid") DO UPDATE
       SET status = CASE p.status WHEN 'pending' THEN 'processed' ELSE p.status END,
           "processedAt" = now(), "updatedAt" = now()
     WHERE p.id = excluded.id AND p."processedAt" IS NULL
    RETURNING 1""",
    skip="""
UPDATE processed_messages SET status = 'skipped', "updatedAt" = now()
 WHERE "messageSid" = :sid AND id <> :except_id
RETURNING 1""",
    touch_nothing="UPDATE processed_messages SET \"retryCount\" = 0 WHERE id = ''",
)

FORM = Form(
    name=FormName.DEPLOYED,
    base="/api/v1/vendor-routing",
    responses=frozenset({"ACCEPT", "REJECT", "TIMEOUT", "ERROR"}),
    accept_answer=_accept_answer,
    no_route=_no_route,
    routing=_ROUTING,
    messages=_MESSAGES,
)
