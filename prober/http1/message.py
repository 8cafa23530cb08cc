"""The two messages of HTTP/1.1 as values: the request as the bytes that go out, the answer as what came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from prober.http1.endpoint import Endpoint

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_TARGET = re.compile(r"/[!-~]*")  # origin-form: visible ASCII only, so no blank can end it early
_VALUE = re.compile(r"[\t -~\x80-\xff]*")  # RFC 9110, 5.5: no control character, no CR, no LF
_OURS = frozenset({"host", "content-length", "transfer-encoding"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
LONGEST_WAIT = 3600  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case, in the order they came; trailers come last."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name; None when there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks us to wait (RFC 9110, 10.2.3), at most an hour; None if it does not say.

        A date counts from the Date of the same answer: so no clock but the server's own is asked.
        """
        value = self.header("retry-after") or ""
        if value.isascii() and value.isdigit():
            return float(min(int(value.lstrip("0")[:9] or "0"), LONGEST_WAIT))
        until, sent = _date(value), _date(self.header("date") or "")
        if until is None or sent is None:
            return None
        return min(max(0.0, (until - sent).total_seconds()), float(LONGEST_WAIT))


def _date(text: str) -> datetime | None:
    """An HTTP date; None when it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def build_request(
    method: str,
    endpoint: Endpoint,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """The bytes of a request (RFC 9112, 3), ready to be sent as often as wanted.

    `path` begins with a slash, may carry a query, and is appended to the prefix of the endpoint. Host and
    Content-Length are written here. ValueError for anything that could make the request mean something else:
    line breaks, blanks in the path, names that are no tokens, a header twice, a length of the caller's own.
    """
    target = endpoint.path + path
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"method {method!r}: expected a token such as POST")
    if not path.startswith("/") or not _TARGET.fullmatch(target):
        raise ValueError(f"path {path!r}: expected visible ASCII that begins with a slash")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {endpoint.authority}"]
    seen = set(_OURS)
    for name, value in (headers or {}).items():
        if name.lower() in seen:
            raise ValueError(f"header {name!r}: given twice, or written by this function itself")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"header name {name!r}: expected a token such as X-Idempotency-Key")
        if not _VALUE.fullmatch(value):
            # The value may be a secret, so only its name is told.
            raise ValueError(f"header {name!r}: its value has a line break or a control character")
        seen.add(name.lower())
        lines.append(f"{name}: {value}")
    if body or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body
