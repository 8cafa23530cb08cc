"""What a page of the API is asked for: which entries, how many, and from where on. Pure."""

from __future__ import annotations

from collections import Counter
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
    known_only(query, (filter_name, "limit", "before"))
    return Page(
        only=choice(query, filter_name, filters),
        limit=number(query, "limit", MOST) or USUAL,
        before=number(query, "before", LARGEST_SEQ),
    )


def known_only(query: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse every other parameter, and one that is given twice. Raises BadQueryError."""
    unknown = [name for name in query if name not in known]
    if unknown:
        expected = f"expected only the parameters {', '.join(known)}" if known else "expected no parameters"
        raise BadQueryError(f"{expected}, found {unknown[0][:100]!r}")
    for name, times in Counter(name for name, _ in query.items()).items():
        if times > 1:
            raise BadQueryError(f"{name}: expected once, found {times} times")


def choice(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    """One of a closed set; None where it was not given. Raises BadQueryError."""
    found = query.get(name)
    if found is not None and found not in choices:
        raise BadQueryError(f"{name}: expected one of {', '.join(choices)}, found {found[:100]!r}")
    return found


def number(query: Mapping[str, str], name: str, most: int) -> int | None:
    """A whole number from 1 on; None where it was not given. Raises BadQueryError."""
    text = query.get(name)
    if text is None:
        return None
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 1 <= found <= most:
        raise BadQueryError(f"{name}: expected a whole number from 1 to {most}, found {text[:100]!r}")
    return found
