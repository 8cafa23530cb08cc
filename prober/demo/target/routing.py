"""The vendor routing over HTTP, in the deployed form: paths, statuses and JSON, quirks included.

The guide's form differs in paths, statuses and tables; paths and statuses stand in this module, tables in
`accepting` and in the statements below.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import asyncpg
from aiohttp import web

from prober.demo.target.accepting import Decision, Verdict, accept
from prober.demo.target.config import Settings
from prober.demo.target.database import Connection, Database, UnavailableError
from prober.demo.target.exchange import Incoming, refused, succeeded
from prober.demo.target.live import Live
from prober.demo.target.record import Kind, RecordWriter

BASE = "/api/v1/vendor-routing"
VENDORS_ASKED = 10
RESPONSES = frozenset({"ACCEPT", "REJECT", "TIMEOUT", "ERROR"})

_PATHS = (
    ("POST", re.compile(rf"{BASE}/orders/([^/]+)/route-to-vendors"), "route"),
    ("POST", re.compile(rf"{BASE}/routing/([^/]+)/accept"), "accept"),
    ("POST", re.compile(rf"{BASE}/routing/([^/]+)/vendor-response"), "respond"),
    ("GET", re.compile(rf"{BASE}/routing/([^/]+)/status"), "status"),
)

# A lost race is a 200 as well, with the same message (TARGET): only data.accepted tells.
_ANSWERS: dict[Verdict, tuple[bool, str]] = {
    Verdict.LOCKED: (True, "LOCKED"),
    Verdict.ALREADY_ACCEPTED: (True, "ALREADY_ACCEPTED"),
    Verdict.LOST_RACE: (False, "LOST_RACE"),
    Verdict.ALREADY_LOCKED: (False, "ALREADY_LOCKED"),
}
_REFUSALS: dict[Verdict, tuple[HTTPStatus, str, str]] = {
    Verdict.UNKNOWN_ROUTING: (HTTPStatus.BAD_REQUEST, "Vendor routing not found", "NOT_FOUND"),
    Verdict.UNKNOWN_VENDOR: (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", "INTERNAL_ERROR"),
    Verdict.NO_RESPONSE_ROW: (HTTPStatus.NOT_FOUND, "Vendor response not found", "NOT_FOUND"),
    Verdict.CONFLICT: (HTTPStatus.CONFLICT, "Vendor already accepted this order", "CONFLICT"),
}


class VendorRouting:
    """Answers requests on the routing's paths."""

    def __init__(self, settings: Settings, live: Live, database: Database, record: RecordWriter) -> None:
        self._settings = settings
        self._live = live
        self._database = database
        self._record = record
        self._handlers: dict[str, Callable[[Incoming, str], Awaitable[web.Response]]] = {
            "route": self._route,
            "accept": self._accept,
            "respond": self._respond,
            "status": self._status,
        }

    async def answer(self, incoming: Incoming) -> web.Response | None:
        """Answer, or None when there is no such route."""
        for method, pattern, name in _PATHS:
            found = pattern.fullmatch(incoming.path)
            if found is not None and incoming.method == method:
                try:
                    return await self._handlers[name](incoming, found[1])
                except UnavailableError as reason:
                    return refused(HTTPStatus.SERVICE_UNAVAILABLE, str(reason), "SERVICE_UNAVAILABLE")
        return None

    async def _accept(self, incoming: Incoming, routing: str) -> web.Response:
        vendor = _json(incoming).get("vendorId")
        incoming.about |= {"routing": routing, "vendor": vendor}
        if not isinstance(vendor, str) or not vendor:
            return refused(HTTPStatus.BAD_REQUEST, "vendorId is required", "VALIDATION_ERROR")
        state = self._live.state
        decision = await self._database.run(
            lambda connection: accept(connection, state, routing, vendor, incoming.arrived),
            self._settings.database.routing_timeout,
        )
        self._record.write(
            Kind.DECISION,
            routing=routing,
            vendor=vendor,
            verdict=decision.verdict,
            winner=decision.winner,
            why=decision.why,
            window=decision.window,
            arrived=incoming.arrived.mono,
        )
        return _accept_answer(decision)

    async def _route(self, incoming: Incoming, order: str) -> web.Response:
        if (answer := self._demand_admin(incoming)) is not None:
            return answer
        retailer = _json(incoming).get("retailerId")
        if not isinstance(retailer, str) or not retailer:
            return refused(HTTPStatus.BAD_REQUEST, "retailerId is required", "VALIDATION_ERROR")
        routing = "vr_" + secrets.token_hex(12)

        async def create(connection: Connection) -> list[str] | None:
            chosen = await connection.fetch(
                """SELECT id FROM wholesalers WHERE "isActive" AND "isVerified" AND "currentOrders" < capacity
                    ORDER BY "currentOrders", id LIMIT $1""",
                VENDORS_ASKED,
            )
            vendors = [row["id"] for row in chosen]
            made = await connection.fetchval(
                """INSERT INTO vendor_routings (id, "orderId", "retailerId", "eligibleVendors", "updatedAt")
                   SELECT $1, o.id, r.id, $4, now() FROM orders o, retailers r
                    WHERE o.id = $2 AND r.id = $3 AND $5 RETURNING 1""",
                routing,
                order,
                retailer,
                json.dumps(vendors),
                bool(vendors),
            )
            return vendors if made is not None or not vendors else None

        vendors = await self._database.run(create, self._settings.database.routing_timeout)
        if vendors is None:
            return refused(HTTPStatus.BAD_REQUEST, "Order or retailer not found", "NOT_FOUND")
        if not vendors:
            return refused(HTTPStatus.BAD_REQUEST, "No vendors available", "NO_VENDORS")
        for vendor in vendors:
            self._record.write(Kind.OFFER, routing=routing, vendor=vendor)
        data = {"routingId": routing, "vendorCount": len(vendors)}
        return succeeded(data, "Order routed to vendors", HTTPStatus.CREATED)

    async def _respond(self, incoming: Incoming, routing: str) -> web.Response:
        body = _json(incoming)
        vendor, response = body.get("vendorId"), body.get("response")
        incoming.about |= {"routing": routing, "vendor": vendor}
        if not isinstance(vendor, str) or response not in RESPONSES:
            expected = "vendorId and response (ACCEPT, REJECT, TIMEOUT or ERROR) are required"
            return refused(HTTPStatus.BAD_REQUEST, expected, "VALIDATION_ERROR")
        identity = "vs_" + secrets.token_hex(12)

        async def write(connection: Connection) -> Any:
            return await connection.fetchval(
                """INSERT INTO vendor_responses
                               (id, "vendorRoutingId", "wholesalerId", "responseType", "updatedAt")
                   VALUES ($1, $2, $3, $4, now()) ON CONFLICT DO NOTHING RETURNING 1""",
                identity,
                routing,
                vendor,
                response,
            )

        try:
            made = await self._database.run(write, self._settings.database.routing_timeout)
        except asyncpg.ForeignKeyViolationError:
            return refused(HTTPStatus.BAD_REQUEST, "Vendor routing or vendor not found", "NOT_FOUND")
        if made is None:
            return refused(HTTPStatus.CONFLICT, "Vendor has responded already", "CONFLICT")
        return succeeded({"responseId": identity}, "Response recorded", HTTPStatus.CREATED)

    async def _status(self, incoming: Incoming, routing: str) -> web.Response:
        """Broken on the deployed version, whatever the routing."""
        incoming.about["routing"] = routing
        return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", "INTERNAL_ERROR")

    def _demand_admin(self, incoming: Incoming) -> web.Response | None:
        secret = self._settings.jwt_secret
        if secret is None:
            return None
        scheme, _, token = incoming.headers.get("Authorization", "").partition(" ")
        claims = _claims(secret, token) if scheme.lower() == "bearer" else None
        if claims is None:
            return refused(HTTPStatus.UNAUTHORIZED, "A valid bearer token is required", "UNAUTHORIZED")
        if claims.get("role") != "ADMIN":
            return refused(HTTPStatus.FORBIDDEN, "Role ADMIN is required", "FORBIDDEN")
        return None


def _accept_answer(decision: Decision) -> web.Response:
    if decision.verdict in _REFUSALS:
        status, error, code = _REFUSALS[decision.verdict]
        return refused(status, error, code)
    accepted, reason = _ANSWERS[decision.verdict]
    data = {"accepted": accepted, "reason": reason, "lockedVendor": decision.winner}
    return succeeded(data, "Order accepted successfully")


def _json(incoming: Incoming) -> dict[str, Any]:
    try:
        body = json.loads(incoming.body or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _claims(secret: str, token: str) -> dict[str, Any] | None:
    """The claims of a JWT signed with HS256 (RFC 7519, RFC 7515), or None when it is not valid now."""
    signed, _, signature = token.rpartition(".")
    try:
        header, claims = (json.loads(_base64url(part)) for part in signed.split("."))
        given = _base64url(signature)
    except ValueError:
        return None
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    if not isinstance(header, dict) or header.get("alg") != "HS256" or not isinstance(claims, dict):
        return None
    expires = claims.get("exp", float("inf"))
    if not isinstance(expires, int | float) or expires <= time.time():
        return None
    if not hmac.compare_digest(expected, given):
        return None
    return claims


def _base64url(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
