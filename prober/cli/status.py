"""`prober status`: what a running prober knows; asks it alone and sends nothing to the target."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from prober.cli import exits
from prober.cli.settings import Settings, read_settings
from prober.publish.printable import printable
from prober.publish.status_text import open_violations, page

PASSWORD = "PROBER_STATUS_PASSWORD"  # noqa: S105 the name of the variable
PATH = "/api/v1/status"
TIMEOUT = 5.0  # seconds
LARGEST = 4 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Whom to ask and as whom. `ca_file` replaces the system's authorities."""

    url: str
    user: str | None = None
    password: str = field(default="", repr=False)
    ca_file: Path | None = None


class NoAnswerError(Exception):
    """There is no status; the sentence says what was tried, what came and what to do."""


def status(config: Path, *, url: str | None, user: str | None, ca_file: Path | None, as_json: bool) -> int:
    """Print the page, or the document; 1 when a violation is open, 3 when nobody answers."""
    try:
        if url is None:
            settings = read_settings(config)
            if settings is None:
                return exits.BAD_USAGE
            url = _own_url(settings)
        asking = Asking(
            url=url.rstrip("/") + PATH, user=user, password=os.environ.get(PASSWORD, ""), ca_file=ca_file
        )
        document = _fetch(asking)
        try:
            text = json.dumps(document, indent=2) + "\n" if as_json else page(document)
            found = open_violations(document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NoAnswerError(f"{asking.url} answers, but not as a prober of this version does") from error
    except NoAnswerError as error:
        print(f"prober status: {printable(str(error))}", file=sys.stderr)
        return exits.COULD_NOT_RUN
    sys.stdout.write(text)
    return exits.VIOLATION if found else exits.FINE


def _own_url(settings: Settings) -> str:
    """Where the prober of this config answers."""
    listen = settings.config.listen
    if listen.port == 0:
        raise NoAnswerError("`listen` leaves the port to the system; give the address that its log names as --url")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104 asked, not bound
    scheme = "http" if settings.web.tls is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listen.port}"


def _fetch(asking: Asking) -> Any:
    request = _request(asking)
    # No proxy: what an environment says of the way outwards does not hold for our own prober.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    try:
        context = ssl.create_default_context(cafile=asking.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise NoAnswerError(f"--ca-file {asking.ca_file}: {error}") from error
    handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as answer:
            body = answer.read(LARGEST + 1)
    except HTTPError as error:
        raise NoAnswerError(_refusal(asking, error)) from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise NoAnswerError(_failure(asking, error)) from error
    try:
        return json.loads(body) if len(body) <= LARGEST else None
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"{asking.url} answers, but with no JSON: no prober listens there") from error


def _request(asking: Asking) -> urllib.request.Request:
    try:
        parts = urlsplit(asking.url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
        _ = parts.port
    except ValueError:
        fine = False
    if not fine:
        raise NoAnswerError("expected --url as http://HOST:PORT or https://HOST:PORT; a user is given as --user")
    headers = {"Accept": "application/json"}
    if asking.user is not None:
        credentials = base64.b64encode(f"{asking.user}:{asking.password}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    return urllib.request.Request(asking.url, headers=headers)  # noqa: S310 the scheme was looked at


def _refusal(asking: Asking, error: HTTPError) -> str:
    if error.code == 401:
        return f"{asking.url} wants another user or password; give --user NAME, and the password in {PASSWORD}"
    with error:
        said = _sentence(error.read(LARGEST))
    hint = "; is that the address of a prober of this version?" if error.code == 404 else ""
    return f"{asking.url} answers {error.code}{f': {said}' if said else ''}{hint}"


def _sentence(body: bytes) -> str:
    """The sentence in one of our JSON errors; empty for what is none."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    said = document.get("error") if isinstance(document, dict) else None
    return said if isinstance(said, str) else ""


def _failure(asking: Asking, error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLError):
        return f"{asking.url}: {reason}; give its authority as --ca-file, and the name in its certificate in --url"
    if isinstance(reason, TimeoutError):
        return f"{asking.url} did not answer within {TIMEOUT:g} s"
    if isinstance(reason, http.client.HTTPException):
        return f"{asking.url} does not speak HTTP: no prober listens there"
    said = (reason.strerror if isinstance(reason, OSError) else None) or reason
    return f"{asking.url} cannot be reached: {said}; is `prober run` up, and does it listen there?"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A password must not be carried to wherever an answer points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: the redirect is the answer."""
        return
