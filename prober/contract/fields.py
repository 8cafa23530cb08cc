"""What the values of a contract may be, where they go into a request or are compared with an answer's status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Part(BaseModel):
    """Frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def fault(sentence: str) -> PydanticCustomError:
    """An error that quotes the value before `sentence`; a ValueError is for what is wrong with a whole."""
    return PydanticCustomError("value", "{sentence}", {"sentence": sentence})


def http_status(least: int, most: int, *but: int) -> AfterValidator:
    """Allow the statuses of this range, without `but`."""

    def check(found: int) -> int:
        if not least <= found <= most or found in but:
            exceptions = f" except {' and '.join(map(str, but))}" if but else ""
            raise fault(f"expected an HTTP status from {least} to {most}{exceptions}")
        return found

    return AfterValidator(check)


def _some(found: tuple[Any, ...]) -> tuple[Any, ...]:
    if not found:
        raise ValueError("found an empty list, expected at least one")
    return found


Int = Annotated[int, Field(strict=True)]
Some = AfterValidator(_some)
Statuses = Annotated[tuple[Annotated[Int, http_status(200, 599)], ...], Some]

# What our client puts into the request line and into headers (RFC 9110, 5.5 and 5.6.2; RFC 9112, 3.2.1).
_TARGET = re.compile(r"/[!-~]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~]*")
_PLACEHOLDER = re.compile(r"\{(\w+)\}", re.ASCII)
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "content-type", "traceparent", "x-synthetic-probe"}
)


def _path(path: str) -> str:
    if not _TARGET.fullmatch(path):
        raise fault("expected a path that begins with a slash and holds no blank, such as /health")
    return path


def _constant_path(path: str) -> str:
    if _PLACEHOLDER.search(path):
        raise fault("expected a path without {…}: nothing is filled in here")
    return _path(path)


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise fault("expected the name of a header, such as X-Twilio-Signature")
    return name


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value) or _PLACEHOLDER.search(value):
            raise ValueError(f'expected headers as they are sent, in ASCII and without {{…}}; "{name}" is not')
        if name.lower() in _OURS:
            raise ValueError(f'expected headers that prober does not write itself; it writes "{name}"')
    return headers


RequestPath = Annotated[str, AfterValidator(_path)]
ConstantPath = Annotated[str, AfterValidator(_constant_path)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Headers = Annotated[Mapping[str, str], AfterValidator(_headers)]


def filled(known: frozenset[str], templates: Iterable[str], *needed: str) -> None:
    """Check the placeholders of templates that belong together; each of `needed` has to be among them."""
    used = {name for template in templates for name in _PLACEHOLDER.findall(template)}
    allowed = ", ".join(f"{{{name}}}" for name in sorted(known))
    for name in sorted(used - known):
        raise ValueError(f"expected only the placeholders {allowed}; {{{name}}} is none")
    for name in needed:
        if name not in used:
            raise ValueError(f"expected {{{name}}} somewhere in it; placeholders: {allowed}")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put `values` in place of `{name}`; other braces stay as they are."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)
