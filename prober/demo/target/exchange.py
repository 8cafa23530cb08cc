"""A request as the target's handlers see it, and the forms of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from prober.clock import Instant


@dataclass(slots=True)
class Incoming:
    """One request, whole. `arrived` is when its last byte was read from the socket.

    Handlers add to `about` what the record should know of it: the message's sid, the routing, the vendor.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client: str
    arrived: Instant
    about: dict[str, Any] = field(default_factory=dict)


def text(body: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """200 with plain text."""
    return web.Response(text=body, headers=headers)


def succeeded(data: Mapping[str, Any], message: str = "", status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """A JSON answer that says yes: `{success, message?, data}`."""
    said = {"message": message} if message else {}
    return web.json_response({"success": True, **said, "data": data}, status=status)


def refused(
    status: HTTPStatus, error: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer that says no: `{success: false, error, code?}`."""
    named = {"code": code} if code is not None else {}
    return web.json_response({"success": False, "error": error, **named}, status=status, headers=headers)
