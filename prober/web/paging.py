"""What a page of the API is asked for: which entries, how many, and from where on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST = 500
USUAL = 50
LARGEST_SEQ = 2**62


class BadQueryError(ValueError):
    """A parameter that is none, or no value for it; the text says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Page:
    """`limit` entries that come after `before` (a cursor of an earlier page), of one kind or of all."""

    only: str | None = None
    limit: int = USUAL
    before: int | None = None


def asked_page(query: Mapping[str, str], filter_name: str, filters: Sequence[str]) -> Page:
    """Read the parameters `limit`, `before` and the one named `filter_name`. Raises BadQueryError."""
    known = (filter_name, "limit", "before")
    unknown = [name for name in query if name not in known]
    if unknown:
        raise BadQueryError(f"expected only the parameters {', '.join(known)}, found {unknown[0][:100]!r}")
    only = query.get(filter_name)
    if only is not None and only not in filters:
        raise BadQueryError(f"{filter_name}: expected one of {', '.join(filters)}, found {only[:100]!r}")
    return Page(
        only=only,
        limit=_number("limit", query.get("limit"), MOST) or USUAL,
        before=_number("before", query.get("before"), LARGEST_SEQ),
    )


def _number(name: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 1 <= number <= most:
        raise BadQueryError(f"{name}: expected a whole number from 1 to {most}, found {text[:100]!r}")
    return number
