"""The vendor routing over HTTP: its routes and what they check. Names, answers and tables are the form's."""

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

from prober.demo.target.accepting import Accept
from prober.demo.target.config import Settings
from prober.demo.target.database import Connection, Database, UnavailableError, rows, value
from prober.demo.target.decision import Decision, Verdict
from prober.demo.target.exchange import Incoming, refused, succeeded
from prober.demo.target.forms import Form
from prober.demo.target.live import Live
from prober.demo.target.record import Kind, RecordWriter

VENDORS_ASKED = 10

# Below the form's base path.
_PATHS = (
    ("POST", re.compile(r"/orders/([^/]+)/route-to-vendors"), "route"),
    ("POST", re.compile(r"/routing/([^/]+)/accept"), "accept"),
    ("POST", re.compile(r"/routing/([^/]+)/vendor-response"), "respond"),
    ("GET", re.compile(r"/routing/([^/]+)/status"), "status"),
)


class VendorRouting:
    """Answers requests on the routing's paths."""

    def __init__(
        self, settings: Settings, form: Form, live: Live, database: Database, record: RecordWriter
    ) -> None:
        self._settings = settings
        self._form = form
        self._statements = form.routing
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
        path = incoming.path.removeprefix(self._form.base)
        for method, pattern, name in _PATHS:
            found = pattern.fullmatch(path)
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
        accept = Accept(
            statements=self._statements,
            state=self._live.state,
            routing=routing,
            vendor=vendor,
            arrived=incoming.arrived,
        )
        decision = await self._database.run(accept.decide, self._settings.database.routing_timeout)
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
        return self._form.accept_answer(decision, routing, vendor)

    async def _route(self, incoming: Incoming, order: str) -> web.Response:
        if (answer := self._demand_admin(incoming)) is not None:
            return answer
        retailer = _json(incoming).get("retailerId")
        if not isinstance(retailer, str) or not retailer:
            return refused(HTTPStatus.BAD_REQUEST, "retailerId is required", "VALIDATION_ERROR")
        routing = "vr_" + secrets.token_hex(12)

        async def create(connection: Connection) -> list[str] | None:
            chosen = await rows(connection, self._statements.choose_vendors, limit=VENDORS_ASKED)
            vendors = [row["id"] for row in chosen]
            made = await value(
                connection,
                self._statements.create_routing,
                routing=routing,
                order=order,
                retailer=retailer,
                vendors=json.dumps(vendors),
                anyone=bool(vendors),
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
        if not isinstance(vendor, str) or response not in self._form.responses:
            expected = f"vendorId and response ({', '.join(sorted(self._form.responses))}) are required"
            return refused(HTTPStatus.BAD_REQUEST, expected, "VALIDATION_ERROR")
        identity = "vs_" + secrets.token_hex(12)

        async def write(connection: Connection) -> Any:
            return await value(
                connection,
                self._statements.record_response,
                response_id=identity,
                routing=routing,
                vendor=vendor,
                response=response,
            )

        try:
            made = await self._database.run(write, self._settings.database.routing_timeout)
        except asyncpg.ForeignKeyViolationError:
            return refused(HTTPStatus.BAD_REQUEST, "Vendor routing or vendor not found", "NOT_FOUND")
        if made is None:
            return refused(HTTPStatus.CONFLICT, "Vendor has responded already", "CONFLICT")
        return succeeded({"responseId": identity}, "Response recorded", HTTPStatus.CREATED)

    async def _status(self, incoming: Incoming, routing: str) -> web.Response:
        incoming.about["routing"] = routing
        status = self._statements.status
        if status is None:
            return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error", "INTERNAL_ERROR")
        found = await self._database.run(
            lambda connection: rows(connection, status, routing=routing), self._settings.database.routing_timeout
        )
        if not found:
            return self._form.accept_answer(Decision(Verdict.UNKNOWN_ROUTING), routing, "")
        locked, accepted = found[0]["locked_vendor"], found[0]["accepted_vendors"]
        return succeeded({"routingId": routing, "lockedVendor": locked, "acceptedVendors": accepted})

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
