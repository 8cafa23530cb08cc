"""The forms of our answers: text, and errors as JSON, all with the same careful headers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web

_ALWAYS = {
    "Server": "prober",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def text_answer(body: str | bytes, content_type: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer 200 with a body of exactly this content type."""
    raw = body.encode() if isinstance(body, str) else body
    return web.Response(body=raw, headers={**_ALWAYS, "Content-Type": content_type, **(headers or {})})


def html_answer(page: str, headers: Mapping[str, str], *, status: int = 200) -> web.Response:
    """Answer a page for people."""
    answer = text_answer(page, "text/html; charset=utf-8", headers)
    answer.set_status(status)
    return answer


def stream_answer(headers: Mapping[str, str]) -> web.StreamResponse:
    """Begin to answer server-sent events, which no proxy on the way may collect."""
    kind = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    return web.StreamResponse(headers={**_ALWAYS, **kind, **headers})


def json_answer(document: Mapping[str, object]) -> web.Response:
    """Answer 200 with a JSON document."""
    # ASCII, since what a target says may hold what cannot be encoded.
    return text_answer(json.dumps(document, indent=1, allow_nan=False) + "\n", "application/json; charset=utf-8")


def json_error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer an error: what was expected, what came, what to do."""
    return json_refusal(status, sentence, {}, headers)


def json_refusal(
    status: int, sentence: str, more: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer an error that has more to say than a sentence."""
    body = json.dumps({"status": status, "error": sentence, **more}, ensure_ascii=False)
    return web.Response(
        status=status,
        body=body.encode(errors="backslashreplace"),
        headers={**_ALWAYS, "Content-Type": "application/json; charset=utf-8", **(headers or {})},
    )
